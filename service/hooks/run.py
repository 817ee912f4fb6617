"""One hook call answered: data gathered, assessed by the one use case, and worded as cards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.assessment.run import AssessOptions, Parts
from service.fhir import r4
from service.hooks.advice import order_advice, raised
from service.hooks.cards import Addresses, CardWriter, Frame, Issued
from service.hooks.orders import OrderRules, RecognisedOrder, recognised
from service.hooks.prefetch import RecordReader, Unseen, gather
from service.hooks.registry import HookService, HookServices
from service.hooks.request import HookRequest
from service.hooks.silence import SilenceRules
from service.hooks.submission import Known, assess_record, of_another_patient
from service.mapping.writers.letter import emergency

MOST_ORDERS = 5  # cards on orders in one answer
# What was there and could not be used, as against what was not to be had.
HIDING = frozenset({"malformed", "unreadable", "not-understood", "other-patient", "unclear-patient"})


@dataclass(frozen=True, slots=True)
class HookParts:
    """Everything a hook call needs, built once per process."""

    assessment: Parts
    services: HookServices
    orders: OrderRules
    silence: SilenceRules
    reader: RecordReader
    limits: r4.Limits
    card_key: bytes = field(repr=False)  # what the uuids of cards are made with
    workbench: str | None = None
    kept_for: str = ""  # the record system whose assessments are stored here too; empty: none


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """The response to a call, the cards in it as they are counted, and the assessment behind them if it is to be kept."""

    body: dict[str, Any]
    issued: tuple[Issued, ...] = ()
    risk_assessment: dict[str, Any] | None = None
    unseen: tuple[Unseen, ...] = ()


def answer_hook(
    service: HookService,
    request: HookRequest,
    *,
    parts: HookParts,
    fhir_address: str,
    language: str,
    asked: Callable[[Mapping[str, str]], None],
) -> HookAnswer:
    """The answer to a call. `asked` is told which queries went to the record system, by prefetch key, whatever came of them.

    An empty list of cards means that all data were seen and there is nothing useful to add; anything else is an error:
    MissingData where data that are needed cannot be had. Never stores anything.
    """
    concerns_orders = "order" in service.cards
    drafts = [draft for draft in request.draft_orders if not of_another_patient(draft, request)] if concerns_orders else []
    orders = recognised(drafts, parts.orders, parts.assessment.terminology)
    if concerns_orders and not orders:
        return HookAnswer({"cards": []})  # orders of other kinds: nothing is fetched or read for them
    record = gather(service, request, parts.reader, asked=asked)
    known = assess_record(
        record,
        request,
        parts=parts.assessment,
        options=AssessOptions(language=language),
        ordered=bool(orders),
        silence=parts.silence,
    )
    kept = service.keeps(request.server, for_server=parts.kept_for)
    frame = Frame(
        request,
        parts.assessment.vocabulary_in(language),
        str(parts.assessment.questionnaire["id"]),
        Addresses(fhir_address, parts.workbench, kept=kept),
        parts.assessment.now(),
        parts.card_key,
    )
    issued = tuple(_cards(service, known, orders, parts.orders, frame))
    assessment = known.result.risk_assessment if known.result is not None and kept else None
    return HookAnswer({"cards": [one.card for one in issued]}, issued, assessment, known.unseen)


def _cards(
    service: HookService, known: Known, orders: Sequence[RecognisedOrder], rules: OrderRules, frame: Frame
) -> Iterator[Issued]:
    """The cards a service may show, in its order; alarm signs come first because every service lists them first."""
    result = known.result
    if result is None:
        if known.complaint and "form" in service.cards:
            yield frame.form(known.unseen)
        elif _hides_findings(known):
            yield frame.unseen(known.unseen)
        return
    writer = CardWriter(frame, result, known.unseen)
    for kind in service.cards:
        if kind == "red-flags" and raised(result.assessment):
            yield writer.red_flags()
        elif known.alarm_only or emergency(result.assessment):
            continue  # without the pain there is no source of it to tell; and no source or plan stands beside an emergency
        elif kind in ("source", "source-with-orders"):
            yield writer.source(with_orders=kind == "source-with-orders")
        elif kind == "plan":
            yield writer.plan()
        elif kind == "order":
            for advice in list(order_advice(result, orders, rules))[:MOST_ORDERS]:
                yield writer.order(advice)


def _hides_findings(known: Known) -> bool:
    """Whether silence would hide that data were there and could not be read; what was merely not sent hides nothing."""
    broken = {one.why for one in known.unseen} - {"not-sent", "refused"}
    return bool(broken & HIDING) or (known.complaint and bool(broken))
