"""$expand and $validate-code of ValueSet, for the value sets published here.

Source of names and rules: http://hl7.org/fhir/R4/valueset-operations.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from service.errors import Fault, NotFound, NotSupported
from service.fhir.codes.coded import asked, check_date, raise_any, validity, verdict
from service.fhir.codes.held import ENGLISH, Concept, Held, System, shown
from service.fhir.parameters import RESOURCE, Input, Inputs
from service.records import dataclass

Resource = dict[str, Any]

_NO_CONTEXT = "Value sets are named by url or id here."
_NO_INLINE = "Value sets are expanded from what is published here, not from one that is sent."
_ONE_VERSION = "One version of each code system is held."
EXPAND = (
    Input("url", "uri", required=True, type_only=True),
    Input("valueSet", RESOURCE, refused=_NO_INLINE),
    Input("valueSetVersion", "string", type_only=True),
    Input("context", "uri", refused=_NO_CONTEXT),
    Input("contextDirection", "code", refused=_NO_CONTEXT),
    Input("filter", "string"),
    Input("date", "dateTime"),
    Input("offset", "integer"),
    Input("count", "integer"),
    Input("includeDesignations", "boolean"),
    Input("designation", "string", many=True),
    Input("includeDefinition", "boolean"),
    Input("activeOnly", "boolean"),
    Input("excludeNested", "boolean"),
    Input("excludeNotForUI", "boolean"),
    Input("excludePostCoordinated", "boolean"),
    Input("displayLanguage", "code"),
    Input("exclude-system", "canonical", many=True),
    Input("system-version", "canonical", many=True, refused=_ONE_VERSION),
    Input("check-system-version", "canonical", many=True, refused=_ONE_VERSION),
    Input("force-system-version", "canonical", many=True, refused=_ONE_VERSION),
)
ANY_CODED = (("code", "coding", "codeableConcept"),)
VALIDATE_CODE = (
    Input("url", "uri", required=True, type_only=True),
    Input("context", "uri", refused=_NO_CONTEXT),
    Input("valueSet", RESOURCE, refused=_NO_INLINE),
    Input("valueSetVersion", "string", type_only=True),
    Input("code", "code", needs=("system",)),
    Input("system", "uri", needs=("code",)),
    Input("systemVersion", "string", needs=("code",)),
    Input("display", "string", needs=("code",)),
    Input("coding", "Coding"),
    Input("codeableConcept", "CodeableConcept"),
    Input("date", "dateTime"),
    Input("abstract", "boolean"),
    Input("displayLanguage", "code"),
)
_LANGUAGE_SYSTEM = "urn:ietf:bcp:47"
# Inputs that are repeated in the expansion, because they shaped it.
_ECHOED = ("filter", "includeDesignations", "designation", "includeDefinition", "activeOnly", "excludeNested",
           "excludeNotForUI", "excludePostCoordinated", "exclude-system")
_ELEMENTS = {"boolean": "valueBoolean", "string": "valueString", "canonical": "valueUri"}


@dataclass(frozen=True, slots=True)
class Member:
    """One code of a value set."""

    system: System
    concept: Concept
    display: str | None = None  # the value set's own wording, where it differs from the code system's


def members(held: Held, value_set: Resource) -> tuple[Member, ...]:
    """Every code of a value set, in its order, each once. NotSupported for what this service cannot compute."""
    compose = value_set.get("compose", {})
    excluded = {(member.system.url, member.concept.code) for part in compose.get("exclude", ()) for member in _part(held, part)}
    found: dict[tuple[str, str], Member] = {}
    for part in compose.get("include", ()):
        for member in _part(held, part):
            key = (member.system.url, member.concept.code)
            if key not in excluded:
                found.setdefault(key, member)
    return tuple(found.values())


def _part(held: Held, part: Resource) -> Iterator[Member]:
    if "filter" in part:
        raise NotSupported(Fault("not-supported", "This value set selects codes by a filter.",
                                 rule="Filters are not computed here.", repair="Expand it on a terminology server."))
    allowed: set[tuple[str, str]] | None = None
    listed: list[Member] = []
    for canonical in part.get("valueSet", ()):
        inner = members(held, held.resource("ValueSet", canonical))
        keys = {(member.system.url, member.concept.code) for member in inner}
        allowed = keys if allowed is None else allowed & keys
        listed = listed or list(inner)
    if "system" not in part:
        yield from (member for member in listed if allowed is not None and (member.system.url, member.concept.code) in allowed)
        return
    system = held.system(part["system"], version=part.get("version"))
    if "concept" not in part and not system.complete:
        raise NotSupported(Fault("not-supported", f"This value set holds all of {system.name}.",
                                 rule="A fragment cannot list a whole code system.", repair="Expand it on a terminology server."))
    for entry in part.get("concept") or ({"code": code} for code in system.concepts):
        # A value set may name codes of a public system that no map leads to: its own word for them is all there is.
        concept = system.concepts.get(entry["code"]) or Concept(entry["code"], entry.get("display", entry["code"]))
        if allowed is None or (system.url, concept.code) in allowed:
            yield Member(system, concept, entry.get("display"))


def expand(
    held: Held, inputs: Inputs, *, instance: Resource | None, language: str, now: str, identifier: str
) -> Resource:
    """The value set with its expansion. `now` is a FHIR dateTime, `identifier` a fresh uri."""
    faults = [
        Fault("value", f"{name} is negative.", where=inputs.where(name), rule=f"{name} is a whole number from 0 on.",
              repair="Write 0 or more.")
        for name in ("offset", "count") if inputs.one(name, 0) < 0
    ]
    raise_any(faults)
    value_set = _value_set(held, inputs, instance)
    check_date(inputs, value_set.get("date", ""), value_set["url"])
    excluded = {canonical.partition("|")[0] for canonical in inputs.many("exclude-system")}
    words = inputs.one("filter", "").casefold().split()
    found = [
        member for member in members(held, value_set)
        if member.system.url not in excluded and _matches(member, words, language)
    ]
    offset, count = inputs.one("offset", 0), inputs.one("count")
    page = found[offset:] if count is None else found[offset : offset + count]
    expansion: Resource = {
        "identifier": identifier,
        "timestamp": now,
        "total": len(found),
        **({"offset": offset} if offset or count is not None else {}),
        "parameter": list(_echo(inputs, found, language)),
        "contains": [_contained(member, inputs, language) for member in page],
    }
    kept = {name: value for name, value in value_set.items() if inputs.one("includeDefinition") or name != "compose"}
    return {**kept, "expansion": {name: value for name, value in expansion.items() if value != []}}


def _matches(member: Member, words: Iterable[str], language: str) -> bool:
    """Whether every word of the filter occurs in the code or in one of the wordings."""
    texts = [member.concept.code, member.concept.display, member.display or "", member.system.display(member.concept, language)]
    heap = "\n".join(texts).casefold()
    return all(word in heap for word in words)


def _contained(member: Member, inputs: Inputs, language: str) -> Resource:
    # In English the value set's own wording goes first, in another language that language.
    worded = None if language == ENGLISH else member.system.worded(member.concept, language)
    shown_as = worded or member.display or member.concept.display
    contained: Resource = {"system": member.system.url, "code": member.concept.code, "display": shown_as}
    wanted = set(inputs.many("designation"))
    if inputs.one("includeDesignations") or wanted:
        designations = [
            {"language": tag, "value": text} for tag, text in member.system.designations(member.concept)
            if not wanted or wanted & {tag, f"{_LANGUAGE_SYSTEM}|{tag}"}
        ]
        if designations:
            contained["designation"] = designations
    return contained


def _echo(inputs: Inputs, found: Iterable[Member], language: str) -> Iterator[Resource]:
    """What shaped the expansion: the inputs, the language used, and the version of every code system in it."""
    kinds = {one.name: one.kind for one in EXPAND}
    yield {"name": "displayLanguage", "valueCode": language}
    for name in ("offset", "count"):
        if name in inputs:
            yield {"name": name, "valueInteger": inputs.one(name)}
    for name in _ECHOED:
        for value in inputs.many(name):
            yield {"name": name, _ELEMENTS[kinds[name]]: value}
    for system in {member.system.url: member.system for member in found}.values():
        yield {"name": "version", "valueUri": f"{system.url}|{system.version}" if system.version else system.url}
        if not system.complete:
            yield {"name": "fragment", "valueUri": system.url}


def validate_code(held: Held, inputs: Inputs, *, instance: Resource | None, language: str) -> Resource:
    """Whether a code is one of the value set, and its display right."""
    faults: list[Fault] = []
    codings = asked(inputs, inputs.chosen(ANY_CODED[0]), faults, system_needed=True)
    raise_any(faults)
    value_set = _value_set(held, inputs, instance)
    check_date(inputs, value_set.get("date", ""), value_set["url"])
    inside = {(member.system.url, member.concept.code): member for member in members(held, value_set)}
    messages = []
    display: str | None = None
    for coded in codings:
        member = inside.get((coded.system, coded.code))
        if member is None:
            messages.append(f"{shown(coded.code)} of {shown(coded.system)} is not in the value set {value_set['url']}.")
            continue
        held.system(coded.system, version=coded.version, where=coded.where)
        if coded.code not in member.system.concepts:  # listed by the value set, and by nothing else that is held
            return verdict([], member.concept.display, found=True)
        fine, message, display = validity(member.system, coded, language)
        if fine:
            return verdict([message], display, found=True)
        messages.append(message)
    return verdict(messages, display, found=False)


def _value_set(held: Held, inputs: Inputs, instance: Resource | None) -> Resource:
    if instance is not None:
        return instance
    return held.resource("ValueSet", inputs.one("url"), version=inputs.one("valueSetVersion"), where=inputs.where("url"))


def codes_of(held: Held, url: str) -> frozenset[tuple[str, str]] | None:
    """(system, code) of every code of a value set held here; None if it is not held or cannot be computed."""
    try:
        return frozenset((member.system.url, member.concept.code) for member in members(held, held.resource("ValueSet", url)))
    except (NotFound, NotSupported):
        return None
