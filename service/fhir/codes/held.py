"""The code systems this service can answer about: its own, whole, and fragments of public ones.

A fragment holds the codes of a public terminology that our maps lead to. What is not in it may well exist, so a fragment can say
that a code exists and never that one does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property
from typing import Any

from service.errors import Fault, NotFound
from service.fhir.terminology import SNOMED, Terminology
from service.records import dataclass

Resource = dict[str, Any]
# Language -> how to get its wording: (id of a code system of ours, code) -> text.
Wordings = Mapping[str, Callable[[], Mapping[tuple[str, str], str]]]

ENGLISH = "en"
# What a public terminology is called. Not codes: names of code systems, which the maps have no place for.
FRAGMENT_NAMES = {
    "http://snomed.info/sct": "SNOMED CT",
    "http://loinc.org": "LOINC",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
}


@dataclass(frozen=True, slots=True)
class Concept:
    """One concept of a held code system. `properties` are (code, name of the value element, value)."""

    code: str
    display: str
    definition: str = ""
    properties: tuple[tuple[str, str, Any], ...] = ()


@dataclass(frozen=True)
class System:
    """One held code system. `complete` is false for a fragment; `version` is empty where none is pinned."""

    url: str
    name: str
    version: str
    complete: bool
    concepts: Mapping[str, Concept]
    id: str = ""
    date: str = ""
    wordings: Wordings = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name for people; of a fragment it says that it is one."""
        return self.name if self.complete else f"{self.name} (fragment: the {len(self.concepts)} codes that this service maps)"

    def concept(self, code: str) -> Concept:
        """The concept of a code; NotFound if it is not held, in words that differ for a fragment."""
        found = self.concepts.get(code)
        if found is None:
            raise NotFound(self.unknown(code))
        return found

    def unknown(self, code: str, where: str = "") -> Fault:
        """The fault of a code that this system does not hold."""
        if self.complete:
            return Fault("not-found", f"{shown(code)} is not a code of {self.url}.", where=where,
                         rule=f"The code system holds {len(self.concepts)} codes; upper and lower case count.",
                         repair="ValueSet/$expand lists them.")
        return Fault("not-found", f"{shown(code)} is not among the codes of {self.name} held here.", where=where,
                     rule=f"The {len(self.concepts)} codes that this service maps are held; others may exist all the same.",
                     repair=f"Ask a terminology server that holds {self.name}.")

    def display(self, concept: Concept, language: str) -> str:
        """The wording in a language, the English one where there is none."""
        return self.worded(concept, language) or concept.display

    def worded(self, concept: Concept, language: str) -> str | None:
        """The wording in a language, None where there is none."""
        if language == ENGLISH:
            return concept.display
        return self.wordings[language]().get((self.id, concept.code)) if language in self.wordings and self.id else None

    def designations(self, concept: Concept) -> Iterator[tuple[str, str]]:
        """(language, text) of every wording of one of our own concepts; those of public codes are their owner's alone."""
        if self.id:
            yield ENGLISH, concept.display
            for language in self.wordings:
                text = self.worded(concept, language)
                if text:
                    yield language, text


class Held:
    """Every code system that can be answered about, and the value sets and maps published here. Indexed when first asked."""

    def __init__(self, terminology: Terminology, wordings: Wordings, published: Callable[[str], Iterable[Resource]]) -> None:
        """`published` gives the published resources of a type (CodeSystem, ValueSet, ConceptMap)."""
        self._terminology = terminology
        self._wordings = wordings
        self._published = published

    @cached_property
    def _resources(self) -> Mapping[str, Mapping[str, Resource]]:
        kinds = ("CodeSystem", "ValueSet", "ConceptMap")
        return {kind: {resource["id"]: resource for resource in self._published(kind)} for kind in kinds}

    @property
    def languages(self) -> tuple[str, ...]:
        return (ENGLISH, *self._wordings)

    @cached_property
    def systems(self) -> Mapping[str, System]:
        """Held code systems by address, our own first."""
        found = {system.url: system for system in map(self._own, self.published("CodeSystem"))}
        for url, concepts in self._fragments().items():
            if url not in found:
                versions = {group.get("targetVersion", "") for group in self._groups() if group["target"] == url}
                version = next(iter(versions)) if len(versions) == 1 else ""
                found[url] = System(url, FRAGMENT_NAMES.get(url, url.rsplit("/", 1)[-1]), version, False, concepts)
        return found

    def published(self, kind: str) -> Iterable[Resource]:
        """The published CodeSystems, ValueSets or ConceptMaps, in their order."""
        return self._resources[kind].values()

    @cached_property
    def _by_canonical(self) -> Mapping[tuple[str, str], Resource]:
        return {(kind, resource["url"]): resource for kind in self._resources for resource in self.published(kind)}

    def resource(self, kind: str, canonical: str, *, version: str | None = None, where: str = "") -> Resource:
        """The published resource of a canonical address, which may end in ``|version``; NotFound if there is none."""
        url, _, pinned = canonical.partition("|")
        found = self._by_canonical.get((kind, url))
        wanted = version or pinned
        if found is None:
            raise NotFound(Fault("not-found", f"There is no {kind} of that address here.", where=where,
                                 rule=f"Only the {kind} resources published here are known.", repair=f"GET {kind} lists them."))
        if wanted and wanted != found.get("version"):
            raise NotFound(Fault("not-found", f"Version {shown(wanted)} of {url} is not held.", where=where,
                                 rule=f"Held is version {found.get('version')}.", repair="Leave the version out."))
        return found

    def by_id(self, kind: str, identifier: str) -> Resource:
        """The published resource of an id; NotFound if there is none."""
        found = self._resources[kind].get(identifier)
        if found is not None:
            return found
        raise NotFound(Fault("not-found", f"There is no {kind} of that id here.", rule="Only published resources are known.",
                             repair=f"GET {kind} lists them."))

    def system(self, url: str, *, version: str | None = None, where: str = "") -> System:
        """The held code system of an address, which may end in ``|version``; NotFound if it is not held."""
        address, _, pinned = url.partition("|")
        wanted = version or pinned
        found = self.systems.get(address)
        if found is None:
            raise NotFound(self.not_held(address, where))
        if wanted and found.version and wanted != found.version:
            raise NotFound(Fault("not-found", f"Version {shown(wanted)} of {address} is not held.", where=where,
                                 rule=f"Held is version {found.version}.", repair="Leave the version out."))
        return found

    def may_ask_elsewhere(self, addresses: Iterable[str]) -> bool:
        """Whether another server may be asked about these addresses: none is ours, and none is of what is switched off here."""
        ours = f"{self._terminology.base_url}/"
        listed = list(addresses)
        if not self._terminology.snomed and any(address.startswith(SNOMED) for address in listed):
            return False
        return bool(listed) and not any(address.startswith(ours) for address in listed)

    def not_held(self, url: str, where: str) -> Fault:
        """The fault of a code system that is not held, with the reason where it is a choice of this deployment."""
        if url == SNOMED and not self._terminology.snomed:
            return Fault("not-found", "SNOMED CT is switched off in this deployment.", where=where,
                         rule="No SNOMED CT content is given out without a licence (setting HIPSPINE_SNOMED).",
                         repair="Use our own code, LOINC or ICD-10-CM.")
        return Fault("not-found", f"The code system {shown(url)} is not held here.", where=where,
                     rule="Held are our own code systems and fragments of those that our maps lead to.",
                     repair="GET metadata?mode=terminology lists them. Ask a terminology server for others.")

    def _own(self, resource: Resource) -> System:
        concepts = {concept.code: concept for concept in _concepts(resource.get("concept", ()))}
        return System(
            resource["url"], str(resource.get("title") or resource.get("name") or resource["url"]), resource.get("version", ""),
            resource.get("content") == "complete", concepts, resource["id"], resource.get("date", ""), self._wordings,
        )

    def _groups(self) -> Iterator[Resource]:
        """The groups of the maps that lead from our codes to public ones."""
        own = {url for kind, url in self._by_canonical if kind == "CodeSystem"}
        for resource in self.published("ConceptMap"):
            yield from (group for group in resource.get("group", ()) if group["target"] not in own)

    def _fragments(self) -> dict[str, dict[str, Concept]]:
        found: dict[str, dict[str, Concept]] = {}
        for group in self._groups():
            for element in group.get("element", ()):
                for target in element.get("target", ()):
                    if "code" in target:
                        found.setdefault(group["target"], {}).setdefault(target["code"], _target_concept(target))
        return found


def _concepts(listed: Any, parent: str = "") -> Iterator[Concept]:
    """Every concept of a code system, nested ones too, with parent and children as properties."""
    for concept in listed:
        properties = [
            (entry["code"], name, value) for entry in concept.get("property", ())
            for name, value in entry.items() if name.startswith("value")
        ]
        if parent:
            properties.append(("parent", "valueCode", parent))
        properties += [("child", "valueCode", child["code"]) for child in concept.get("concept", ())]
        yield Concept(concept["code"], concept.get("display", concept["code"]), concept.get("definition", ""), tuple(properties))
        yield from _concepts(concept.get("concept", ()), concept["code"])


def _target_concept(target: Resource) -> Concept:
    properties: list[tuple[str, str, Any]] = []
    for extension in target.get("extension", ()):
        if extension["url"].endswith("/verification"):
            properties.append(("verification", "valueCode", extension["valueCode"]))
    for dependency in target.get("dependsOn", ()):
        properties.append((dependency["property"].rsplit("/", 1)[-1], "valueCode", dependency["value"]))
    return Concept(target["code"], target["display"], "", tuple(properties))


def shown(text: str) -> str:
    """A caller's text as a fault may repeat it: short, and without what could break a line."""
    kept = "".join(character for character in text[:80] if character.isprintable())
    return f"{kept}…" if len(text) > 80 else kept
