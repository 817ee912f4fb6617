"""$lookup, $validate-code and $subsumes of CodeSystem, on what is held here.

Source of names and rules: http://hl7.org/fhir/R4/codesystem-operations.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service.errors import Fault, MalformedInput, NotFound, NotSupported
from service.fhir.codes.coded import (
    Coded,
    asked,
    check_date,
    coding_of,
    raise_any,
    validity,
    verdict,
)
from service.fhir.codes.held import ENGLISH, Concept, Held, System, shown
from service.fhir.parameters import RESOURCE, Input, Inputs, entry, group, parameters

Resource = dict[str, Any]

CODED = (("code", "coding"),)
LOOKUP = (
    Input("code", "code", needs=("system",)),
    Input("system", "uri", type_only=True),
    Input("version", "string", type_only=True),
    Input("coding", "Coding"),
    Input("date", "dateTime"),
    Input("displayLanguage", "code"),
    Input("property", "code", many=True),
)
ANY_CODED = (("code", "coding", "codeableConcept"),)
VALIDATE_CODE = (
    Input("url", "uri", type_only=True),
    Input("codeSystem", RESOURCE, refused="Codes are checked against code systems held here, not against one that is sent."),
    Input("code", "code", needs=("url",)),
    Input("version", "string", type_only=True),
    Input("display", "string", needs=("code",)),
    Input("coding", "Coding"),
    Input("codeableConcept", "CodeableConcept", needs=("url",)),
    Input("date", "dateTime"),
    Input("abstract", "boolean"),
    Input("displayLanguage", "code"),
)
PAIR = (("codeA", "codingA"), ("codeB", "codingB"))
SUBSUMES = (
    Input("codeA", "code", needs=("system",)),
    Input("codeB", "code", needs=("system",)),
    Input("system", "uri", type_only=True),
    Input("version", "string", type_only=True),
    Input("codingA", "Coding"),
    Input("codingB", "Coding"),
)
# Asked for by these names of `property`, a part of the answer that has its own place comes or stays out.
_DESIGNATION = "designation"
_LANGUAGE = "lang."


def lookup(held: Held, inputs: Inputs, *, instance: Resource | None, language: str) -> Resource:
    """The details of one code. NotFound if its system or the code is not held."""
    faults: list[Fault] = []
    coded = _coded(inputs, inputs.chosen(CODED[0]), faults, system_needed=instance is None)
    raise_any(faults)
    assert coded is not None
    system = _system(held, coded, inputs, instance)
    check_date(inputs, system.date, system.name)
    if coded.code not in system.concepts:
        raise NotFound(system.unknown(coded.code, coded.where))
    concept = system.concepts[coded.code]
    wanted = set(inputs.many("property"))
    return parameters(
        entry("name", valueString=system.title),
        entry("version", valueString=system.version or None),
        entry("display", valueString=system.display(concept, language)),
        *_designations(system, concept, wanted),
        *_properties(concept, wanted),
    )


def _designations(system: System, concept: Concept, wanted: set[str]) -> Iterator[Resource]:
    everything = not wanted or "*" in wanted or _DESIGNATION in wanted
    for language, text in system.designations(concept):
        if everything or f"{_LANGUAGE}{language}" in wanted:
            yield group(_DESIGNATION, entry("language", valueCode=language), entry("value", valueString=text))


def _properties(concept: Concept, wanted: set[str]) -> Iterator[Resource]:
    everything = not wanted or "*" in wanted
    listed = concept.properties
    if concept.definition:
        listed = (("definition", "valueString", concept.definition), *listed)
    for code, value_element, value in listed:
        if everything or code in wanted:
            yield group("property", entry("code", valueCode=code), entry("value", **{value_element: value}))


def validate_code(held: Held, inputs: Inputs, *, instance: Resource | None, language: str) -> Resource:
    """Whether a code is one of the code system. NotFound if the system is not held, or a fragment that cannot tell."""
    chosen = inputs.chosen(ANY_CODED[0])
    url = str(instance["url"] if instance is not None else inputs.one("url", ""))
    faults: list[Fault] = []
    codings = asked(inputs, chosen, faults, system_needed=not url)
    raise_any(faults)
    pinned = inputs.one("version") or (codings[0].version if chosen == "coding" else None)
    system = held.system(url or codings[0].system, version=pinned, where=inputs.where("url" if url else chosen))
    check_date(inputs, system.date, system.name)
    own = [coded for coded in codings if coded.system in ("", system.url)]
    if not own:
        return verdict([f"{shown(codings[0].system)} is not the code system {system.url}."], None, found=False)
    answers = [validity(system, coded, language) for coded in own]
    best = next((answer for answer in answers if answer[0]), answers[0])
    return verdict([best[1]], best[2], found=best[0])


def subsumes(held: Held, inputs: Inputs, *, instance: Resource | None, language: str) -> Resource:
    """How code A relates to code B. NotSupported where a fragment cannot tell."""
    faults: list[Fault] = []
    pair = [_coded(inputs, inputs.chosen(names), faults, system_needed=instance is None) for names in PAIR]
    raise_any(faults)
    first, second = (coded for coded in pair if coded is not None)
    system = _system(held, first, inputs, instance)
    other = _system(held, second, inputs, instance)
    if system.url != other.url:
        raise NotSupported(
            Fault("not-supported", "The two codes are of different code systems.", where=second.where,
                  rule="Subsumption is told within one code system.",
                  repair="ConceptMap/$translate relates codes of different ones.")
        )
    unknown = [system.unknown(coded.code, coded.where) for coded in (first, second) if coded.code not in system.concepts]
    if unknown:
        raise NotFound(unknown)
    return parameters(entry("outcome", valueCode=_relation(system, first.code, second.code)))


def _coded(inputs: Inputs, chosen: str, faults: list[Fault], *, system_needed: bool) -> Coded | None:
    """What was given as `chosen`: a code beside a system, or a coding, which has its own."""
    where = inputs.where(chosen)
    if not chosen.startswith("coding"):
        return Coded(inputs.one("system", ""), inputs.one(chosen), None, None, where)
    coded = coding_of(inputs.one(chosen), where, faults, system_needed=system_needed)
    if coded is not None and "system" in inputs and inputs.one("system") != coded.system:
        faults.append(Fault("value", "system and the system of the coding differ.", where=inputs.where("system"),
                            rule="A coding has its own system.", repair="Leave system out."))
    return coded


def _relation(system: System, first: str, second: str) -> str:
    if first == second:
        return "equivalent"
    if not system.complete:
        raise NotSupported(
            Fault("not-supported", f"How these codes of {system.name} relate is not held here.",
                  rule="A fragment has no hierarchy.", repair=f"Ask a terminology server that holds {system.name}.")
        )
    if first in _ancestors(system, second):
        return "subsumes"
    return "subsumed-by" if second in _ancestors(system, first) else "not-subsumed"


def _ancestors(system: System, code: str) -> set[str]:
    found: set[str] = set()
    ahead = [code]
    while ahead:
        concept = system.concepts.get(ahead.pop())
        parents = [value for name, _, value in concept.properties if name == "parent"] if concept else []
        ahead += [parent for parent in parents if parent not in found]
        found.update(parents)
    return found


def _system(held: Held, coded: Coded, inputs: Inputs, instance: Resource | None) -> System:
    """The code system a coding is looked up in; that of the instance, if the operation was called on one."""
    version = inputs.one("version") or coded.version
    if instance is None:
        return held.system(coded.system, version=version, where=coded.where)
    if coded.system and coded.system != instance["url"]:
        raise MalformedInput(
            Fault("value", "The coding is of another code system.", where=f"{coded.where}.system",
                  rule=f"The address says {instance['url']}.", repair="Call the operation on the type, or correct the system.")
        )
    return held.system(instance["url"], version=version, where=coded.where)


def spoken(language: str | None, languages: tuple[str, ...]) -> str:
    """The held language that a tag such as ``de-AT`` asks for, English if none."""
    subtags = (language or ENGLISH).lower().split("-")
    shorter = ("-".join(subtags[:end]) for end in range(len(subtags), 0, -1))
    return next((tag for tag in shorter if tag in languages), ENGLISH)
