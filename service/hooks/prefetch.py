"""The data a hook works on: what was sent, what had to be fetched, and what nobody could have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from service.clients.ehr import Fetched, Problem, complains, held_in, lacks, malformed_in, matches_in, next_page
from service.errors import Fault, MalformedInput, MissingData
from service.hooks.registry import HookService, Prefetch
from service.hooks.request import HookRequest

Resource = dict[str, Any]
Why = Literal[
    "not-sent", "refused", "denied", "failed", "partial", "malformed", "unreadable", "not-understood", "other-patient",
    "unclear-patient",
]  # fmt: skip

SPEC = "https://cds-hooks.hl7.org/2.0/#prefetch-template"
_REASONS: Mapping[Why, str] = {
    "not-sent": "It was not sent, and there is no fhirServer to ask.",
    "refused": "It was not sent, and fhirServer is no host that this service may call.",
    "denied": "It was not sent, and fhirServer did not let this service read it.",
    "failed": "The query for it failed.",
    "partial": "Only part of it could be read.",
    "malformed": "Entries of it hold no resource.",
    "unreadable": "It could not be read.",
    "not-understood": "What it says could not be read.",
    "other-patient": "It is about another patient.",
    "unclear-patient": "It does not say whose it is.",
}


class RecordReader(Protocol):
    """Whoever can read a record system (`clients.ehr.RecordServer`)."""

    def fetch(self, base: str, queries: Mapping[str, str], *, token: str | None) -> dict[str, Fetched]: ...


@dataclass(frozen=True, slots=True)
class Unseen:
    """Something of the record that the advice does without: a prefetch key or a resource, why, and how many of its entries."""

    what: str
    why: Why
    count: int = 1


@dataclass(frozen=True, slots=True)
class Record:
    """The patient's data, each resource once, and what is not among them."""

    resources: tuple[Resource, ...] = field(repr=False)
    unseen: tuple[Unseen, ...] = ()


def gather(
    service: HookService, request: HookRequest, reader: RecordReader, *, asked: Callable[[Mapping[str, str]], None]
) -> Record:
    """The data of every prefetch key; MissingData naming each required key whose data cannot be had.

    A key that was sent is never fetched, whether it holds data, null or an error; only its further pages are. MalformedInput
    if the client sent another patient than the one of the context. `asked` is told which queries went out.
    """
    held: dict[str, list[Resource]] = {}
    unseen: dict[str, Why] = {}
    malformed: Counter[str] = Counter()
    queries: dict[str, str] = {}
    for one in service.prefetch:
        if one.key in request.prefetch:
            sent = request.prefetch[one.key]
            held[one.key], why = _sent(sent)
            malformed[one.key] += malformed_in(sent or {})
            if why is not None:
                unseen[one.key] = why
            elif sent is not None and (following := next_page(sent)):
                queries[one.key] = following
        elif (query := one.resolved(request.context)) is not None:
            queries[one.key] = query
    fetched = _fetched(request, reader, queries, held, unseen)
    asked({key: queries[key] for key, got in fetched.items() if got.problem != "refused"})
    for key, got in fetched.items():
        before = held.setdefault(key, [])
        before += got.resources
        malformed[key] += got.malformed
        if got.problem:
            unseen[key] = _why(got.problem, some=bool(before))
    _require(service.prefetch, unseen)
    _same_patient(held, request)
    left_out = [Unseen(key, "malformed", count) for key, count in malformed.items() if count]
    return Record(tuple(_once(held)), (*(Unseen(key, why) for key, why in unseen.items()), *left_out))


def _sent(value: Resource | None) -> tuple[list[Resource], Why | None]:
    """The resources of a prefetched value, and what it says of them if the query failed or stopped halfway."""
    if value is None:
        return [], None
    if value["resourceType"] == "OperationOutcome":
        return [], "failed"
    stopped = complains(value) or (next_page(value) is None and lacks(value, matches_in(value)))
    return list(held_in(value)), "partial" if stopped else None


def _fetched(
    request: HookRequest,
    reader: RecordReader,
    queries: Mapping[str, str],
    held: Mapping[str, list[Resource]],
    unseen: dict[str, Why],
) -> dict[str, Fetched]:
    """What the record system answers to each query, by key; without one to ask, `unseen` says so."""
    if not queries:
        return {}
    if request.server is None:
        unseen |= {key: "partial" if key in held else "not-sent" for key in queries}
        return {}
    return reader.fetch(request.server, queries, token=request.token)


def _why(problem: Problem, *, some: bool) -> Why:
    assert problem
    return "partial" if some else problem


def _require(templates: tuple[Prefetch, ...], unseen: Mapping[str, Why]) -> None:
    faults = [
        Fault(
            "incomplete",
            f"The data of the prefetch key {one.key} cannot be had. {_REASONS[unseen[one.key]]}",
            where=f"prefetch.{one.key}",
            rule=f"There is no advice without the result of {one.query}",
            repair="Send it as prefetch (null if the patient has no such data), or give fhirServer and a token that may read it.",
            spec=SPEC,
        )
        for one in templates
        if one.required and unseen.get(one.key, "partial") != "partial"
    ]
    if faults:
        raise MissingData(faults)


def _same_patient(held: Mapping[str, list[Resource]], request: HookRequest) -> None:
    faults = [
        Fault(
            "conflict",
            "The prefetched patient is not the one of the context.",
            where=f"prefetch.{key}",
            rule="Advice for one patient on the data of another would be worse than none.",
            repair="Send the Patient whose id context.patientId gives.",
        )
        for key, resources in held.items()
        for resource in resources
        if resource["resourceType"] == "Patient" and resource.get("id") not in (None, request.patient_id)
    ]
    if faults:
        raise MalformedInput(faults)


def _once(held: Mapping[str, list[Resource]]) -> Iterator[Resource]:
    seen: set[tuple[str, str]] = set()
    for resources in held.values():
        for resource in resources:
            identity = (resource["resourceType"], str(resource.get("id", "")))
            if identity[1] and identity in seen:
                continue
            seen.add(identity)
            yield resource
