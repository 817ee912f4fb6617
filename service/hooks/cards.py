"""Cards as CDS Hooks defines them: a summary that fits, reasons that can be checked, and what to do with one click."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Sequence
from dataclasses import field, replace
from datetime import datetime
from typing import Any, Literal

from service.assessment.run import Result
from service.engine.model import Recommendation
from service.hooks.advice import OrderAdvice, indicator_of, raised
from service.hooks.kinds import Indicator, Topic
from service.hooks.markdown import Detail, foreign, percent, plain, unseen_lines
from service.hooks.orders import Sign
from service.hooks.prefetch import Unseen
from service.hooks.request import HookRequest
from service.hooks.suggestions import Drafts, Suggestion
from service.mapping.writers.plan import given, reassess_day
from service.mapping.writers.vocabulary import Vocabulary
from service.mapping.writers.words import in_words_of
from service.records import dataclass

Card = dict[str, Any]

SUMMARY_LIMIT = 139  # the specification says: less than 140 characters
TOPICS = "card-topic"
REASONS = "override-reason"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where links lead: the FHIR base as the client reaches it, and the SMART launch address of the workbench if there is one.

    `kept`: the assessment will be found below the FHIR base.
    """

    fhir: str
    workbench: str | None = None
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Issued:
    """A card and what is counted of it: nothing about the patient. `differential` is the leading source pattern, or empty."""

    card: Card
    topic: Topic
    differential: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What all cards of one call share: for whom, in which language, and where links lead."""

    request: HookRequest
    vocabulary: Vocabulary
    form_id: str
    addresses: Addresses
    now: datetime
    key: bytes = field(repr=False)

    def identity(self, topic: Topic | Literal["suggestion"], advice: Any) -> uuid.UUID:
        """The uuid of a piece of advice: the same for the same advice to the same patient in the same encounter.

        Of version 5, as more clients know that one, but of a keyed hash: without the key it cannot be made again from what
        somebody knows of the patient, and so tells nobody anything.
        """
        space = uuid.uuid5(uuid.NAMESPACE_URL, f"{self.vocabulary.base_url}/card")
        told = [(self.request.server or "").rstrip("/"), self.request.patient_id, self.request.encounter_id, topic, advice]
        name = json.dumps(told, separators=(",", ":"))
        return uuid.uuid5(space, hmac.new(self.key, name.encode(), hashlib.sha256).hexdigest())

    def card(
        self, topic: Topic, identity: uuid.UUID, indicator: Indicator, summary: str, detail: str, result: Result | None = None
    ) -> Card:
        """A card without suggestions."""
        texts = self.vocabulary.texts
        return {
            "uuid": str(identity),
            "summary": summary,
            "indicator": indicator,
            "detail": detail,
            "source": {
                "label": texts("device-name"),
                "url": f"{self.addresses.fhir}/DocumentReference/model-card",
                "topic": self._coding(TOPICS, topic),
            },
            "overrideReasons": [self._coding(REASONS, code) for code in self._codes(REASONS)],
            "links": self._links(topic, result),
        }

    def form(self, unseen: Sequence[Unseen]) -> Issued:
        """Hip or back pain is known, but nothing that tells its source: the form, and what could not be seen."""
        return self._bare("form", "card-form", "card-form-detail", unseen)

    def unseen(self, unseen: Sequence[Unseen]) -> Issued:
        """Part of the record could not be read, and what could says nothing."""
        return self._bare("unseen", "card-unseen", "card-unseen-detail", unseen)

    def _bare(self, topic: Topic, summary: str, detail: str, unseen: Sequence[Unseen]) -> Issued:
        texts = self.vocabulary.texts
        lines = "\n".join(f"- {line}" for line in unseen_lines(unseen, self.vocabulary))
        blocks = [plain(texts(detail)), lines, f"**{plain(texts('intended-use'))}**"]
        identity = self.identity(topic, sorted({one.what for one in unseen}))
        told = "\n\n".join(block for block in blocks if block)
        return Issued(self.card(topic, identity, "info", texts(summary), told), topic, "")

    def _coding(self, system_id: str, code: str) -> dict[str, Any]:
        return {**self.vocabulary.coding(system_id, code), "display": self.vocabulary.texts(f"{system_id}-{code}")}

    def _codes(self, system_id: str) -> list[str]:
        system = self.vocabulary.terminology.resource("CodeSystem", system_id) or {"concept": []}
        return [concept["code"] for concept in system["concept"]]

    def _links(self, topic: Topic, result: Result | None) -> list[dict[str, Any]]:
        texts, fhir = self.vocabulary.texts, self.addresses.fhir
        links = [{"label": texts("card-link-model"), "url": f"{fhir}/DocumentReference/model-card", "type": "absolute"}]
        if topic == "form":
            links.insert(0, {"label": texts("card-link-form"), "url": f"{fhir}/Questionnaire/{self.form_id}", "type": "absolute"})
        if result is not None and self.addresses.kept:
            kept = f"{fhir}/RiskAssessment/{kept_id(result.risk_assessment)}"
            links.insert(0, {"label": texts("card-link-assessment"), "url": kept, "type": "absolute"})
        if self.addresses.workbench is not None:
            link = {"label": texts("card-link-workbench"), "url": self.addresses.workbench, "type": "smart"}
            if result is not None:
                identifier = result.risk_assessment["identifier"][0]["value"]
                link["appContext"] = json.dumps({"assessment": identifier}, separators=(",", ":"))
            links.insert(0, link)
        return links


class CardWriter:
    """Writes the cards of one call on an assessment."""

    def __init__(self, frame: Frame, result: Result, unseen: Sequence[Unseen]) -> None:
        self._frame = frame
        self._vocabulary = frame.vocabulary
        self._texts = frame.vocabulary.texts
        self._result = replace(result, assessment=in_words_of(result.assessment, frame.vocabulary.knowledge))
        self._detail = Detail(self._result, frame.vocabulary, unseen, frame.now)

    def red_flags(self) -> Issued:
        """Alarm signs: the first one in the summary, all of them in the detail, what they call for as drafts."""
        assessment, texts = self._result.assessment, self._texts
        flags = raised(assessment)
        values = {"urgency": texts(f"urgency-{flags[0].urgency}"), "label": flags[0].rule.label}
        summary = fitted(
            texts("card-red-flag", **values, action=flags[0].rule.action), texts("card-red-flag-short", **values)
        )
        called = [one for one in assessment.recommendations if any(code.startswith("red-flag:") for code in one.because)]
        identity = self._frame.identity("red-flags", [flag.rule.id for flag in flags])
        suggestions = self._drafts(identity).to_add(called)
        return self._issued("red-flags", identity, indicator_of(assessment), summary, self._detail.red_flags(), suggestions)

    def source(self, *, with_orders: bool) -> Issued:
        """Where the pain may come from, and the next examination."""
        assessment, texts = self._result.assessment, self._texts
        undecided = bool(assessment.undecided)
        key, short = "card-source", "card-source-short"
        if undecided:
            key, short = "card-source-undecided", "card-source-undecided-short"
        candidates = [texts(short, **self._leader())]
        if assessment.next_findings:
            following = self._vocabulary.label(assessment.next_findings[0].finding_id)
            candidates.insert(0, texts(key, **self._leader(), finding=following))
        identity = self._frame.identity("source", [assessment.patterns[0].target, undecided])
        orders = assessment.recommendations if with_orders and not undecided else ()
        suggestions = self._drafts(identity).to_add(orders)
        return self._issued("source", identity, "info", fitted(*candidates), self._detail.source(), suggestions)

    def plan(self) -> Issued:
        """What to do, the response to expect, and when to assess again."""
        assessment, texts = self._result.assessment, self._texts
        items = given(assessment)
        day = reassess_day(assessment, self._frame.now)
        candidates = [texts("card-plan-short", **self._leader())]
        if day is not None:
            candidates.insert(0, texts("card-plan", **self._leader(), date=day.isoformat()))
        identity = self._frame.identity("plan", [assessment.patterns[0].target, sorted(item.rule.id for item in items)])
        suggestions = self._drafts(identity).to_add(assessment.recommendations)
        return self._issued("plan", identity, "info", fitted(*candidates), self._detail.plan(), suggestions)

    def order(self, advice: OrderAdvice) -> Issued:
        """An order that fits the record badly, why, and what may be done instead."""
        texts, rule = self._texts, advice.order.rule
        called = texts(f"order-{rule.id}")
        offers = self._offered(advice)
        undecided = bool(self._result.assessment.undecided)
        if advice.leads and undecided:
            candidates = [texts("card-order-so-far", order=called, **self._leader()), texts("card-order-shortest", order=called)]
        elif advice.leads:
            candidates = [texts("card-order-short", order=called, **self._leader()), texts("card-order-shortest", order=called)]
            if offers:
                instead = offers[0].referral.label
                candidates.insert(0, texts("card-order", order=called, **self._leader(), instead=instead))
        else:
            sign = self._sign(advice.signs[0])
            candidates = [texts("card-order-sign", order=called, sign=sign), texts("card-order-shortest", order=called)]
        signs = [sign.finding_id for sign in advice.signs]
        leader = self._result.assessment.patterns[0].target
        identity = self._frame.identity("order", [rule.id, advice.order.reference, leader, signs])
        drafts = self._drafts(identity)
        suggestions = [
            *(drafts.aimed_at(advice.order, rule.aim_at) if rule.aim_at and leader == "spine" else ()),
            *drafts.instead_of(advice.order, offers, recommended=advice.recommended, keep=advice.fits),
        ]
        detail = self._detail.order(self._reasons(advice, called))
        indicator: Indicator = "info" if advice.fits or (undecided and not advice.signs) else "warning"
        return self._issued("order", identity, indicator, fitted(*candidates), detail, suggestions, "at-most-one")

    # --- parts ---------------------------------------------------------------------------------------------------------

    def _leader(self) -> dict[str, str]:
        leader = self._result.assessment.patterns[0]
        return {"pattern": self._vocabulary.outcome_label(leader), "percent": percent(leader.probability)}

    def _drafts(self, card: uuid.UUID) -> Drafts:
        # Not of the card's uuid itself, which others know: theirs would tell what each suggestion is.
        return Drafts(self._frame.identity("suggestion", str(card)), self._result, self._vocabulary, self._frame.now)

    def _issued(
        self,
        topic: Topic,
        identity: uuid.UUID,
        indicator: Indicator,
        summary: str,
        detail: str,
        suggestions: Sequence[Suggestion],
        selection: str = "any",
    ) -> Issued:
        card = self._frame.card(topic, identity, indicator, summary, detail, self._result)
        if suggestions:
            card |= {"suggestions": list(suggestions), "selectionBehavior": selection}
        return Issued(card, topic, self._result.assessment.patterns[0].target)

    def _sign(self, sign: Sign) -> str:
        values = {one.finding_id: one.value for one in self._result.reading.case.answers}
        return self._vocabulary.answered(sign.finding_id, values)

    def _reasons(self, advice: OrderAdvice, called: str) -> list[str]:
        texts = self._texts
        reasons = [plain(texts("card-order-why-sign", sign=self._sign(sign))) for sign in advice.signs]
        if advice.leads:
            leader = self._detail.patterns[0]
            other = next(one for one in self._detail.patterns if one.prediction.target == advice.order.rule.region)
            told = texts(
                "card-order-why-pattern",
                pattern=leader.label,
                percent=f"{leader.percent}%",
                low=f"{leader.low}%",
                high=f"{leader.high}%",
                other=other.label,
                other_percent=f"{other.percent}%",
            )
            reasons.insert(0, plain(told))
        if advice.order.reference is not None:
            which = plain(texts("card-order-which", order=called))
            reasons.append(f"{which} {foreign(advice.order.reference)}")
        return reasons

    def _offered(self, advice: OrderAdvice) -> list[Recommendation]:
        known = {one.id: one for one in self._vocabulary.knowledge.referrals}
        proposed = {one.referral.id: one for one in self._result.assessment.recommendations}
        return [
            proposed.get(name) or Recommendation(known[name], known[name].urgency or "routine", ()) for name in advice.offered
        ]


def kept_id(risk_assessment: dict[str, Any]) -> str:
    """The id under which an assessment is kept here: the same record has the same."""
    return f"ra-{risk_assessment['identifier'][0]['value'][:40]}"


def fitted(*candidates: str) -> str:
    """The first candidate that is short enough; the last one cut at a word if none is."""
    for text in candidates:
        if len(text) <= SUMMARY_LIMIT:
            return text
    return candidates[-1][: SUMMARY_LIMIT - 1].rsplit(" ", 1)[0] + "…"
