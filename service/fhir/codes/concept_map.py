"""$translate of ConceptMap, both ways, on the maps published here.

Source of names and rules: http://hl7.org/fhir/R4/conceptmap-operation-translate.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from service.errors import Fault, NotFound
from service.fhir.codes.coded import Coded, coding_of, codings_of, raise_any
from service.fhir.codes.held import Held, shown
from service.fhir.codes.inverse import INVERSE
from service.fhir.parameters import PARTS, RESOURCE, Input, Inputs, entry, group, parameters
from service.records import dataclass

Resource = dict[str, Any]
SideOf = Callable[[Resource], str | None]  # the side a CodeableConcept states

ANY_CODED = (("code", "coding", "codeableConcept"),)
TRANSLATE = (
    Input("url", "uri", type_only=True),
    Input("conceptMap", RESOURCE, refused="Codes are translated by maps published here, not by one that is sent."),
    Input("conceptMapVersion", "string", type_only=True),
    Input("code", "code", needs=("system",)),
    Input("system", "uri", needs=("code",)),
    Input("version", "string", needs=("code",)),
    Input("source", "uri"),
    Input("coding", "Coding"),
    Input("codeableConcept", "CodeableConcept"),
    Input("target", "uri"),
    Input("targetsystem", "uri"),
    Input("dependency", PARTS, many=True),
    Input("reverse", "boolean"),
)
_NOTHING = ("unmatched", "disjoint")  # equivalences that say there is no translation
_SIDE = "/property/side"


@dataclass(frozen=True, slots=True)
class Match:
    """One translation: how it relates to the code asked about, what it is, what else the code says, and from which map."""

    equivalence: str
    system: str
    target: Resource
    source: str
    depends: tuple[Resource, ...] = ()
    products: tuple[Resource, ...] = ()


def translate(
    held: Held, inputs: Inputs, *, instance: Resource | None, language: str, side_of: SideOf
) -> Resource:
    """Every translation of a code. NotFound if no map of the kind asked for leads from its system."""
    chosen = inputs.chosen(ANY_CODED[0])
    faults: list[Fault] = []
    codings: list[Coded | None]
    if chosen == "codeableConcept":
        codings = [*codings_of(inputs.one(chosen), inputs.where(chosen), faults)]
    elif chosen == "coding":
        codings = [coding_of(inputs.one(chosen), inputs.where(chosen), faults)]
    else:
        codings = [Coded(inputs.one("system"), inputs.one("code"), None, inputs.one("version"), inputs.where("code"))]
    side = _side(inputs, faults, side_of)
    raise_any(faults)
    reverse = bool(inputs.one("reverse"))
    maps = _maps(held, inputs, instance, reverse=reverse)
    asked = [coded for coded in codings if coded is not None]
    known = [coded for coded in asked if any(_groups(maps, coded.system, inputs, reverse=reverse))]
    if not known:
        raise NotFound(_no_map(held, asked[0], inputs))
    for coded in known:
        held.system(coded.system, version=coded.version, where=coded.where)
    matches = [match for coded in known for match in _matches(maps, coded, inputs, reverse=reverse)]
    fitting = [match for match in matches if _holds(match, side)]
    found = [match for match in fitting if match.equivalence not in _NOTHING]
    return parameters(
        entry("result", valueBoolean=bool(found)),
        entry("message", valueString=_message(known, matches, fitting, found, side)),
        *(_written(match) for match in fitting),
    )


def _maps(held: Held, inputs: Inputs, instance: Resource | None, *, reverse: bool) -> list[Resource]:
    """The maps to use: the one named, or all between the value sets named."""
    if instance is not None:
        maps = [instance]
    elif "url" in inputs:
        version = inputs.one("conceptMapVersion")
        maps = [held.resource("ConceptMap", inputs.one("url"), version=version, where=inputs.where("url"))]
    else:
        maps = list(held.published("ConceptMap"))
    for name, scope in (("source", "target" if reverse else "source"), ("target", "source" if reverse else "target")):
        if name in inputs:
            maps = [one for one in maps if inputs.one(name) in (one.get(f"{scope}Canonical"), one.get(f"{scope}Uri"))]
            if not maps:
                raise NotFound(Fault("not-found", f"No map here has that {name}.", where=inputs.where(name),
                                     rule=f"{name} is the address of a value set that a map names.",
                                     repair=f"Leave {name} out, or ask for a code system with targetsystem."))
    return maps


def _groups(maps: list[Resource], system: str, inputs: Inputs, *, reverse: bool) -> Iterator[tuple[Resource, Resource]]:
    """(map, group) of every group that leads from the system, to the system asked for."""
    start, end = ("target", "source") if reverse else ("source", "target")
    for concept_map in maps:
        for one in concept_map.get("group", ()):
            if one.get(start) == system and inputs.one("targetsystem", one.get(end)) == one.get(end):
                yield concept_map, one


def _matches(maps: list[Resource], coded: Coded, inputs: Inputs, *, reverse: bool) -> Iterator[Match]:
    for concept_map, one in _groups(maps, coded.system, inputs, reverse=reverse):
        for element in one.get("element", ()):
            for target in element.get("target", ()):
                if reverse and target.get("code") == coded.code:
                    yield Match(INVERSE[target["equivalence"]], one["source"], element, concept_map["url"],
                                tuple(target.get("product", ())), tuple(target.get("dependsOn", ())))
                elif not reverse and element["code"] == coded.code:
                    yield Match(target["equivalence"], one["target"], target, concept_map["url"],
                                tuple(target.get("dependsOn", ())), tuple(target.get("product", ())))


def _side(inputs: Inputs, faults: list[Fault], side_of: SideOf) -> str | None:
    """The side among the dependencies; other dependencies change nothing here, as R4 allows."""
    found: str | None = None
    for given in inputs.given("dependency"):
        parts = {part.name: part for part in given.parts}
        if "element" not in parts or "concept" not in parts:
            faults.append(Fault("required", "A dependency lacks element or concept.", where=given.where,
                                rule="A dependency names an element and gives its concept.", repair="Add both parts."))
            continue
        if not str(parts["element"].value).endswith(_SIDE):
            continue
        concept = parts["concept"].value if isinstance(parts["concept"].value, dict) else {}
        words = {concept.get("text"), *(coding.get("code") for coding in concept.get("coding", ()))}
        stated = side_of(concept) or next((word for word in ("left", "right", "bilateral", "unspecified") if word in words), None)
        if stated is None:
            faults.append(Fault("code-invalid", "The dependency states no side.", where=given.where,
                                rule="A side is left, right, bilateral or unspecified.",
                                repair="Write one of them as code, or a laterality qualifier."))
        found = stated
    return found


def _holds(match: Match, side: str | None) -> bool:
    """Whether a translation holds for the side; without one, what needs a side does not."""
    needed = [dependency["value"] for dependency in match.depends if dependency["property"].endswith(_SIDE)]
    return all(value == (side or "unspecified") for value in needed)


def _message(
    known: list[Coded], matches: list[Match], fitting: list[Match], found: list[Match], side: str | None
) -> str | None:
    told = []
    if not matches:
        told.append(f"{shown(known[0].code)} has no translation here.")
    elif not found:
        remarks = dict.fromkeys(match.target["comment"] for match in fitting if match.target.get("comment"))
        told += list(remarks) or ["There is no translation that holds for this side." if side else "There is no translation."]
    more = len(matches) - len(fitting)
    if more and side is None:
        told.append(f"{more} more hold for one side only: state it as dependency, element .../property/side, concept left, right "
                    "or bilateral.")
    return " ".join(told) or None


def _written(match: Match) -> Resource:
    concept = {"system": match.system, "code": match.target.get("code"), "display": match.target.get("display")}
    coding = {name: value for name, value in concept.items() if value is not None}
    return group(
        "match",
        entry("equivalence", valueCode=match.equivalence),
        entry("concept", valueCoding=coding) if "code" in match.target else None,
        *(_product(product) for product in match.products),
        entry("source", valueUri=match.source),
    )


def _product(product: Resource) -> Resource:
    coding = {"system": product.get("system"), "code": product["value"], "display": product.get("display")}
    return group(
        "product",
        entry("element", valueUri=product["property"]),
        entry("concept", valueCoding={name: value for name, value in coding.items() if value is not None}),
    )


def _no_map(held: Held, coded: Coded, inputs: Inputs) -> Fault:
    if coded.system not in held.systems:
        return held.not_held(coded.system, coded.where)
    if "targetsystem" in inputs and inputs.one("targetsystem") not in held.systems:
        return held.not_held(inputs.one("targetsystem"), inputs.where("targetsystem"))
    return Fault("not-found", f"No map here leads from {shown(coded.system)} to what was asked for.", where=coded.where,
                 rule="Only the maps published here are used.",
                 repair="GET ConceptMap lists them; reverse=true reads them backwards.")
