"""Our own StructureDefinitions held against a resource: what a profile demands, and every extension of ours wherever it stands.

Checked are cardinality, types, fixed values and patterns, bindings to value sets held here, slicing by value, pattern, type and
existence, the targets of references, the place of extensions, and the rules in FHIRPath. `r4.check` comes first: this module
takes the shape of a resource for granted and passes over what has another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from service.errors import Fault
from service.fhir.profile_definitions import EXTENSIONS, Profile, Profiles
from service.fhir.profile_pass import Codes, Holds, Occurrence, ProfilePass
from service.fhir.walk import MOST_FAULTS
from service.fhir.wording import more_faults

Resource = dict[str, Any]

_DEEPEST = 200
MOST_RULES = 5_000  # evaluations of FHIRPath for one resource; the fullest answer of ours needs some 150


class ProfileCheck:
    """The faults of one resource against profiles."""

    def __init__(self, profiles: Profiles, codes: Codes, holds: Holds) -> None:
        self._profiles = profiles
        self._codes = codes
        self._holds = holds

    def faults(self, resource: Resource, named: Iterable[str] = ()) -> tuple[Fault, ...]:
        """Faults and warnings against the profiles `named`, those the resource and its parts claim, and our extensions.

        A named profile must be one that is held; a claimed one that is not held is a warning.
        """
        found: dict[Fault, None] = {}
        spent = _Spending(self._holds)
        try:
            for fault in self._every(resource, named, spent.holds):
                found[fault] = None
                if len(found) >= MOST_FAULTS:
                    found[more_faults(MOST_FAULTS)] = None
                    break
        except _TooCostlyError:
            found[Fault(
                "too-costly", "Not every rule of the profiles was evaluated.",
                rule=f"For one resource {MOST_RULES} rules in FHIRPath are evaluated.", repair="Validate it in parts.",
            )] = None
        return tuple(found)

    def _every(self, resource: Resource, named: Iterable[str], holds: Holds) -> Iterator[Fault]:
        kind = resource["resourceType"]
        claimed = {canonical for canonical, _ in _claims(resource)}
        for canonical in dict.fromkeys(named):
            profile = self._profiles.get(canonical)
            if profile is not None and canonical not in claimed:
                yield from self._against(profile, resource, kind, holds)
        yield from self._walk(resource, kind, kind, holds)

    def _against(self, profile: Profile, resource: Resource, where: str, holds: Holds) -> Iterator[Fault]:
        if profile.type != resource.get("resourceType"):
            yield Fault("structure", f"{profile.title} is a profile of {profile.type}.", where=where,
                        rule=f"A {resource.get('resourceType')} cannot conform to it.", repair="Name another profile.",
                        spec=profile.url)
            return
        yield from ProfilePass(profile, self._profiles, self._codes, holds).element(profile.root, Occurrence(resource, where))

    def _walk(self, node: Any, where: str, path: str, holds: Holds, *, depth: int = 0) -> Iterator[Fault]:
        """Every resource and every extension at or below a node. `path` is the place without indexes, as a context names it."""
        if depth > _DEEPEST:
            return
        if isinstance(node, list):
            for index, item in enumerate(node):
                yield from self._walk(item, f"{where}[{index}]", path, holds, depth=depth + 1)
            return
        if not isinstance(node, dict):
            return
        if isinstance(node.get("resourceType"), str):
            path = node["resourceType"]
            for canonical, place in _claims(node):
                profile = self._profiles.get(canonical)
                if profile is not None:
                    yield from self._against(profile, node, where, holds)
                else:
                    yield Fault("not-found", "A profile that is claimed is not held here.", where=f"{where}.{place}",
                                rule="Conformance to it was not checked.", repair="Validate where that profile is known.",
                                severity="warning")
        for name in EXTENSIONS:
            listed = node.get(name)
            for index, extension in enumerate(listed if isinstance(listed, list) else ()):
                if isinstance(extension, dict):
                    yield from self._extension(extension, f"{where}.{name}[{index}]", path, holds)
        yield from self._coding(node, where)
        for name, value in node.items():
            if name != "resourceType" and isinstance(value, (dict, list)):
                below = f"{path}.{name.removeprefix('_')}"
                yield from self._walk(value, f"{where}.{name}", below, holds, depth=depth + 1)

    def _coding(self, node: Resource, where: str) -> Iterator[Fault]:
        """A Coding (or whatever has system and code) of a code system that is held whole has a code of it."""
        system, code = node.get("system"), node.get("code")
        if not isinstance(system, str) or not isinstance(code, str):
            return
        if self._codes.exists(system, code) is False:
            yield Fault("code-invalid", "The code system has no such code.", where=f"{where}.code",
                        rule=f"A code is one of {system}; upper and lower case count.", repair="Correct the code or its system.")

    def _extension(self, extension: Resource, where: str, path: str, holds: Holds) -> Iterator[Fault]:
        url = extension.get("url")
        if not isinstance(url, str):
            return
        profile = self._profiles.get(url)
        if profile is None:
            if self._profiles.is_ours(url):
                yield Fault("structure", "There is no extension of this address.", where=f"{where}.url",
                            rule="An extension below our base is one that we define.", repair="Correct the url.")
            return
        if profile.type != "Extension":
            yield Fault("structure", "The address is that of a profile, not of an extension.", where=f"{where}.url",
                        rule=f"{profile.title} constrains {profile.type}.", repair="Correct the url.", spec=profile.url)
            return
        if profile.contexts and path not in profile.contexts:
            yield Fault("structure", f"The extension {profile.title} may not stand here.", where=where,
                        rule=f"It stands on {' or '.join(profile.contexts)}.", repair="Move it there.", spec=profile.url)
        yield from ProfilePass(profile, self._profiles, self._codes, holds).element(profile.root, Occurrence(extension, where))


class _TooCostlyError(Exception):
    """More rules than are evaluated for one resource."""


class _Spending:
    """Counts the rules evaluated for one resource, so that a large body cannot hold a thread for minutes."""

    def __init__(self, holds: Holds) -> None:
        self._holds = holds
        self._left = MOST_RULES

    def holds(self, value: Any, path: str, expression: str) -> bool:
        if not self._left:
            raise _TooCostlyError
        self._left -= 1
        return self._holds(value, path, expression)


def _claims(resource: Resource) -> Iterator[tuple[str, str]]:
    """The profiles a resource says it conforms to, each once, with their place below it."""
    meta = resource.get("meta")
    listed = meta.get("profile") if isinstance(meta, dict) else None
    first: dict[str, int] = {}
    for index, canonical in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(canonical, str):
            first.setdefault(canonical, index)
    yield from ((canonical, f"meta.profile[{index}]") for canonical, index in first.items())
