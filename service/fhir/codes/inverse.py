"""Maps the other way round: made from ours, never written by hand, so that the two directions cannot disagree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Resource = dict[str, Any]

# How our concept relates to the code, where the map says how the code relates to our concept.
INVERSE = {
    "equal": "equal", "equivalent": "equivalent", "wider": "narrower", "narrower": "wider", "subsumes": "specializes",
    "specializes": "subsumes", "inexact": "inexact", "relatedto": "relatedto", "disjoint": "disjoint",
}
_RANK = ("equal", "equivalent", "narrower", "specializes", "wider", "subsumes", "relatedto", "inexact", "disjoint")
_NEEDS_COMMENT = ("narrower", "inexact")  # cmd-1


def inverses(concept_maps: Iterable[Resource]) -> Iterator[Resource]:
    """One map per public terminology and kind of concept, named ``snomed-to-finding`` where ours is ``finding-to-snomed``."""
    for concept_map in concept_maps:
        turned = inverse(concept_map)
        if turned is not None:
            yield turned


def inverse(concept_map: Resource) -> Resource | None:
    """The map from the targets to the sources of `concept_map`; None if it has no code that leads back.

    Best translation first. A side on which a code depends becomes a product: the code says our concept and the side.
    """
    source, _, target = concept_map["id"].partition("-to-")
    groups = [group for group in map(_group, concept_map.get("group", ())) if group is not None]
    if not groups:
        return None
    title_of_source, _, title_of_target = concept_map["title"].partition(" to ")
    turned: Resource = {
        "resourceType": "ConceptMap",
        "id": f"{target}-to-{source}",
        "url": concept_map["url"].replace(concept_map["id"], f"{target}-to-{source}"),
        "name": f"{concept_map['name']}Inverse",
        "title": f"{title_of_target} to {title_of_source[:1].lower()}{title_of_source[1:]}",
        "description": f"The inverse of {concept_map['url']}, made from it. A side that a code says as well is a product.",
    }
    for name in ("version", "status", "experimental", "date", "publisher", "contact", "jurisdiction", "copyright"):
        if name in concept_map:
            turned[name] = concept_map[name]
    for ours, theirs in (("target", "source"), ("source", "target")):
        for form in ("Canonical", "Uri"):
            if f"{ours}{form}" in concept_map:
                turned[f"{theirs}{form}"] = concept_map[f"{ours}{form}"]
    return {**turned, "group": groups}


def _group(group: Resource) -> Resource | None:
    elements: dict[str, Resource] = {}
    for element in group.get("element", ()):
        for target in element.get("target", ()):
            if target.get("equivalence") not in INVERSE or "code" not in target:
                continue
            turned = elements.setdefault(target["code"], {"code": target["code"], "display": target["display"], "target": []})
            turned["target"].append(_target(element, target))
    if not elements or "source" not in group:
        return None
    for element in elements.values():
        element["target"].sort(key=lambda target: _RANK.index(target["equivalence"]))
    turned = {"source": group["target"], "target": group["source"], "element": [elements[code] for code in sorted(elements)]}
    if "targetVersion" in group:
        turned["sourceVersion"] = group["targetVersion"]
    if "sourceVersion" in group:
        turned["targetVersion"] = group["sourceVersion"]
    return turned


def _target(element: Resource, target: Resource) -> Resource:
    equivalence = INVERSE[target["equivalence"]]
    turned: Resource = {}
    if "extension" in target:
        turned["extension"] = target["extension"]
    turned |= {"code": element["code"], "display": element.get("display", element["code"]), "equivalence": equivalence}
    if "comment" in target:
        turned["comment"] = target["comment"]
    elif equivalence in _NEEDS_COMMENT:
        turned["comment"] = "The code means more than this concept."
    if "dependsOn" in target:
        turned["product"] = target["dependsOn"]
    return turned
