"""A compiled definition as rows to read: elements with cardinality, types, binding and wording, and fragments of examples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from service.records import dataclass

Resource = dict[str, Any]

LISTED = 3  # items of a list an example shows before it is cut short
_ANY_VALUE = ".value[x]"


@dataclass(frozen=True, slots=True)
class TypeOf:
    """One type an element may have, with the profiles of it or of what it refers to."""

    code: str
    profiles: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One element. `stated` tells what a profile says itself from what it takes over."""

    depth: int
    name: str
    cardinality: str
    short: str
    types: tuple[TypeOf, ...] = ()
    value_set: str = ""
    strength: str = ""
    fixed: str = ""
    rules: tuple[str, ...] = ()
    stated: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """An invariant: its key, what it demands, and the expression that decides it."""

    key: str
    human: str
    expression: str
    severity: str


def element_rows(definition: Mapping[str, Any], *, whole: bool) -> list[Row]:
    """The elements of a profile in its order: those it says something about and what holds them, or all of the `whole`."""
    said = {element["id"] for element in definition["differential"]["element"]}
    shown = {".".join(one.split(".")[:length]) for one in said for length in range(1, one.count(".") + 2)}
    rows = []
    for element in definition["snapshot"]["element"]:
        stated = element["id"] in said
        if whole or element["id"] in shown:
            rows.append(_row(element, stated=stated, own_rules=definition["url"]))
    return rows


def extension_rows(definition: Mapping[str, Any]) -> list[Row]:
    """The parts of an extension by name, nested ones below; or its one value."""
    elements = {element["id"]: element for element in definition["snapshot"]["element"]}
    rows = [_part(element, elements) for element in elements.values() if _is_part(element)]
    return rows or [_row(elements[f"Extension{_ANY_VALUE}"], own_rules=definition["url"])]


def rules(definition: Mapping[str, Any]) -> list[Rule]:
    """The invariants a definition adds, each once."""
    found = {}
    for element in definition["snapshot"]["element"]:
        for rule in element.get("constraint", ()):
            if rule["key"].startswith("hs-"):
                found[rule["key"]] = Rule(rule["key"], rule["human"], rule.get("expression", ""), rule["severity"])
    return list(found.values())


def parameter_rows(definition: Mapping[str, Any]) -> list[tuple[str, Row]]:
    """The parameters of an operation with their direction, parts below them."""
    rows = []
    for parameter in definition.get("parameter", ()):
        rows.append((parameter["use"], _parameter(parameter, 0)))
        rows += [(part["use"], _parameter(part, 1)) for part in parameter.get("part", ())]
    return rows


def fragments(resource: Mapping[str, Any], url: str) -> Iterator[Resource]:
    """Every extension of that address in a resource, outermost first."""
    for value in resource.values():
        for element in value if isinstance(value, list) else [value]:
            if isinstance(element, dict):
                if element.get("url") == url:
                    yield element
                yield from fragments(element, url)


def shortened(value: Any, listed: int = LISTED) -> Any:
    """The value with long lists cut and the narrative left out, for reading."""
    if isinstance(value, dict):
        return {
            name: "… (narrative, XHTML)" if name == "div" and isinstance(one, str) else shortened(one, listed)
            for name, one in value.items()
        }
    if isinstance(value, list):
        held = [shortened(one, listed) for one in value[:listed]]
        return [*held, f"… {len(value) - listed} more"] if len(value) > listed else held
    return value


def printed(value: Any) -> str:
    """JSON to read, with the digits of numbers kept."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _row(element: Mapping[str, Any], *, own_rules: str, stated: bool = True) -> Row:
    last = element["id"].split(".")[-1]
    binding = element.get("binding", {})
    return Row(
        depth=element["id"].count("."),
        name=last,
        cardinality=f"{element.get('min', 0)}..{element.get('max', '*')}",
        short=element.get("short", ""),
        types=tuple(_types(element)),
        value_set=binding.get("valueSet", ""),
        strength=binding.get("strength", ""),
        fixed=_fixed(element),
        rules=tuple(rule["key"] for rule in element.get("constraint", ()) if rule.get("source") == own_rules),
        stated=stated,
    )


def _is_part(element: Mapping[str, Any]) -> bool:
    return bool(element.get("sliceName")) and ".extension:" in element["id"] and element["path"].endswith(".extension")


def _part(element: Mapping[str, Any], elements: Mapping[str, Mapping[str, Any]]) -> Row:
    value = elements.get(f"{element['id']}{_ANY_VALUE}", {})
    holds_value = value.get("max") != "0"
    binding = value.get("binding", {}) if holds_value else {}
    return Row(
        depth=element["id"].count(".extension:") - 1,
        name=element["sliceName"],
        cardinality=f"{element['min']}..{element['max']}",
        short=element.get("short", ""),
        types=tuple(_types(value)) if holds_value else (),
        value_set=binding.get("valueSet", ""),
        strength=binding.get("strength", ""),
    )


def _parameter(parameter: Mapping[str, Any], depth: int) -> Row:
    kind = parameter.get("type")
    targets = tuple(parameter.get("targetProfile", ()))
    return Row(
        depth=depth,
        name=parameter["name"],
        cardinality=f"{parameter['min']}..{parameter['max']}",
        short=parameter.get("documentation", ""),
        types=(TypeOf(kind, targets=targets),) if kind else (),
    )


def _types(element: Mapping[str, Any]) -> Iterator[TypeOf]:
    for one in element.get("type", ()):
        code = one["code"].removeprefix("http://hl7.org/fhirpath/System.")
        yield TypeOf(code, tuple(one.get("profile", ())), tuple(one.get("targetProfile", ())))


def _fixed(element: Mapping[str, Any]) -> str:
    for name, value in element.items():
        if name.startswith(("fixed", "pattern")):
            return value if isinstance(value, str) else json.dumps(_bare(value), ensure_ascii=False)
    return ""


def _bare(value: Any) -> Any:
    """A pattern without the brackets that say nothing: one coding stands for the list of one."""
    if isinstance(value, dict) and set(value) == {"coding"} and len(value["coding"]) == 1:
        return value["coding"][0]
    return value
