"""A search as it is asked: the pairs of a query string or of a form become one `SearchQuery`, or every fault in them at once.

What this server does not know is told apart from what is wrong. An unknown parameter is left out, with a fault in `ignored` and
without a place in `applied` (so the self link shows what was really searched), or is an error if the caller wants strict
handling. A wrong value, a modifier that does not fit, an impossible sort order are errors always: answering would answer
something else.
Source: http://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Literal

from service.errors import Fault, MalformedInput
from service.fhir.elements import resource_types
from service.fhir.search_parameters import ANY_TYPE, Parameter, parameters_of
from service.fhir.search_readers import SearchContext, listed, read_identifiers, read_typed_references, read_values
from service.fhir.search_results import RESULT_PARAMETERS, Include, ResultOptions, SortKey, read_results
from service.fhir.search_values import Match
from service.fhir.search_wording import (
    SHAPING,
    bad_modifier,
    bad_value,
    empty_value,
    too_costly,
    unknown_parameter,
)
from service.records import dataclass

__all__ = [
    "SHAPING", "Chain", "Condition", "Criterion", "Include", "Modifier", "Reverse", "SearchContext", "SearchQuery", "SortKey",
    "read_query",
]  # fmt: skip

Modifier = Literal["", "exact", "contains", "not", "missing", "identifier"]

MOST_PARAMETERS = 50
DEEPEST_CHAIN = 3

_MODIFIERS: dict[str, tuple[Modifier, ...]] = {
    "string": ("exact", "contains", "missing"),
    "token": ("not", "missing"),
    "reference": ("identifier", "missing"),
    "date": ("missing",),
    "number": ("missing",),
    "quantity": ("missing",),
    "uri": ("missing",),
    "composite": ("missing",),
}


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter with its value; of several `matches` one has to fit. `missing` is the value of the modifier of that name."""

    parameter: Parameter
    matches: tuple[Match, ...] = ()
    modifier: Modifier = ""
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """What a reference points to has to meet a condition: one of `targets`, each a type and its condition."""

    parameter: Parameter
    targets: tuple[tuple[str, Condition], ...]


@dataclass(frozen=True, slots=True)
class Reverse:
    """Some resource of the type of `parameter` points here with it and meets the condition (``_has``)."""

    parameter: Parameter
    condition: Condition


Condition = Criterion | Chain | Reverse


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A search of one type: all `conditions` hold for a match.

    `applied` are the pairs that were understood, as they were given: they make the links of the answer. `ignored` are warnings.
    """

    type: str
    conditions: tuple[Condition, ...] = ()
    results: ResultOptions = field(default_factory=ResultOptions)
    applied: tuple[tuple[str, str], ...] = ()
    ignored: tuple[Fault, ...] = ()


class _Unknown(Exception):
    """The name is none of a parameter; `name` is the part of it that is unknown, `type` the type it was looked for on."""

    def __init__(self, name: str, type_name: str) -> None:
        super().__init__(name)
        self.name, self.type = name, type_name


def read_query(
    type_name: str, pairs: Sequence[tuple[str, str]], *, context: SearchContext, strict: bool = False
) -> SearchQuery:
    """The search of `type_name` that the pairs ask for.

    MalformedInput with every fault: values that fit no parameter, modifiers that are not offered and, if `strict`, everything
    that would be left out otherwise.
    """
    faults: list[Fault] = []
    ignored: list[Fault] = []
    applied: list[tuple[str, str]] = []
    conditions: list[Condition] = []
    results: list[tuple[str, str]] = []
    if len(pairs) > MOST_PARAMETERS:
        raise MalformedInput(too_costly(f"A search has at most {MOST_PARAMETERS} parameters."))
    for name, value in pairs:
        if name in SHAPING:
            continue
        if name.partition(":")[0] in RESULT_PARAMETERS:
            results.append((name, value))
            continue
        if not value.strip():
            ignored.append(empty_value(name))
            continue
        try:
            conditions.append(_condition(type_name, name, value, context, DEEPEST_CHAIN))
            applied.append((name, value))
        except _Unknown as unknown:
            ignored.append(unknown_parameter(unknown.name, unknown.type, whole=name))
        except MalformedInput as error:
            faults.extend(error.faults)
    options, shown = read_results(type_name, results, types=context.types, faults=faults)
    if strict:
        faults = [*(_as_error(fault) for fault in ignored), *faults]
    if faults:
        raise MalformedInput(dict.fromkeys(faults))
    return SearchQuery(type_name, tuple(conditions), options, (*applied, *shown), tuple(dict.fromkeys(ignored)))


def _condition(type_name: str, name: str, value: str, context: SearchContext, depth: int) -> Condition:
    if name.startswith("_has:"):
        return _reverse(type_name, name, value, context, depth)
    head, dot, rest = name.partition(".")
    code, _, modifier = head.partition(":")
    parameter = parameters_of(type_name).get(code)
    if parameter is None:
        raise _Unknown(code, type_name)
    if dot:
        return _chain(parameter, modifier, rest, value, context, depth)
    return _criterion(parameter, modifier, name, value, context)


def _chain(
    parameter: Parameter, modifier: str, rest: str, value: str, context: SearchContext, depth: int
) -> Chain:
    whole = f"{parameter.code}{':' + modifier if modifier else ''}.{rest}"
    if parameter.type != "reference":
        raise MalformedInput(bad_modifier(whole, "Only a reference can be followed by a dot.", "Leave out what follows the dot."))
    if depth <= 0:
        raise MalformedInput(too_costly(f"A search follows at most {DEEPEST_CHAIN} references in a row."))
    if modifier and (modifier not in resource_types() or not parameter.points_to(modifier)):
        raise MalformedInput(
            bad_modifier(whole, f"{parameter.code} may name {listed(parameter.targets)}.", "Write one of these after the colon.")
        )
    named = (modifier,) if modifier else parameter.targets if ANY_TYPE not in parameter.targets else tuple(sorted(context.types))
    targets: list[tuple[str, Condition]] = []
    unknown: _Unknown | None = None
    faults: list[Fault] = []
    for target in named:
        if target not in context.types:
            unknown = unknown or _Unknown(whole, parameter.base)
            continue
        try:
            targets.append((target, _condition(target, rest, value, context, depth - 1)))
        except _Unknown as missing:
            unknown = missing
        except MalformedInput as error:
            faults.extend(error.faults)
    if targets:
        return Chain(parameter, tuple(targets))
    if faults:
        raise MalformedInput(faults)
    raise unknown or _Unknown(whole, parameter.base)


def _reverse(type_name: str, name: str, value: str, context: SearchContext, depth: int) -> Reverse:
    parts = name.split(":", 3)
    if len(parts) != 4 or not all(parts):
        raise MalformedInput(
            bad_modifier("_has", "The form is _has:Type:reference:parameter.", "Write for example _has:Observation:patient:code.")
        )
    if depth <= 0:
        raise MalformedInput(too_costly(f"A search follows at most {DEEPEST_CHAIN} references in a row."))
    _, source, code, rest = parts
    parameter = parameters_of(source).get(code) if source in context.types else None
    if parameter is None or parameter.type != "reference" or not parameter.points_to(type_name):
        raise _Unknown(f"_has:{source}:{code}", type_name)
    return Reverse(parameter, _condition(source, rest, value, context, depth - 1))


def _criterion(parameter: Parameter, modifier: str, name: str, value: str, context: SearchContext) -> Criterion:
    if parameter.type == "reference" and modifier in resource_types():
        if not parameter.points_to(modifier):
            raise MalformedInput(
                bad_modifier(name, f"{parameter.code} may name {listed(parameter.targets)}.", "Write one of these types.")
            )
        return Criterion(parameter, read_typed_references(name, value, parameter, wanted=modifier, context=context))
    allowed = _MODIFIERS[parameter.type]
    if parameter.code in ("_id", "_lastUpdated"):
        allowed = ("not",) if parameter.code == "_id" else ()
    if modifier and modifier not in allowed:
        offered = ", ".join(f":{known}" for known in allowed) or "none"
        kinds = " and the types it may name" if parameter.type == "reference" else ""
        raise MalformedInput(
            bad_modifier(name, f"Modifiers of {parameter.code}: {offered}{kinds}.", "Leave the modifier out or use one of these.")
        )
    if modifier == "missing":
        if value not in ("true", "false"):
            raise MalformedInput(bad_value(name, "true or false"))
        return Criterion(parameter, modifier="missing", missing=value == "true")
    chosen: Modifier = next((known for known in allowed if known == modifier), "")
    if modifier == "identifier":
        return Criterion(parameter, read_identifiers(name, value), chosen)
    return Criterion(parameter, read_values(name, value, parameter, context=context), chosen)


def _as_error(fault: Fault) -> Fault:
    return Fault(fault.kind, fault.message, where=fault.where, rule=fault.rule, repair=fault.repair, spec=fault.spec)


