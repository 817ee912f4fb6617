"""The values of one parameter: split at commas, read by the type of the parameter, limited in number and length."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from service.errors import MalformedInput
from service.fhir import search_values as values
from service.fhir.search_parameters import ANY_TYPE, Component, Parameter
from service.fhir.search_values import BadValue, Match
from service.fhir.search_wording import bad_value, too_costly
from service.fhir.wording import with_article
from service.records import dataclass

MOST_VALUES = 200  # joined by commas, in one parameter
LONGEST_VALUE = 20_000


@dataclass(frozen=True, slots=True)
class SearchContext:
    """What the reading of a query has to know of the server.

    `servers` are the addresses that count as this server's own FHIR base, `types` the types it holds, `now` the time for the
    prefix ``ap``.
    """

    servers: tuple[str, ...]
    types: Collection[str]
    now: datetime


def read_values(name: str, value: str, parameter: Parameter, *, context: SearchContext) -> tuple[Match, ...]:
    """What the value asks for, one match for each part between commas. MalformedInput if a part does not fit."""
    return _matches(name, value, reader(parameter, context))


def read_identifiers(name: str, value: str) -> tuple[Match, ...]:
    """The same for the modifier :identifier of references."""
    return _matches(name, value, lambda text: values.token(text, exact_case=True))


def read_typed_references(
    name: str, value: str, parameter: Parameter, *, wanted: str, context: SearchContext
) -> tuple[Match, ...]:
    """The same for a reference whose type is given as a modifier."""
    return _matches(name, value, _typed_reference(parameter, wanted, context))


def reader(parameter: Parameter | Component, context: SearchContext) -> Callable[[str], Match]:
    """What reads one value of the parameter; it raises BadValue."""
    if isinstance(parameter, Component):
        return _component_reader(parameter, context)
    match parameter.type:
        case "token":
            return lambda text: _token(parameter, text)
        case "reference":
            return lambda text: _reference(parameter, text, context)
        case "uri":
            return lambda text: values.uri(text, canonical=parameter.canonical)
        case "composite":
            readers = [reader(component, context) for component in parameter.components]
            return lambda text: _composite(text, readers)
        case plain:
            return _plain_reader(plain, context)


def _component_reader(component: Component, context: SearchContext) -> Callable[[str], Match]:
    match component.type:
        case "token":
            return lambda text: values.token(text, exact_case=False)
        case "reference":
            return lambda text: values.reference(text, servers=context.servers)
        case plain:
            return _plain_reader(plain, context)


def _plain_reader(kind: str, context: SearchContext) -> Callable[[str], Match]:
    match kind:
        case "date":
            return lambda text: values.moment(text, now=context.now)
        case "number":
            return values.number
        case "quantity":
            return values.quantity
        case _:
            return values.string


def _token(parameter: Parameter, text: str) -> Match:
    found = values.token(text, exact_case=parameter.exact_case)
    # An element of type code has no system of its own: the one its binding gives it fits, and is then as good as none.
    if parameter.elements == {"code"} and found.system in parameter.systems:
        return values.TokenMatch(found.code, "")
    return found


def _reference(parameter: Parameter, text: str, context: SearchContext) -> Match:
    found = values.reference(text, servers=context.servers, canonical=parameter.canonical)
    if found.type and not parameter.points_to(found.type):
        raise BadValue(f"a reference to {listed(parameter.targets)}")
    return found


def _typed_reference(parameter: Parameter, wanted: str, context: SearchContext) -> Callable[[str], Match]:
    def read(text: str) -> Match:
        found = values.reference(text, servers=context.servers, canonical=parameter.canonical)
        if found.type not in ("", wanted) or (not found.type and (":" in found.id or "/" in found.id)):
            raise BadValue(f"an id of {with_article(wanted)}, or {wanted}/id")
        return values.ReferenceMatch(found.id, wanted, found.server, found.version)

    return read


def _composite(text: str, readers: Sequence[Callable[[str], Match]]) -> Match:
    parts = values.split(text, "$")
    if len(parts) != len(readers):
        raise BadValue(f"{len(readers)} values joined by $")
    found = [read(part) for read, part in zip(readers, parts, strict=True)]
    return values.CompositeMatch(tuple(part for part in found if not isinstance(part, values.CompositeMatch)))


def _matches(name: str, value: str, read: Callable[[str], Match]) -> tuple[Match, ...]:
    if len(value) > LONGEST_VALUE:
        raise MalformedInput(too_costly(f"A value has at most {LONGEST_VALUE} characters."))
    if any(ord(character) < 32 for character in value):
        raise MalformedInput(bad_value(name, "text without control characters"))
    texts = values.split(value, ",")
    if len(texts) > MOST_VALUES:
        raise MalformedInput(too_costly(f"One parameter has at most {MOST_VALUES} values."))
    try:
        # An empty place between commas asks for nothing: "a,,b" is "a,b".
        return tuple(dict.fromkeys(read(text) for text in texts if text.strip())) or _nothing_asked()
    except BadValue as error:
        raise MalformedInput(bad_value(name, str(error))) from None


def _nothing_asked() -> tuple[Match, ...]:
    raise BadValue("at least one value")


def listed(types: Iterable[str]) -> str:
    """The types in words."""
    named = sorted(types)
    return "any type" if ANY_TYPE in named else ", ".join(named)
