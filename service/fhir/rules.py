"""What a rule between elements is, and how rules read an object they cannot trust.

A value of a wrong type is reported by the walk; here it counts as absent, so that no rule can fail on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from service.records import dataclass

Node = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"


@dataclass(frozen=True, slots=True)
class Invariant:
    """One rule. `broken` gives the places below the object that break it, ``""`` for the object itself."""

    key: str
    rule: str
    broken: Callable[[Node], Iterable[str]]
    repair: str
    severity: Literal["error", "warning"] = "error"


# --- reading without trust ---------------------------------------------------------------------------------------


def has(node: Node, name: str) -> bool:
    """Whether the element is there, be it only with extensions."""
    return name in node or f"_{name}" in node


def has_choice(node: Node, stem: str) -> bool:
    """Whether one of ``stem[x]`` is there."""
    length = len(stem)
    return any(
        key.startswith(stem) and key[length:length + 1].isupper()
        for key in (key.removeprefix("_") for key in node)
    )


def objects(node: Node, name: str) -> list[Node]:
    """The objects of an element, whether it repeats or not."""
    value = node.get(name)
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(node: Node, name: str) -> str:
    value = node.get(name)
    return value if isinstance(value, str) else ""


def number(node: Node, name: str) -> int | Decimal | None:
    """The finite number of that name, or None."""
    value = node.get(name)
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def coded(node: Node, name: str, system: str, *codes: str) -> bool:
    """Whether the CodeableConcept of that name carries one of the codes of that system."""
    return any(
        text(coding, "system") == system and text(coding, "code") in codes
        for concept in objects(node, name) for coding in objects(concept, "coding")
    )


def in_order(earlier: str, later: str) -> bool:
    """Whether the first date or time is not after the second, as far as both are precise. Unreadable text is in order."""
    if "T" in earlier and "T" in later:
        try:
            return datetime.fromisoformat(earlier) <= datetime.fromisoformat(later)
        except (ValueError, TypeError):
            return True
    shared = min(len(earlier.partition("T")[0]), len(later.partition("T")[0]))
    return earlier[:shared] <= later[:shared]


def distinct(values: Iterable[object]) -> bool:
    listed = list(values)
    return len(set(listed)) == len(listed)


def positions(node: Node, name: str, wrong: Callable[[Node], bool]) -> Iterator[str]:
    value = node.get(name)
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict) and wrong(item):
            yield f"{name}[{index}]"


def when(key: str, rule: str, holds: Callable[[Node], bool], repair: str, *, warning: bool = False) -> Invariant:
    """A rule about the object as a whole."""
    return Invariant(key, rule, lambda node: () if holds(node) else ("",), repair, "warning" if warning else "error")
