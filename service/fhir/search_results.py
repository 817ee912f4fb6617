"""How the matches of a search are to be given: order, pages, parts, and what else comes with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

from service.errors import Fault
from service.fhir.elements import resource_types, structure
from service.fhir.search_parameters import Parameter, parameters_of
from service.fhir.search_wording import bad_value
from service.records import dataclass

Summary = Literal["true", "text", "data", "count", "false"]
Total = Literal["none", "estimate", "accurate"]

CURSOR = "_cursor"
RESULT_PARAMETERS = ("_sort", "_count", "_total", "_summary", "_elements", "_include", "_revinclude", CURSOR)
PAGE = 50
MOST_PER_PAGE = 1000
MOST_SORT_KEYS = 4


@dataclass(frozen=True, slots=True)
class SortKey:
    """One parameter to sort by. Resources without a value come last either way."""

    parameter: Parameter
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Include:
    """Resources that come with the matches.

    Forward: what `parameters` (of `source`) of a match point to; with `reverse`: what points to a match with them. `target` is
    the only type wanted, empty for all. `iterate`: of what was brought along as well.
    """

    source: str
    parameters: tuple[Parameter, ...]
    target: str = ""
    reverse: bool = False
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """`cursor` is the place to go on at, as an earlier answer gave it; `total` None: counted as far as that is cheap."""

    sort: tuple[SortKey, ...] = ()
    count: int = PAGE
    total: Total | None = None
    summary: Summary = "false"
    elements: tuple[str, ...] = ()
    includes: tuple[Include, ...] = ()
    cursor: str = ""


def read_results(
    type_name: str, pairs: Sequence[tuple[str, str]], *, types: Collection[str], faults: list[Fault]
) -> tuple[ResultOptions, tuple[tuple[str, str], ...]]:
    """The options that the pairs ask for, and the pairs as they were applied. What is wrong is added to `faults`.

    A page larger than the largest this server gives is cut to that. The place to go on at is no part of what is applied.
    """
    found: dict[str, Any] = {}
    shown: list[tuple[str, str]] = []
    includes: list[Include] = []
    for name, value in pairs:
        base, _, modifier = name.partition(":")
        try:
            if base in ("_include", "_revinclude"):
                if modifier not in ("", "iterate"):
                    raise ValueError(f"no modifier but :iterate, so {base} or {base}:iterate")
                includes.append(_include(type_name, value, base == "_revinclude", modifier == "iterate", types))
            elif modifier:
                raise ValueError("no modifier")
            elif base in found:
                raise ValueError("one value only; the parameter is there twice")
            else:
                found[base] = _READERS[base](type_name, value)
                value = str(found[base]) if base == "_count" else value
            if base != CURSOR:
                shown.append((name, value))
        except ValueError as error:
            faults.append(bad_value(name, str(error)))
    options = ResultOptions(
        sort=found.get("_sort", ()),
        count=found.get("_count", PAGE),
        total=found.get("_total"),
        summary=found.get("_summary", "false"),
        elements=found.get("_elements", ()),
        includes=tuple(dict.fromkeys(includes)),
        cursor=found.get(CURSOR, ""),
    )
    return options, tuple(shown)


def _count(_: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise ValueError(f"a whole number from 0; a page holds at most {MOST_PER_PAGE}")
    return min(int(value), MOST_PER_PAGE)


def _sort(type_name: str, value: str) -> tuple[SortKey, ...]:
    known = parameters_of(type_name)
    keys = []
    for name in value.split(","):
        parameter = known.get(name.removeprefix("-"))
        if parameter is None or parameter.type == "composite":
            sortable = ", ".join(code for code, found in known.items() if found.type != "composite")
            raise ValueError(f"names of search parameters, each after a - for descending order; of {type_name}: {sortable}")
        keys.append(SortKey(parameter, descending=name.startswith("-")))
    if len(keys) > MOST_SORT_KEYS or len({key.parameter.code for key in keys}) < len(keys):
        raise ValueError(f"at most {MOST_SORT_KEYS} names, each once")
    return tuple(keys)


def _one_of(*words: str) -> Callable[[str, str], str]:
    def read(_: str, value: str) -> str:
        if value not in words:
            raise ValueError("one of " + ", ".join(words))
        return value

    return read


def _elements(type_name: str, value: str) -> tuple[str, ...]:
    """Names of elements at the top of the type; the choice of types by its stem."""
    known = structure(type_name).elements
    stems = {element.choice for element in known.values() if element.choice}
    names = tuple(dict.fromkeys(name.strip().removeprefix(f"{type_name}.") for name in value.split(",") if name.strip()))
    if not names or any(name not in known and name.removesuffix("[x]") not in stems for name in names):
        raise ValueError(f"names of the elements of {type_name} without a dot, separated by commas")
    return tuple(name.removesuffix("[x]") for name in names)


def _cursor(_: str, value: str) -> str:
    if not value or len(value) > 4000:
        raise ValueError("the value of a next or previous link, unchanged")
    return value


def _include(type_name: str, value: str, reverse: bool, iterate: bool, types: Collection[str]) -> Include:
    form = "Type:parameter or Type:parameter:Target, with a reference parameter of a type held here; * for all"
    if value == "*":
        if reverse:
            raise ValueError(f"{form}. With _revinclude name the type, such as Observation:*")
        return Include(type_name, _references(type_name), "", reverse, iterate)
    source, _, rest = value.partition(":")
    code, _, target = rest.partition(":")
    if source not in types or (target and target not in resource_types()):
        raise ValueError(form)
    parameters = _references(source) if code == "*" else tuple(p for p in _references(source) if p.code == code)
    if reverse and not iterate:
        parameters = tuple(parameter for parameter in parameters if parameter.points_to(type_name))
    if target:
        parameters = tuple(parameter for parameter in parameters if parameter.points_to(target))
    if not parameters or (not reverse and not iterate and source != type_name):
        listed = ", ".join(parameter.code for parameter in _references(source))
        raise ValueError(f"{form}. Reference parameters of {source}: {listed}")
    return Include(source, parameters, target, reverse, iterate)


def _references(type_name: str) -> tuple[Parameter, ...]:
    return tuple(p for p in parameters_of(type_name).values() if p.type == "reference" and p.targets)


_READERS: dict[str, Callable[[str, str], Any]] = {
    "_count": _count,
    "_sort": _sort,
    "_total": _one_of("none", "estimate", "accurate"),
    "_summary": _one_of("true", "text", "data", "count", "false"),
    "_elements": _elements,
    CURSOR: _cursor,
}
