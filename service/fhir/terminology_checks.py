"""What can be wrong inside the terminology files, each rule a small function that yields faults.

Rules look at the files as loaded, before any index is built. Check digits, billable leaves and the agreement with the
tables need other data and are tested, not checked at the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from service.errors import Fault

Resource = dict[str, Any]
Resources = Mapping[tuple[str, str], Resource]  # (type, id) -> resource

EQUIVALENCES = frozenset(
    ("relatedto", "equivalent", "equal", "wider", "subsumes", "narrower", "specializes", "inexact", "unmatched", "disjoint")
)
NEEDED = ("finding", "condition", "answer")
VERIFICATIONS = frozenset(("yes", "single-source", "no-code"))
SIDES = frozenset(("left", "right", "bilateral", "unspecified"))


def faults_of(resources: Resources, base_url: str) -> list[Fault]:
    """Every defect, in the order of the files."""
    faults: list[Fault] = []
    for needed in NEEDED:
        if ("CodeSystem", needed) not in resources:
            faults.append(Fault("required", f"the code system {needed} is missing", "codesystems"))
    own = {resource.get("url"): _codes(resource) for (kind, _), resource in resources.items() if kind == "CodeSystem"}
    for (kind, identifier), resource in resources.items():
        where = f"{kind}/{identifier}"
        if resource.get("url") != f"{base_url}/{where}":
            faults.append(Fault("value", f"the url must be {base_url}/{where}", f"{where}.url"))
        if not resource.get("version"):
            faults.append(Fault("required", "a version is needed", f"{where}.version"))
        rule = {"CodeSystem": _code_system, "ValueSet": _value_set, "ConceptMap": _concept_map}[kind]
        faults.extend(rule(resource, where, own, base_url))
    return faults


def _codes(code_system: Resource) -> frozenset[str]:
    return frozenset(concept.get("code", "") for concept in code_system.get("concept", ()))


def _code_system(resource: Resource, where: str, own: Mapping[Any, frozenset[str]], base_url: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, concept in enumerate(resource.get("concept", ())):
        place = f"{where}.concept[{index}]"
        code = concept.get("code")
        if not code or not concept.get("display"):
            yield Fault("required", "a concept needs a code and a display", place)
        elif code in seen:
            yield Fault("value", f"the code {code} is defined twice", f"{place}.code")
        seen.add(code)
    if resource.get("content") != "complete":
        yield Fault("value", "a code system of this service lists all its codes", f"{where}.content")
    if "count" in resource and resource["count"] != len(resource.get("concept", ())):
        yield Fault("value", "the count is not the number of concepts", f"{where}.count")


def _value_set(resource: Resource, where: str, own: Mapping[Any, frozenset[str]], base_url: str) -> Iterator[Fault]:
    for index, include in enumerate(resource.get("compose", {}).get("include", ())):
        place = f"{where}.compose.include[{index}]"
        codes = own.get(include.get("system"))
        if codes is None:
            yield Fault("not-found", f"{include.get('system')} is not a code system of this service", f"{place}.system")
            continue
        for concept in include.get("concept", ()):
            if concept.get("code") not in codes:
                yield Fault("code-invalid", f"{concept.get('code')} is not a code of {include['system']}", place)


def _concept_map(resource: Resource, where: str, own: Mapping[Any, frozenset[str]], base_url: str) -> Iterator[Fault]:
    for g, group in enumerate(resource.get("group", ())):
        source = group.get("source")
        if source not in own:
            yield Fault("not-found", f"{source} is not a code system of this service", f"{where}.group[{g}].source")
        if not group.get("target"):
            yield Fault("required", "a group needs the system of its targets", f"{where}.group[{g}].target")
        seen: set[str] = set()
        for e, element in enumerate(group.get("element", ())):
            place = f"{where}.group[{g}].element[{e}]"
            code = element.get("code", "")
            if not code or not element.get("target"):
                yield Fault("required", "an element needs a code and a target", place)
            if source in own and code not in own[source]:
                yield Fault("code-invalid", f"{code} is not a code of {source}", f"{place}.code")
            if code in seen:
                yield Fault("value", f"{code} is mapped in two places", f"{place}.code")
            seen.add(code)
            yield from _targets(element.get("target", ()), place)


def _targets(targets: Any, place: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for t, target in enumerate(targets):
        where = f"{place}.target[{t}]"
        equivalence = target.get("equivalence")
        if equivalence not in EQUIVALENCES:
            yield Fault("code-invalid", f"{equivalence} is not an equivalence of R4", f"{where}.equivalence")
        if (equivalence == "unmatched") == ("code" in target):
            yield Fault("invariant", "a target has a code unless it is unmatched", where)
        elif "code" in target and not target.get("display"):
            yield Fault("required", "a target needs a display", f"{where}.display")
        verified = [one.get("valueCode") for one in target.get("extension", ()) if one.get("url", "").endswith("/verification")]
        if len(verified) != 1:
            yield Fault("required", "a target says once how far it is verified", f"{where}.extension")
        elif (verified == ["no-code"]) != (equivalence == "unmatched") or verified[0] not in VERIFICATIONS:
            yield Fault("code-invalid", f"{verified[0]} is not a verification of an {equivalence} target", f"{where}.extension")
        if target.get("code") in seen:
            yield Fault("value", f"{target['code']} is a target twice", f"{where}.code")
        seen.add(target.get("code", ""))
        for dependency in target.get("dependsOn", ()):
            if dependency.get("property", "").endswith("/side") and dependency.get("value") not in SIDES:
                yield Fault("code-invalid", f"{dependency.get('value')} is not a side", f"{where}.dependsOn")
