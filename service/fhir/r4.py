"""The FHIR edge: bytes to a checked R4 resource as plain JSON values, and back to bytes.

`parse` is what every door uses. Readers get plain dictionaries, so that nothing of a resource is lost on its way through (the
library's models turn 7.10 into 7.1).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import orjson

from service.errors import Fault, FaultKind, InvalidInput, MalformedInput
from service.fhir import wording
from service.fhir.elements import resource_types
from service.fhir.json_text import Limits, read_json
from service.fhir.plans import prepare
from service.fhir.walk import EnoughFaults, Walk
from service.records import dataclass

__all__ = ["Limits", "Parsed", "Verdict", "accept", "check", "parse", "read_stored", "refusal", "serialise", "warm"]

_LONGEST_FRACTION = 40  # digits; a longer one came with an exponent, and is written with one
# A body with one of these is not FHIR JSON at all; with the others it is, but breaks a rule.
_MALFORMED: frozenset[FaultKind] = frozenset({"structure", "value", "too-costly"})


@dataclass(frozen=True, slots=True)
class Parsed:
    """A resource without faults. Numbers with a fraction are Decimal, whole numbers int."""

    resource: dict[str, Any]
    warnings: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a resource, in the order of the document."""

    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()


def parse(raw: bytes, *, limits: Limits, expected: str | None = None) -> Parsed:
    """The resource in `raw`, if it is valid R4; `expected` is the type it must have.

    Raises TooLarge; MalformedInput if it is not JSON or not the JSON that R4 prescribes; InvalidInput if it only breaks required
    elements, required bindings or invariants. Each carries all faults found. Numbers that a form wrote as text into the answers
    of a QuestionnaireResponse are replaced by numbers, with a warning each.
    """
    resource = read_json(raw, limits)
    found = resource.get("resourceType")
    if expected is not None and isinstance(found, str) and found != expected and found in resource_types():
        raise MalformedInput(wording.wrong_type(found, expected))
    return accept(resource)


def accept(resource: dict[str, Any]) -> Parsed:
    """The decoded resource, if it is valid R4, as `parse` gives it; otherwise what `parse` raises."""
    verdict, conversions = _walked(resource)
    if verdict.faults:
        raise refusal(verdict.faults)
    for node, name, number in conversions:
        node[name] = number
    return Parsed(resource, verdict.warnings)


def refusal(faults: Iterable[Fault]) -> InvalidInput:
    """The error for faults of a resource: MalformedInput if one of them means that it is not FHIR JSON at all."""
    told = tuple(faults)
    malformed = any(fault.kind in _MALFORMED for fault in told)
    return (MalformedInput if malformed else InvalidInput)(told)


def read_stored(body: bytes) -> dict[str, Any]:
    """The resource in JSON that this service wrote itself: decimals as Decimal, nothing checked again."""
    resource: dict[str, Any] = json.loads(body, parse_float=Decimal)
    return resource


def stored_text(body: bytes) -> Any:
    """JSON that this service wrote itself, to stand in a resource as it is when that is serialised."""
    return orjson.Fragment(body)


def check(resource: dict[str, Any]) -> Verdict:
    """All faults and warnings of a decoded resource of any R4 type. The resource is not changed."""
    return _walked(resource)[0]


def serialise(resource: dict[str, Any], *, pretty: bool = False) -> bytes:
    """The resource as UTF-8 JSON; each Decimal with exactly its digits. `pretty` indents by two spaces."""
    return orjson.dumps(resource, default=_digits, option=orjson.OPT_INDENT_2 if pretty else 0)


def warm(types: Iterable[str]) -> None:
    """Nothing; afterwards the first request with one of these types costs what the second one does.

    Reading the structure of a type takes 1 to 30 ms (the library's module is imported), so a server calls this before it listens.
    """
    for name in types:
        prepare(name)


def _walked(resource: Any) -> tuple[Verdict, list[tuple[dict[str, Any], str, int | Decimal]]]:
    state = Walk()
    found: list[Fault] = state.faults
    try:
        state.resource(resource, None)
    except EnoughFaults:
        found = [*state.faults, wording.more_faults(len(state.faults))]
    faults = tuple(fault for fault in found if fault.severity == "error")
    warnings = tuple(fault for fault in found if fault.severity != "error")
    return Verdict(faults, warnings), state.conversions


def _digits(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        text = str(value)
        if "E" not in text:  # nearly always, and then these are the digits: no need to look closer
            return orjson.Fragment(text)
        # str() writes 0.00000001 as 1E-8: the same number, but not the digits that came in.
        plain = -_LONGEST_FRACTION <= int(value.as_tuple().exponent) <= 0
        return orjson.Fragment(format(value, "f") if plain else text)
    raise TypeError(f"no JSON for {type(value).__name__}")
