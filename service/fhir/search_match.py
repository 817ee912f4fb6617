"""Whether one resource meets a search, told from its own values: for what is held in memory, and for news of one resource.

Chains and `_has` need other resources; `linked` gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from service.fhir.index_values import (
    DateValue,
    Indexer,
    IndexValue,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
)
from service.fhir.search import Chain, Condition, Criterion, Reverse
from service.fhir.search_values import (
    CompositeMatch,
    DateMatch,
    Match,
    NumberMatch,
    QuantityMatch,
    ReferenceMatch,
    StringMatch,
    TokenMatch,
    UriMatch,
    period,
)
from service.records import dataclass

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a resource is, and the values it is found by, those of every type (`_id`, `_lastUpdated`) among them."""

    type: str
    id: str
    values: tuple[IndexValue, ...]


# The resources of a type among which chains and _has look.
Linked = Callable[[str], Iterable[Subject]]


def subject_of(resource: Resource, indexer: Indexer) -> Subject:
    """The resource, ready to be compared."""
    own: list[IndexValue] = [TokenValue("_id", resource.get("id", ""))]
    updated = period(resource.get("meta", {}).get("lastUpdated", ""))
    if updated is not None:
        own.append(DateValue("_lastUpdated", *updated))
    return Subject(resource["resourceType"], resource.get("id", ""), (*own, *indexer(resource)))


def meets(conditions: Sequence[Condition], subject: Subject, linked: Linked = lambda type_name: ()) -> bool:
    """Whether the resource meets all conditions."""
    return all(_meets(condition, subject, linked) for condition in conditions)


def _meets(condition: Condition, subject: Subject, linked: Linked) -> bool:
    if isinstance(condition, Chain):
        pointed = [value for value in subject.values if value.name == condition.parameter.code]
        return any(
            _points_to(value, other) and _meets(inner, other, linked)
            for target, inner in condition.targets
            for other in linked(target)
            for value in pointed
        )
    if isinstance(condition, Reverse):
        return any(
            any(value.name == condition.parameter.code and _points_to(value, subject) for value in other.values)
            and _meets(condition.condition, other, linked)
            for other in linked(condition.parameter.base)
        )
    return _criterion(condition, subject)


def _criterion(criterion: Criterion, subject: Subject) -> bool:
    parameter = criterion.parameter
    if parameter.type == "composite":
        occurrences = {value.occurrence for value in subject.values if value.name == f"{parameter.code}.1"}
        if criterion.modifier == "missing":
            return (not occurrences) == criterion.missing
        return any(
            isinstance(match, CompositeMatch)
            and all(
                any(
                    value.name == f"{parameter.code}.{number}" and value.occurrence == occurrence and fits(part, value)
                    for value in subject.values
                )
                for number, part in enumerate(match.parts, start=1)
            )
            for match in criterion.matches
            for occurrence in occurrences
        )
    own = [value for value in subject.values if value.name == parameter.code]
    if criterion.modifier == "missing":
        return (not own) == criterion.missing
    found = any(fits(match, value, criterion.modifier) for match in criterion.matches for value in own)
    return not found if criterion.modifier == "not" else found


def fits(match: Match, value: IndexValue, modifier: str = "") -> bool:
    """Whether a value is what a match asks for."""
    match match, value:
        case TokenMatch(), ReferenceValue():
            return bool(value.identifier_value) and _pair(match, value.identifier_value, value.identifier_system)
        case TokenMatch(), TokenValue():
            return _pair(match, value.code, value.system)
        case ReferenceMatch(), ReferenceValue():
            return _reference(match, value)
        case DateMatch(), DateValue():
            return _date(match, value)
        case NumberMatch(), QuantityValue():
            return _number(match, value)
        case QuantityMatch(), QuantityValue():
            return _number(match.number, value) and _pair(TokenMatch(match.code, match.system), value.code, value.system)
        case StringMatch(), StringValue():
            if modifier == "exact":
                return value.exact == match.exact
            return match.folded in value.folded if modifier == "contains" else value.folded.startswith(match.folded)
        case UriMatch(), UriValue():
            return value.value == match.value and match.version in ("", value.version)
        case _:
            return False


def _pair(match: TokenMatch, code: str, system: str) -> bool:
    return match.code in (None, code) and match.system in (None, system)


def _points_to(value: IndexValue, subject: Subject) -> bool:
    return (
        isinstance(value, ReferenceValue)
        and not value.server
        and (value.target_type, value.target_id) == (subject.type, subject.id)
    )


def _reference(match: ReferenceMatch, value: ReferenceValue) -> bool:
    if (value.target_id, value.server) != (match.id, match.server) or match.version not in ("", value.version):
        return False
    if match.type:
        return value.target_type == match.type
    return bool(value.target_type) or ":" in match.id or "/" in match.id


def _date(match: DateMatch, value: DateValue) -> bool:
    inside = match.low <= value.low and value.high <= match.high
    after, before = value.high > match.high, value.low < match.low
    return {
        "eq": inside,
        "ne": not inside,
        "gt": after,
        "lt": before,
        "ge": after or inside,
        "le": before or inside,
        "sa": value.low > match.high,
        "eb": value.high < match.low,
        "ap": value.high >= match.low and value.low <= match.high,
    }[match.prefix]


def _number(match: NumberMatch, value: QuantityValue) -> bool:
    same = match.low <= value.low and value.high < match.high
    return {
        "eq": same,
        "ne": not same,
        "gt": value.high > match.value,
        "lt": value.low < match.value,
        "ge": value.high >= match.value,
        "le": value.low <= match.value,
        "sa": value.low > match.value,
        "eb": value.high < match.value,
        "ap": value.high >= match.low and value.low <= match.high,
    }[match.prefix]
