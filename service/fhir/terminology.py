"""The terminology of the service: code systems, value sets and concept maps of `terminology/`, as dictionary lookups.

Everything is indexed once when it is loaded; nothing here knows a clinical code. The equivalence of a map target states,
as in R4, how the target's meaning relates to that of our concept: a ``wider`` code means more than we do. A wider code can
therefore deny our concept but not assert it, a ``narrower`` one the other way round.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

from service.errors import Fault, KnowledgeBaseError
from service.fhir.diagnoses import RecordedDiagnoses, load_diagnoses
from service.fhir.terminology_checks import Resource, Resources, faults_of
from service.fhir.units import Units, load_units
from service.records import dataclass

CANONICAL_BASE = "https://hipspine.example/fhir"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
VERIFICATION = "/StructureDefinition/verification"
ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
FOLDERS = {"codesystems": "CodeSystem", "valuesets": "ValueSet", "conceptmaps": "ConceptMap"}

Side = Literal["left", "right", "bilateral"]
Coding = dict[str, str]

ASSERTS = frozenset(("equal", "equivalent", "narrower", "specializes"))
DENIES = frozenset(("equal", "equivalent", "wider", "subsumes"))
PREFERENCE = ("equal", "equivalent", "wider", "subsumes", "narrower", "specializes", "relatedto", "inexact")


@dataclass(frozen=True, slots=True)
class Target:
    """One translation of a concept. `side` is set where the code holds only for that side (or for none stated).

    `verification` is ``yes`` or ``single-source``, see the code system `verification`.
    """

    system: str
    code: str
    display: str
    equivalence: str
    comment: str = ""
    side: str | None = None
    verification: str = ""

    @property
    def reason(self) -> str:
        """Why the code is wider, narrower or inexact: the comment without its remark on the licence."""
        return re.sub(r"^Outside the Global Patient Set\. ?", "", self.comment)

    @property
    def rank(self) -> int:
        return PREFERENCE.index(self.equivalence) if self.equivalence in PREFERENCE else len(PREFERENCE)

    def coding(self) -> Coding:
        return {"system": self.system, "code": self.code, "display": self.display}


@dataclass(frozen=True, slots=True)
class FindingMatch:
    """A finding that a code speaks of. Where neither may be done, the code is known but says too much or too little.

    `may_assert`: "present" with this code means that the finding is present. `may_deny`: "absent" with this code means
    that the finding is absent.
    """

    finding_id: str
    equivalence: str
    may_assert: bool
    may_deny: bool
    comment: str = ""


class Terminology:
    """Answers about codes. Made by `load_terminology`; never changes afterwards."""

    def __init__(
        self,
        resources: Resources,
        *,
        base_url: str,
        units: Units,
        snomed: bool = True,
        diagnoses: RecordedDiagnoses | None = None,
    ) -> None:
        self.base_url = base_url
        self.units = units
        self.snomed = snomed
        self.diagnoses = diagnoses or RecordedDiagnoses()
        self._resources = dict(resources)
        self._by_url = {resource["url"]: resource for resource in self._resources.values()}
        self._displays: dict[tuple[str, str], str] = {}
        self._properties: dict[tuple[str, str], dict[str, Any]] = {}
        for resource in self.resources("CodeSystem"):
            for concept in resource.get("concept", ()):
                key = (resource["url"], concept["code"])
                self._displays[key] = concept["display"]
                self._properties[key] = {
                    entry["code"]: next((value for name, value in entry.items() if name.startswith("value")), None)
                    for entry in concept.get("property", ())
                }
        self._own = frozenset(self._displays)
        self._targets: dict[tuple[str, str], list[Target]] = {}   # (source system id, code) -> targets
        self._sources: dict[tuple[str, str], list[tuple[str, str, Target]]] = {}  # (system, code) -> (system id, code, target)
        self._sides: dict[tuple[str, str], str] = {}
        for resource in self.resources("ConceptMap"):
            self._index_map(resource)
        side = self._resources.get(("CodeSystem", "side"), {})
        self._sides |= {
            (side["url"], concept["code"]): concept["code"]
            for concept in side.get("concept", ())
            if concept["code"] in get_args(Side)
        }

    def _index_map(self, resource: Resource) -> None:
        for group in resource.get("group", ()):
            source = group["source"].rsplit("/", 1)[-1]
            for element in group.get("element", ()):
                for entry in element.get("target", ()):
                    if "code" not in entry:
                        continue
                    side = next((d["value"] for d in entry.get("dependsOn", ()) if d.get("property", "").endswith("/side")), None)
                    verified = (one["valueCode"] for one in entry.get("extension", ()) if one["url"].endswith(VERIFICATION))
                    target = Target(
                        group["target"], entry["code"], entry["display"], entry["equivalence"],
                        entry.get("comment", ""), side, next(verified, ""),
                    )
                    key = (target.system, target.code)
                    self._targets.setdefault((source, element["code"]), []).append(target)
                    self._sources.setdefault(key, []).append((source, element["code"], target))
                    self._displays.setdefault(key, target.display)
                    if side is not None:
                        self._sides[key] = side
                    elif source == "side":
                        self._sides[key] = element["code"]

    # --- resources ---------------------------------------------------------------------------------------------------

    def system(self, identifier: str) -> str:
        """Address of one of our code systems; KeyError if there is none of that id."""
        url: str = self._resources["CodeSystem", identifier]["url"]
        return url

    def resource(self, kind: str, identifier: str) -> Resource | None:
        """One CodeSystem, ValueSet or ConceptMap as loaded. Not to be changed by the caller."""
        return self._resources.get((kind, identifier))

    def resources(self, kind: str) -> tuple[Resource, ...]:
        return tuple(resource for (of, _), resource in self._resources.items() if of == kind)

    def by_url(self, url: str) -> Resource | None:
        """The resource of a canonical address, which may end in ``|version``."""
        address, _, version = url.partition("|")
        resource = self._by_url.get(address)
        return resource if resource is not None and version in ("", resource["version"]) else None

    def expand(self, value_set: str) -> tuple[Coding, ...]:
        """The codings of one of our value sets, in its order; KeyError if there is none of that id."""
        codings: list[Coding] = []
        for include in self._resources["ValueSet", value_set]["compose"]["include"]:
            concepts = include.get("concept") or self._by_url[include["system"]]["concept"]
            codings += [self._coding(include["system"], concept["code"]) for concept in concepts]
        return tuple(codings)

    def ordinals(self, value_set: str) -> Mapping[str, Decimal]:
        """The ordinal values that one of our value sets gives its codes; empty if it has none, or is not there."""
        resource = self._resources.get(("ValueSet", value_set), {})
        return {
            concept["code"]: Decimal(str(extension["valueDecimal"]))
            for include in resource.get("compose", {}).get("include", ())
            for concept in include.get("concept", ())
            for extension in concept.get("extension", ())
            if extension["url"] == ORDINAL
        }

    # --- codes -------------------------------------------------------------------------------------------------------

    def has(self, system: str, code: str) -> bool:
        """Whether the code is defined by one of our code systems."""
        return (system, code) in self._own

    def display(self, system: str, code: str) -> str | None:
        """Wording of one of our codes, or of a code that a map leads to."""
        return self._displays.get((system, code))

    def property(self, system_id: str, code: str, name: str) -> Any:
        """Value of a concept property, None if the concept has none of that name."""
        return self._properties.get((self.system(system_id), code), {}).get(name)

    def unit_of(self, finding_id: str) -> str | None:
        """UCUM unit in which a measured value of the finding is read."""
        unit: str | None = self.property("finding", finding_id, "unit")
        return unit

    def convert(self, value: Decimal, from_unit: str, to_unit: str) -> Decimal | None:
        return self.units.convert(value, from_unit, to_unit)

    def coding(self, system_id: str, code: str) -> Coding:
        """One of our own codes with its display; KeyError if it is not defined."""
        return self._coding(self.system(system_id), code)

    def _coding(self, system: str, code: str) -> Coding:
        return {"system": system, "code": code, "display": self._displays[system, code]}

    def targets(self, system_id: str, code: str) -> tuple[Target, ...]:
        """All translations of one of our codes, in the order of the maps."""
        return tuple(self._targets.get((system_id, code), ()))

    # --- inbound -----------------------------------------------------------------------------------------------------

    def to_findings(self, system: str, code: str) -> tuple[FindingMatch, ...]:
        """Every finding the code speaks of, those it may assert first."""
        if self.has(system, code):
            return (FindingMatch(code, "equal", True, True),) if system == self.system("finding") else ()
        matches = [
            FindingMatch(finding, target.equivalence, target.equivalence in ASSERTS, target.equivalence in DENIES, target.reason)
            for source, finding, target in self._sources.get((system, code), ())
            if source == "finding"
        ]
        return tuple(sorted(matches, key=lambda match: (not match.may_assert, not match.may_deny)))

    def to_finding(self, system: str, code: str) -> FindingMatch | None:
        """The finding the code fits best, None if it speaks of no finding."""
        return next(iter(self.to_findings(system, code)), None)

    def to_answer(self, system: str, code: str) -> str | None:
        """``present``, ``absent``, ``unknown`` or a choice code; None if the code is no answer we know."""
        if system == self.system("answer"):
            return code if self.has(system, code) else None
        return self._back(system, code, "answer")

    def to_symptom(self, system: str, code: str) -> str | None:
        """The complaint (hip pain, low back pain) that the code stands for."""
        if system == self.system("symptom"):
            return code if self.has(system, code) else None
        return self._back(system, code, "symptom")

    def to_condition(self, system: str, code: str) -> str | None:
        """The condition a diagnosis code stands for, or of which it is a kind."""
        if system == self.system("condition"):
            return code if self.has(system, code) else None
        return self._back(system, code, "condition")

    def to_services(self, system: str, code: str) -> tuple[tuple[str, str], ...]:
        """Our words for the service a code asks for, each with the equivalence of the code to it (``equal`` for our own)."""
        if system == self.system("service"):
            return ((code, "equal"),) if self.has(system, code) else ()
        return tuple(
            (service, target.equivalence)
            for source, service, target in self._sources.get((system, code), ())
            if source == "service"
        )

    def asks_for_any_finding(self, concept: Resource | None) -> bool:
        """Whether an observation's code leaves it to the value to name the finding."""
        asked = (self.system("service"), "any-finding")
        return any(
            (coding.get("system"), coding.get("code")) == asked
            or self._back(coding.get("system", ""), coding.get("code", ""), "service") == asked[1]
            for coding in (concept or {}).get("coding", ())
        )

    def to_body_site(self, system: str, code: str) -> str | None:
        """Our word for a body site (``hip-region``, ``groin``), None if unknown."""
        return next(
            (word for source, word, _ in self._sources.get((system, code), ()) if source == "body-site"), None
        )

    def _back(self, system: str, code: str, source_id: str) -> str | None:
        return next(
            (own for source, own, target in self._sources.get((system, code), ())
             if source == source_id and target.equivalence in ASSERTS),
            None,
        )

    def side_of(self, concept: Resource | None) -> Side | None:
        """The side a CodeableConcept states, by a qualifier, a sided body site or a sided diagnosis; free text is not read."""
        stated: set[str] = set()
        for coding in (concept or {}).get("coding", ()):
            side = self._sides.get((coding.get("system", ""), coding.get("code", "")))
            if side in ("left", "right", "bilateral"):
                stated.add(side)
        if "bilateral" in stated or len(stated) == 2:
            return "bilateral"
        return "left" if "left" in stated else "right" if "right" in stated else None

    # --- answers -----------------------------------------------------------------------------------------------------

    @staticmethod
    def answer_code(choice: str) -> str:
        """The code of a choice: lower case, one hyphen for every run of other characters."""
        return re.sub("[^a-z0-9]+", "-", choice.lower()).strip("-")

    def choice_for(self, choices: Iterable[str], code: str) -> str | None:
        """The choice an answer code means. ``absent`` means the choice that says so (``none``, ``negative``), if any does."""
        codes = {self.answer_code(choice): choice for choice in choices}
        if code in codes:
            return codes[code]
        if code != "absent":
            return None
        return next((choice for slug, choice in codes.items() if self.property("answer", slug, "reads-as") == code), None)

    # --- outbound ----------------------------------------------------------------------------------------------------

    def outbound_finding(self, finding_id: str) -> list[Coding]:
        """Our code, then per standard the first code that means the same: only such a code holds for present and absent."""
        return self._outbound("finding", finding_id, ("equal", "equivalent"))

    def outbound_condition(self, condition_id: str, side: str | None = None) -> list[Coding]:
        """Our code, SNOMED CT, ICD-10-CM by side. Standard codes that would say more than was computed are left out.

        The exception is a sided ICD-10-CM leaf, which may name the usual cause as well: the classification has no leaf
        with the side alone. A bilateral condition without a bilateral leaf gets both sides.
        """
        codings = self._outbound("condition", condition_id, ("equal", "equivalent", "wider"))
        return codings + self._leaves(self.targets("condition", condition_id), side)

    def outbound_symptom(self, side: str | None = None, symptom: str = "hip-pain") -> list[Coding]:
        """The complaint as the reason of a request: our code, SNOMED CT, ICD-10-CM by side (both leaves if bilateral)."""
        codings = self._outbound("symptom", symptom, ("equal", "equivalent"))
        return codings + self._leaves(self.targets("symptom", symptom), side)

    def outbound_service(self, concept_id: str) -> list[Coding]:
        """A referral, specialty, image, treatment or method: our code, then SNOMED CT and LOINC where verified."""
        return self._outbound("service", concept_id, ("equal", "equivalent", "wider"))

    def outbound_side(self, side: Side) -> list[Coding]:
        """The laterality qualifier of a side."""
        return self._qualifiers(side)

    def outbound_body_site(self, site: str, side: Side | None = None) -> list[Coding]:
        """A sided body structure where there is one, otherwise the structure and the laterality qualifier."""
        sided = self.targets("body-site", f"{site}-{side}")
        found = sided or self.targets("body-site", site)
        codings = [target.coding() for target in found[:1] if self._sendable(target)]
        return codings if sided or side is None or not codings else codings + self._qualifiers(side)

    def _qualifiers(self, side: str) -> list[Coding]:
        targets = self.targets("side", side)
        return [target.coding() for target in targets[:1] if self._sendable(target)]

    def _sendable(self, target: Target) -> bool:
        return self.snomed or target.system != SNOMED

    def _outbound(self, system_id: str, code: str, allowed: Sequence[str]) -> list[Coding]:
        """Our coding and one per standard; ICD-10-CM apart, because its leaf depends on the side."""
        codings = {"": self.coding(system_id, code)}
        for target in sorted(self.targets(system_id, code), key=lambda target: target.rank):
            if target.equivalence in allowed and target.system != ICD10CM and self._sendable(target):
                codings.setdefault(target.system, target.coding())
        return list(codings.values())

    @staticmethod
    def _leaves(targets: Sequence[Target], side: str | None) -> list[Coding]:
        leaves = [target for target in targets if target.system == ICD10CM]
        usable = [leaf for leaf in leaves if leaf.equivalence in ("equal", "equivalent", "wider") or
                  (leaf.equivalence == "narrower" and leaf.side is not None)]
        usable.sort(key=lambda leaf: leaf.rank)  # stable: the order of the map decides among equals

        def first(*sides: str | None) -> list[Coding]:
            return next(([leaf.coding()] for leaf in usable if leaf.side in sides), [])

        if side in ("left", "right"):
            return first(side) or first(None)
        if side == "bilateral":
            return first("bilateral") or first("right") + first("left") or first(None)
        return first("unspecified", None)


def load_terminology(directory: Path, base_url: str, *, snomed: bool = True) -> Terminology:
    """The terminology of a folder, under the canonical base `base_url`; KnowledgeBaseError listing every defect.

    `snomed=False` leaves SNOMED CT codings out of everything that is sent; reading them stays possible.
    """
    base_url = base_url.rstrip("/")
    faults: list[Fault] = []
    resources: dict[tuple[str, str], Resource] = {}
    for folder, kind in FOLDERS.items():
        for path in sorted((directory / folder).glob("*.json")):
            where = f"{folder}/{path.name}"
            try:
                text = path.read_text(encoding="utf-8").replace(f'"{CANONICAL_BASE}/', f'"{base_url}/')
                resource = json.loads(text)
            except (OSError, ValueError) as error:
                faults.append(Fault("structure", f"not readable as JSON: {error}", where))
                continue
            if not isinstance(resource, dict) or resource.get("resourceType") != kind:
                faults.append(Fault("structure", f"a {kind} is expected here", where))
            elif resource.get("id") != path.stem:
                faults.append(Fault("value", f"the id must be the name of the file, {path.stem}", where))
            else:
                resources[kind, path.stem] = resource
    faults += faults_of(resources, base_url)
    try:
        units = load_units(directory / "units.csv")
        diagnoses = load_diagnoses(directory / "recorded-diagnoses.csv")
    except KnowledgeBaseError as error:
        faults += error.faults
    if faults:
        raise KnowledgeBaseError(faults)
    return Terminology(resources, base_url=base_url, units=units, snomed=snomed, diagnoses=diagnoses)
