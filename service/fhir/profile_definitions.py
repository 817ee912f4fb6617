"""StructureDefinitions as trees to check against: what each element of a profile demands beyond R4 itself.

Read from the differential: what R4 demands anyway is checked by `r4.check`, with the same faults wherever a resource comes from.
Source: http://hl7.org/fhir/R4/profiling.html and http://hl7.org/fhir/R4/elementdefinition.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from functools import cached_property
from typing import Any, Literal

from service.records import dataclass

Resource = dict[str, Any]

BASE_TYPE = "http://hl7.org/fhir/StructureDefinition/"
UNSET: Any = object()
EXTENSIONS = ("extension", "modifierExtension")


@dataclass(frozen=True, slots=True)
class Constraint:
    """One FHIRPath rule of an element."""

    key: str
    severity: Literal["error", "warning"]
    human: str
    expression: str


@dataclass(slots=True)
class Element:
    """What a profile demands of one element, or of one slice of it. `name` may end in ``[x]``; `high` is None if not stated."""

    name: str
    path: str
    low: int = 0
    high: int | None = None
    types: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    fixed: Any = UNSET
    pattern: Any = UNSET
    binding: tuple[str, str] | None = None
    constraints: tuple[Constraint, ...] = ()
    discriminators: tuple[tuple[str, str], ...] = ()
    closed: bool = False
    children: dict[str, Element] = field(default_factory=dict)
    slices: dict[str, Element] = field(default_factory=dict)

    def at(self, path: str) -> Element | None:
        """The element that a discriminator path leads to, None if the profile says nothing of it."""
        found: Element | None = self
        for name in () if path == "$this" else path.split("."):
            found = None if found is None else found.children.get(name) or found.children.get(f"{name}[x]")
        return found


@dataclass(frozen=True, slots=True)
class Profile:
    """One StructureDefinition: the type it constrains, where it may stand (an extension), and its root element."""

    url: str
    version: str
    title: str
    type: str
    contexts: tuple[str, ...]
    root: Element


class Profiles:
    """The profiles published here, compiled when first asked for."""

    def __init__(self, definitions: Callable[[], Iterable[tuple[str, Callable[[], Resource]]]], base_url: str) -> None:
        """`definitions` gives address and loader of every StructureDefinition; `base_url` is our canonical base."""
        self._definitions = definitions
        self._compiled: dict[str, Profile] = {}
        self.base_url = base_url

    @cached_property
    def _loaders(self) -> Mapping[str, Callable[[], Resource]]:
        return dict(self._definitions())

    def is_ours(self, url: str) -> bool:
        """Whether an address is below our canonical base, so that a profile of that address has to exist."""
        return url.startswith(f"{self.base_url}/StructureDefinition/")

    def get(self, canonical: str) -> Profile | None:
        """The profile of an address, which may end in ``|version``; None if it is not held in that version."""
        url, _, version = canonical.partition("|")
        if url not in self._compiled:
            loader = self._loaders.get(url)
            if loader is None:
                return None
            self._compiled[url] = compile_profile(loader())
        found = self._compiled[url]
        return found if version in ("", found.version) else None


def compile_profile(definition: Resource) -> Profile:
    """The tree of a StructureDefinition."""
    root = Element(definition["type"], definition["type"])
    for entry in definition["differential"]["element"]:
        _fill(_place(root, entry["id"]), entry)
    contexts = tuple(one["expression"] for one in definition.get("context", ()) if one["type"] == "element")
    title = definition.get("title") or definition["name"]
    return Profile(definition["url"], definition.get("version", ""), title, definition["type"], contexts, root)


def _place(root: Element, element_id: str) -> Element:
    """The element of an id such as ``Observation.component:level.value[x]``, made with those above it if need be."""
    found = root
    for segment in element_id.split(".")[1:]:
        name, _, slice_name = segment.partition(":")
        found = found.children.setdefault(name, Element(name, f"{found.path}.{name.removesuffix('[x]')}"))
        if not found.discriminators and name in EXTENSIONS:
            found.discriminators = (("value", "url"),)
        if slice_name:
            if not found.discriminators and name.endswith("[x]"):
                found.discriminators = (("type", "$this"),)
            found = found.slices.setdefault(slice_name, Element(name, found.path))
    return found


def _fill(element: Element, entry: Resource) -> None:
    element.low = entry.get("min", 0)
    limit = entry.get("max", "*")
    element.high = None if limit == "*" else int(limit)
    element.types = tuple(one["code"].rsplit("/", 1)[-1] for one in entry.get("type", ()))
    element.profiles = tuple(profile for one in entry.get("type", ()) for profile in one.get("profile", ()))
    element.targets = tuple(target for one in entry.get("type", ()) for target in one.get("targetProfile", ()))
    element.fixed = next((value for name, value in entry.items() if name.startswith("fixed")), UNSET)
    element.pattern = next((value for name, value in entry.items() if name.startswith("pattern")), UNSET)
    if "valueSet" in entry.get("binding", {}):
        element.binding = (entry["binding"]["strength"], entry["binding"]["valueSet"].partition("|")[0])
    element.constraints = tuple(
        Constraint(one["key"], one["severity"], one["human"], one["expression"])
        for one in entry.get("constraint", ()) if "expression" in one
    )
    if "slicing" in entry:
        slicing = entry["slicing"]
        element.discriminators = tuple((one["type"], one["path"]) for one in slicing.get("discriminator", ()))
        element.closed = slicing.get("rules") == "closed"
