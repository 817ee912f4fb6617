"""What a resource is found by: every search parameter of its type, read from its JSON.

Source: http://hl7.org/fhir/R4/search.html, the table of data types under each kind of parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import cache
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
from service.fhir.references import read_reference
from service.fhir.search_parameters import Parameter, parameters_of
from service.fhir.search_paths import Path, compile_path
from service.fhir.search_values import EARLIEST, LATEST, fold, fold_code, index_key, period
from service.records import dataclass

START = 100  # characters of a text that an index holds
LARGEST = 1.7e308  # stands for a range without an end: every database stores it, which not every one does with infinity
# These are columns of the resource itself in every store.
OF_THE_RESOURCE = ("_id", "_lastUpdated")

# From the name of a parameter and the JSON of one element to the values it is found by.
_Reader = Callable[[str, Any], Iterable[IndexValue]]


def resource_indexer(servers: tuple[str, ...] = ()) -> Indexer:
    """Reader of all index values of a resource. `servers` are the FHIR bases whose absolute addresses mean this server."""

    def values(resource: Mapping[str, Any]) -> Iterator[IndexValue]:
        type_name = resource["resourceType"]
        present = resource.keys()
        for entry in _plan(type_name):
            if entry.heads is not None and entry.heads.isdisjoint(present):
                continue  # most parameters of most resources
            for value in entry.values(resource, type_name):
                yield _local(value, servers) if isinstance(value, ReferenceValue) and value.server else value

    return values


@dataclass(frozen=True, slots=True)
class _Entry:
    """One parameter, ready to be read: its path, and for a composite the paths of its parts below it."""

    parameter: Parameter
    path: Path
    readers: Mapping[str, _Reader]
    heads: frozenset[str] | None
    parts: tuple[tuple[Mapping[str, Path], Mapping[str, _Reader]], ...] = ()

    def values(self, resource: Mapping[str, Any], type_name: str) -> Iterator[IndexValue]:
        name = self.parameter.code
        for occurrence, (kind, node) in enumerate(self.path.nodes(resource, type_name)):
            if not self.parts:
                reader = self.readers.get(kind)
                if reader is not None:
                    yield from reader(name, node)
                continue
            found = [self._part(number, kind, node) for number in range(len(self.parts))]
            if all(found):
                yield from (value.in_occurrence(occurrence) for values in found for value in values)

    def _part(self, number: int, kind: str, node: Any) -> list[IndexValue]:
        paths, readers = self.parts[number]
        name = f"{self.parameter.code}.{number + 1}"
        return [
            value
            for part_kind, part in paths[kind].nodes(node, kind)
            if (reader := readers.get(part_kind)) is not None
            for value in reader(name, part)
        ]


@cache
def _plan(type_name: str) -> tuple[_Entry, ...]:
    return tuple(
        _entry(parameter, type_name)
        for parameter in parameters_of(type_name).values()
        if parameter.code not in OF_THE_RESOURCE
    )


def _entry(parameter: Parameter, type_name: str) -> _Entry:
    path = compile_path(parameter.expression, type_name)
    if parameter.type != "composite":
        return _Entry(parameter, path, _readers(parameter.type, exact_case=parameter.exact_case), path.heads(type_name))
    kinds = {kind for walk in path.walks for kind in walk.ends()}
    return _Entry(parameter, path, {}, path.heads(type_name), tuple(
        ({kind: compile_path(part.expression, kind) for kind in kinds}, _readers(part.type, exact_case=False))
        for part in parameter.components
    ))  # fmt: skip


def _readers(kind: str, *, exact_case: bool) -> Mapping[str, _Reader]:
    """Readers by data type of the element. A data type without one (the text of a date, say) is not found by this parameter."""
    match kind:
        case "token":
            plain = _token if exact_case else _folded_token
            return {
                "code": plain, "string": plain, "id": plain, "uri": plain, "boolean": _boolean, "Coding": _coding,
                "CodeableConcept": _concept, "Identifier": _identifier, "ContactPoint": _contact_point,
            }  # fmt: skip
        case "reference":
            return {"Reference": _reference, "canonical": _canonical_reference, "uri": _canonical_reference}
        case "date":
            return {
                "date": _date, "dateTime": _date, "instant": _date, "Period": _period, "Timing": _timing,
            }  # fmt: skip
        case "string":
            return {"string": _string, "markdown": _string, "HumanName": _human_name, "Address": _address}
        case "uri":
            return {"uri": _uri, "url": _uri, "canonical": _canonical}
        case _:
            return {
                "decimal": _number, "integer": _number, "Quantity": _quantity, "Age": _quantity, "Duration": _quantity,
                "Range": _range, "SampledData": _sampled,
            }  # fmt: skip


# --- tokens --------------------------------------------------------------------------------------------------------


def _token(name: str, value: str) -> Iterator[IndexValue]:
    yield TokenValue(name, index_key(value))


def _folded_token(name: str, value: str) -> Iterator[IndexValue]:
    yield TokenValue(name, index_key(fold_code(value)))


def _boolean(name: str, value: bool) -> Iterator[IndexValue]:
    yield TokenValue(name, "true" if value else "false")


def _coding(name: str, value: Mapping[str, Any]) -> Iterator[IndexValue]:
    yield TokenValue(name, index_key(fold_code(value.get("code", ""))), index_key(value.get("system", "")))


def _concept(name: str, value: Mapping[str, Any]) -> Iterator[IndexValue]:
    """A concept without a coding is found by no code, but it is not missing either."""
    codings: Sequence[Mapping[str, Any]] = value.get("coding") or ({},)
    for coding in codings:
        yield from _coding(name, coding)


def _identifier(name: str, value: Mapping[str, Any]) -> Iterator[IndexValue]:
    yield TokenValue(name, index_key(value.get("value", "")), index_key(value.get("system", "")))


def _contact_point(name: str, value: Mapping[str, Any]) -> Iterator[IndexValue]:
    yield TokenValue(name, index_key(fold_code(value.get("value", ""))))


# --- references and addresses ----------------------------------------------------------------------------------------


def _reference(name: str, value: Mapping[str, Any]) -> Iterator[IndexValue]:
    identifier = value.get("identifier") or {}
    of_identifier = (index_key(identifier.get("system", "")), index_key(identifier.get("value", "")))
    text = value.get("reference", "")
    target = read_reference(text)
    if target.form in ("relative", "absolute") and target.type:
        place, _, version = text.partition("/_history/")
        server = place[: -len(f"{target.type}/{target.id}")].rstrip("/")
        yield ReferenceValue(name, target.id, target.type, index_key(server), version, *of_identifier)
    else:
        yield ReferenceValue(name, index_key(text), "", "", "", *of_identifier)


def _canonical_reference(name: str, value: str) -> Iterator[IndexValue]:
    address, _, version = value.partition("|")
    yield ReferenceValue(name, index_key(address), version=index_key(version))


def _uri(name: str, value: str) -> Iterator[IndexValue]:
    yield UriValue(name, index_key(value))


def _canonical(name: str, value: str) -> Iterator[IndexValue]:
    address, _, version = value.partition("|")
    yield UriValue(name, index_key(address), index_key(version))


def _local(value: ReferenceValue, servers: tuple[str, ...]) -> ReferenceValue:
    return replace(value, server="") if value.server in servers else value


# --- times -----------------------------------------------------------------------------------------------------------


def _date(name: str, value: str) -> Iterator[IndexValue]:
    found = period(value)
    if found is not None:
        yield DateValue(name, *found)


def _period(name: str, value: Mapping[str, Any]) -> Iterator[IndexValue]:
    start, end = period(value.get("start", "")), period(value.get("end", ""))
    yield DateValue(name, start[0] if start else EARLIEST, end[1] if end else LATEST)


def _timing(name: str, value: Mapping[str, Any]) -> Iterator[IndexValue]:
    """From the first to the last time that a Timing names; what it repeats in between is not worked out."""
    spans = [found for event in value.get("event", ()) if event and (found := period(event))]
    bounds = value.get("repeat", {}).get("boundsPeriod")
    if spans:
        yield DateValue(name, min(low for low, _ in spans), max(high for _, high in spans))
    elif bounds:
        yield from _period(name, bounds)


# --- texts -----------------------------------------------------------------------------------------------------------


def _string(name: str, value: str) -> Iterator[IndexValue]:
    folded = fold(value)
    yield StringValue(name, folded[:START], folded, value)


def _human_name(name: str, value: Mapping[str, Any]) -> Iterator[IndexValue]:
    return _parts(name, value, ("family", "given", "prefix", "suffix", "text"))


def _address(name: str, value: Mapping[str, Any]) -> Iterator[IndexValue]:
    return _parts(name, value, ("line", "city", "district", "state", "postalCode", "country", "text"))


def _parts(name: str, value: Mapping[str, Any], members: tuple[str, ...]) -> Iterator[IndexValue]:
    for member in members:
        part = value.get(member)
        for text in part if isinstance(part, list) else (part,):
            if text:
                yield from _string(name, text)


# --- numbers ---------------------------------------------------------------------------------------------------------


def _number(name: str, value: Decimal | int) -> Iterator[IndexValue]:
    yield QuantityValue(name, float(value), float(value))


def _quantity(name: str, value: Mapping[str, Any]) -> Iterator[IndexValue]:
    """One value for the code of the unit and, where it is written in other words, one for these."""
    amount = value.get("value")
    if amount is None:
        return
    low = high = float(amount)
    comparator = value.get("comparator", "")
    if comparator in ("<", "<="):
        low = -LARGEST
    elif comparator in (">", ">="):
        high = LARGEST
    code, unit = value.get("code", ""), value.get("unit", "")
    yield QuantityValue(name, low, high, index_key(value.get("system", "")), index_key(code))
    if unit and unit != code:
        yield QuantityValue(name, low, high, "", index_key(unit))


def _range(name: str, value: Mapping[str, Any]) -> Iterator[IndexValue]:
    low, high = value.get("low") or {}, value.get("high") or {}
    of_unit = low if low.get("code") or low.get("unit") else high
    yield QuantityValue(
        name,
        float(low["value"]) if "value" in low else -LARGEST,
        float(high["value"]) if "value" in high else LARGEST,
        index_key(of_unit.get("system", "")),
        index_key(of_unit.get("code", "") or of_unit.get("unit", "")),
    )


def _sampled(name: str, value: Mapping[str, Any]) -> Iterator[IndexValue]:
    """The range that the samples lie in; letters among them stand for no number."""
    origin, factor = value.get("origin", {}), Decimal(str(value.get("factor", 1)))
    samples = []
    for text in str(value.get("data", "")).split(" "):
        with suppress(InvalidOperation):
            samples.append(Decimal(text) * factor + Decimal(str(origin.get("value", 0))))
    samples = [sample for sample in samples if sample.is_finite()]
    if samples:
        of_unit = index_key(origin.get("system", "")), index_key(origin.get("code", "") or origin.get("unit", ""))
        yield QuantityValue(name, float(min(samples)), float(max(samples)), *of_unit)
