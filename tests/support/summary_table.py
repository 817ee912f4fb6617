"""Writes `service/fhir/r4_tables/summaries.json` from the StructureDefinitions of R4.

    python -m tests.support.summary_table PROFILES-RESOURCES.json

For each type that this server holds: the elements that are part of its summary, as a tree where a part of a resource is in it
with some of its elements only, and the elements that modify the meaning of others.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from service.fhir.elements import TABLES, structure
from tests.support.search_parameter_table import TYPES


def main(source: str) -> None:
    bundle = json.loads(Path(source).read_text(encoding="utf-8"))
    definitions = {
        entry["resource"]["id"]: entry["resource"]["snapshot"]["element"]
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "StructureDefinition"
    }
    table = {type_name: _of_type(type_name, definitions[type_name]) for type_name in TYPES}
    lines = (f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in table.items())
    (TABLES / "summaries.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _of_type(type_name: str, elements: list[dict[str, Any]]) -> dict[str, Any]:
    known = structure(type_name).elements
    top = [element for element in elements if element["path"].count(".") == 1]
    modifiers = [name for element in top if element.get("isModifier") for name in _names(type_name, element["path"])]
    return {
        "summary": _tree(type_name, elements),
        "modifiers": [name for name in modifiers if name in known],
    }


def _tree(path: str, elements: list[dict[str, Any]]) -> dict[str, Any]:
    depth = path.count(".") + 1
    tree: dict[str, Any] = {}
    for element in elements:
        own = element["path"]
        if not own.startswith(path + ".") or own.count(".") != depth or not (element.get("isSummary") or element["min"]):
            continue
        inner = [other for other in elements if other["path"].startswith(own + ".")]
        below = _tree(own, elements) if inner else {}
        for name in _names(path, own):
            tree[name] = below or True
    return tree


def _names(path: str, own: str) -> list[str]:
    """The element as it stands in JSON; a choice of types as each of its names."""
    name = own.rsplit(".", 1)[1]
    if not name.endswith("[x]"):
        return [name]
    stem = name.removesuffix("[x]")
    parent = "".join(part[0].upper() + part[1:] for part in path.split("."))
    return [element.name for element in structure(parent).elements.values() if element.choice == stem]


if __name__ == "__main__":
    main(sys.argv[1])
