"""One profile against one resource or extension: every demand of its elements, in the order of the profile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

from service.errors import Fault
from service.fhir.profile_definitions import BASE_TYPE, UNSET, Element, Profile, Profiles
from service.fhir.references import read_reference
from service.fhir.wording import with_article
from service.records import dataclass

Resource = dict[str, Any]


class Codes(Protocol):
    """What is known of codes; None stands for what cannot be told here."""

    def member(self, value_set: str, system: str, code: str) -> bool | None:
        """Whether a code of a system (empty: of any) is in a value set."""

    def exists(self, system: str, code: str) -> bool | None:
        """Whether a code system has a code."""


# Whether a FHIRPath expression holds on an element of that path.
Holds = Callable[[Any, str, str], bool]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One value of an element. `value` is None where only ``_name`` is there; `kind` is the type in the name of a choice."""

    value: Any
    where: str
    kind: str = ""


class ProfilePass:
    """One profile against one resource or extension."""

    def __init__(self, profile: Profile, profiles: Profiles, codes: Codes, holds: Holds) -> None:
        self._profile = profile
        self._profiles = profiles
        self._codes = codes
        self._holds = holds

    # --- one value -----------------------------------------------------------------------------------------------

    def element(self, element: Element, one: Occurrence) -> Iterator[Fault]:
        """What is wrong with one value of an element."""
        yield from self._type(element, one)
        if one.value is None:
            return
        if element.fixed is not UNSET and one.value != element.fixed:
            yield self._fault("value", one.where, "The value is not the one that is fixed.", f"It is {_shown(element.fixed)}.",
                              "Write that value.")
        if element.pattern is not UNSET and not contains(one.value, element.pattern):
            yield self._fault("value", one.where, "The value lacks what is prescribed.", f"It holds {_shown(element.pattern)}.",
                              "Add it.")
        yield from self._binding(element, one)
        for rule in element.constraints:
            if not self._holds(one.value, element.path, rule.expression):
                yield Fault("invariant", rule.human, where=one.where, rule=f"{self._profile.title}: {rule.expression}",
                            repair="Mend what the rule names.", key=rule.key, spec=self._profile.url, severity=rule.severity)
        if isinstance(one.value, dict):
            yield from self._children(element, one.value, one.where)

    def _type(self, element: Element, one: Occurrence) -> Iterator[Fault]:
        allowed_kinds = [name[:1].upper() + name[1:] for name in element.types]
        if element.name.endswith("[x]") and allowed_kinds and one.kind not in allowed_kinds:
            yield self._fault("structure", one.where, "The value has a type that the profile leaves out.",
                              f"{element.name} is of type {', '.join(element.types)}.", "Write it as one of these types.")
        if element.targets and isinstance(one.value, dict):
            target = read_reference(one.value["reference"]) if isinstance(one.value.get("reference"), str) else None
            named = (target.type if target is not None else "") or one.value.get("type", "")
            allowed = [self._type_of(canonical) for canonical in element.targets]
            if named and None not in allowed and "Resource" not in allowed and named not in allowed:
                yield self._fault("value", one.where, f"The reference leads to {with_article(named)}.",
                                  f"The profile allows {', '.join(filter(None, allowed))}.", "Refer to one of these types.")

    def _type_of(self, canonical: str) -> str | None:
        """The type a target profile is of: named in R4's own address, stated by a profile held here; None if it is neither."""
        if canonical.startswith(BASE_TYPE):
            return canonical.removeprefix(BASE_TYPE)
        profile = self._profiles.get(canonical)
        return profile.type if profile is not None else None

    def _binding(self, element: Element, one: Occurrence) -> Iterator[Fault]:
        if element.binding is None or element.binding[0] not in ("required", "extensible"):
            return
        if not isinstance(one.value, (str, dict)):  # of a choice of types, the binding is about those that hold codes
            return
        strength, value_set = element.binding
        pairs = list(_coded(one.value))
        if isinstance(one.value, str):
            pairs = [("", one.value)]
        verdicts = [self._codes.member(value_set, system, code) for system, code in pairs]
        if any(verdict is not False for verdict in verdicts):
            return
        severity: Literal["error", "warning"] = "error" if strength == "required" else "warning"
        if not pairs and strength == "extensible":  # text alone says that no code of the list fits
            return
        yield self._fault(
            "code-invalid", one.where, "No code of the value set is given.", f"The binding to {value_set} is {strength}.",
            "Add a code of that value set.", severity=severity,
        )

    # --- what is below -------------------------------------------------------------------------------------------

    def _children(self, element: Element, node: Resource, where: str) -> Iterator[Fault]:
        for child in element.children.values():
            found = list(occurrences(node, child.name, where))
            yield from self._count(child, len(found), where, child.name.removesuffix("[x]"))
            for one in found:
                yield from self.element(child, one)
            if child.slices:
                yield from self._sliced(child, found, where)

    def _sliced(self, element: Element, found: list[Occurrence], where: str) -> Iterator[Fault]:
        counts = dict.fromkeys(element.slices, 0)
        for one in found:
            fitting = next((name for name, part in element.slices.items() if self._fits(element, part, one)), None)
            if fitting is not None:
                counts[fitting] += 1
                yield from self.element(element.slices[fitting], one)
            elif element.closed:
                yield self._fault("structure", one.where, "The value belongs to no slice of the profile.",
                                  f"The slices are {', '.join(element.slices)}.", "Correct it or leave it out.")
        for name, part in element.slices.items():
            yield from self._count(part, counts[name], where, f"{element.name.removesuffix('[x]')}:{name}")

    def _count(self, element: Element, count: int, where: str, name: str) -> Iterator[Fault]:
        place = f"{where}.{name.partition(':')[0]}"
        if count < element.low:
            least = "once" if element.low == 1 else f"{element.low} times"
            yield self._fault("required", place, f"{name} is missing." if not count else f"There are only {count} of {name}.",
                              f"It is there at least {least}.", f"Add {name}.")
        if element.high is not None and count > element.high:
            most = {0: "not at all", 1: "once"}.get(element.high, f"{element.high} times")
            yield self._fault("structure", place, f"{name} is there {count} times.", f"It is allowed {most}.",
                              "Leave the rest out.")

    def _fits(self, element: Element, part: Element, one: Occurrence) -> bool:
        return all(self._discriminates(part, one, kind, path) for kind, path in element.discriminators)

    def _discriminates(self, part: Element, one: Occurrence, kind: str, path: str) -> bool:
        if kind == "type" and path == "$this":
            if isinstance(one.value, dict) and isinstance(one.value.get("resourceType"), str):
                return one.value["resourceType"] in part.types
            return one.kind in [name[:1].upper() + name[1:] for name in part.types]
        values = list(_values_at(one.value, path))
        wanted = part.at(path)
        if kind == "exists":
            return bool(values) == (wanted is not None and wanted.low > 0)
        if path == "url" and part.profiles:
            return any(value in part.profiles for value in values)
        if wanted is None:
            return False
        return any(self._is(wanted, value) for value in values)

    def _is(self, wanted: Element, value: Any) -> bool:
        """Whether a value is the one that tells a slice apart: fixed, a pattern, by parts below, or by its value set."""
        if wanted.fixed is not UNSET:
            return bool(value == wanted.fixed)
        if wanted.pattern is not UNSET:
            return contains(value, wanted.pattern)
        told = [child for child in wanted.children.values()
                if child.fixed is not UNSET or child.pattern is not UNSET or child.children]
        if told:
            return all(
                any(self._is(child, one.value) for one in occurrences(value, child.name, ""))
                for child in told if isinstance(value, dict)
            )
        if wanted.binding is not None:
            pairs = [("", value)] if isinstance(value, str) else list(_coded(value))
            return any(self._codes.member(wanted.binding[1], system, code) for system, code in pairs)
        return False

    def _fault(
        self, kind: Any, where: str, message: str, rule: str, repair: str, *, severity: Literal["error", "warning"] = "error"
    ) -> Fault:
        return Fault(kind, message, where=where, rule=f"{self._profile.title}: {rule}", repair=repair, spec=self._profile.url,
                     severity=severity)


def contains(value: Any, pattern: Any) -> bool:
    """Whether a value holds everything of a pattern: each member of an object, each item of an array somewhere."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(name in value and contains(value[name], part) for name, part in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(contains(item, part) for item in value) for part in pattern)
    return bool(value == pattern)


def occurrences(node: Any, name: str, where: str) -> Iterator[Occurrence]:
    """Every value of an element of an object; for ``value[x]`` of whatever type. A primitive may be there by extensions alone."""
    if not isinstance(node, dict):
        return
    if not name.endswith("[x]"):
        yield from _all(node, name, where, "")
        return
    stem = name[:-3]
    for key in dict.fromkeys(key.removeprefix("_") for key in node):
        if key.startswith(stem) and key[len(stem) : len(stem) + 1].isupper():
            yield from _all(node, key, where, key[len(stem):])


def _all(node: Resource, key: str, where: str, kind: str) -> Iterator[Occurrence]:
    value, beside = node.get(key), node.get(f"_{key}")
    if isinstance(value, list) or isinstance(beside, list):
        values = value if isinstance(value, list) else []
        besides = beside if isinstance(beside, list) else []
        for index in range(max(len(values), len(besides))):
            yield Occurrence(values[index] if index < len(values) else None, f"{where}.{key}[{index}]", kind)
    elif value is not None or beside is not None:
        yield Occurrence(value, f"{where}.{key}", kind)


def _values_at(value: Any, path: str) -> Iterator[Any]:
    if path == "$this":
        yield value
        return
    name, _, rest = path.partition(".")
    names = [name] if isinstance(value, dict) and name in value else [f"{name}[x]"]
    for one in occurrences(value, names[0], ""):
        yield from _values_at(one.value, rest or "$this")


def _coded(value: Any) -> Iterator[tuple[str, str]]:
    """(system, code) of a Coding, of each coding of a CodeableConcept, or of a Quantity's unit."""
    if not isinstance(value, dict):
        return
    for coding in value["coding"] if isinstance(value.get("coding"), list) else [value]:
        if isinstance(coding, dict) and isinstance(coding.get("code"), str):
            yield str(coding.get("system", "")), coding["code"]


def _shown(value: Any) -> str:
    """A value of a profile, never of the input, in few words."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    if isinstance(value, list):
        return " and ".join(_shown(part) for part in value)
    return str(value)
