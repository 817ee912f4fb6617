"""Parts of resources: summaries, and elements that a caller names.

What must not be missing stays whatever is asked for: required elements, elements that change the meaning of others, and contained
resources that what is left refers to. A part is marked as one, so that nobody writes it back as the whole.
Source: http://hl7.org/fhir/R4/search.html#summary, #elements
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

from service.fhir.elements import TABLES, structure
from service.fhir.search_results import ResultOptions

Resource = dict[str, Any]
# Names of elements; a part of a resource with a tree of its own is kept with these elements only.
Tree = Mapping[str, Any]

_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_ALWAYS = ("resourceType", "id", "meta")


def is_part(options: ResultOptions) -> bool:
    """Whether the options ask for less than whole resources."""
    return bool(options.elements) or options.summary in ("true", "text", "data")


def part_of(resource: Mapping[str, Any], options: ResultOptions) -> Resource:
    """What the options leave of a resource; it is not changed."""
    type_name = resource["resourceType"]
    if options.summary == "data":
        kept = {name: value for name, value in resource.items() if name != "text"}
    else:
        tree: dict[str, Any] = dict.fromkeys((*_ALWAYS, *_kept_anyway(type_name)), True)
        if options.summary == "text":
            tree["text"] = True
        elif options.summary == "true":
            tree |= _table().get(type_name, {}).get("summary", {})
        if options.elements:
            tree |= dict.fromkeys(_named(type_name, options.elements), True)
        kept = _cut(resource, tree)
        contained = _referred(kept, resource.get("contained", ()))
        if contained:
            kept["contained"] = contained
    meta = kept.get("meta", {})
    return {**kept, "meta": {**meta, "tag": [*meta.get("tag", ()), _SUBSETTED]}}


def _cut(value: Mapping[str, Any], tree: Tree) -> Resource:
    kept: Resource = {}
    for name, content in value.items():
        wanted = tree.get(name.removeprefix("_"))
        if wanted is True:
            kept[name] = content
        elif isinstance(wanted, Mapping):
            parts = content if isinstance(content, list) else [content]
            cut = [part for part in (_cut(part, wanted) for part in parts) if part]
            if cut:
                kept[name] = cut if isinstance(content, list) else cut[0]
    return kept


@cache
def _kept_anyway(type_name: str) -> tuple[str, ...]:
    whole = structure(type_name)
    required = [element.name for element in whole.elements.values() if element.required]
    return (*required, *_table().get(type_name, {}).get("modifiers", ("implicitRules", "modifierExtension")))


def _named(type_name: str, names: Collection[str]) -> Iterator[str]:
    for element in structure(type_name).elements.values():
        if element.name in names or (element.choice and element.choice in names):
            yield element.name


def _referred(kept: Resource, contained: Collection[Resource]) -> list[Resource]:
    """The contained resources that the rest refers to, directly or through each other."""
    by_id = {one.get("id"): one for one in contained}
    wanted: dict[str, Resource] = {}
    found = list(_local_references(kept))
    while found:
        name = found.pop()
        one = by_id.get(name)
        if one is not None and name not in wanted:
            wanted[name] = one
            found += _local_references(one)
    return [one for one in contained if one.get("id") in wanted]


def _local_references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        reference = value.get("reference")
        if isinstance(reference, str) and reference.startswith("#"):
            yield reference[1:]
        for inner in value.values():
            yield from _local_references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _local_references(inner)


@cache
def _table() -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads((TABLES / "summaries.json").read_text(encoding="utf-8"))
    return content
