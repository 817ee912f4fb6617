"""Writes `service/fhir/r4_tables/search_parameters.json` from the search parameters that HL7 publishes.

    python -m tests.support.search_parameter_table SEARCH-PARAMETERS.json

The argument is the Bundle of R4's SearchParameters, as `service/fhir/r4_tables/README.md` says where to find it. What is taken:
code, type, address, the alternatives of the expression that belong to the type, targets, components; no prose.
The types of the elements an expression ends at are worked out here, once, from the structures in the tables beside it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.fhir.elements import TABLES, resource_types, structure

TYPES = (
    "AuditEvent", "CapabilityStatement", "CarePlan", "CodeSystem", "ConceptMap", "Condition", "Device", "DiagnosticReport",
    "DocumentReference", "Encounter", "ImplementationGuide", "Observation", "OperationDefinition", "Organization", "Patient",
    "Practitioner", "PractitionerRole", "Procedure", "Provenance", "Questionnaire", "QuestionnaireResponse", "RiskAssessment",
    "SearchParameter", "ServiceRequest", "StructureDefinition", "Subscription", "ValueSet",
)
# The parameters of every type that this server does not have: no full text, no stored queries.
LEFT_OUT = ("_text", "_content", "_query", "phonetic")
# In the published definition the two expressions stand with each other's parameter: a reference is read from a code.
EXCHANGED = ("DocumentReference", "relationship")
_AS = re.compile(r"^\((\S+) as (\w+)\)(?:\.(\w+))?$")
_UNION = re.compile(r"\s\|\s")


def main(source: str) -> None:
    bundle = json.loads(Path(source).read_text(encoding="utf-8"))
    published = [entry["resource"] for entry in bundle["entry"]]
    by_url = {parameter["url"]: parameter for parameter in published}
    table = {
        base: dict(sorted(_of_type(base, published, by_url))) for base in ("Resource", *TYPES)
    }
    (TABLES / "search_parameters.json").write_text(_text(table), encoding="utf-8")


def _of_type(
    base: str, published: list[dict[str, Any]], by_url: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for parameter in published:
        if base not in parameter["base"] or parameter["code"] in LEFT_OUT or "expression" not in parameter:
            continue
        parts = [part.strip() for part in _UNION.split(parameter["expression"])]
        own = [part for part in parts if re.match(rf"\(*{base}\b", part)]
        row: dict[str, Any] = {
            "type": parameter["type"],
            "url": parameter["url"],
            "expression": " | ".join(own),
        }
        if parameter["type"] == "composite":
            row["components"] = [
                {"code": by_url[part["definition"]]["code"], "type": by_url[part["definition"]]["type"],
                 "expression": part["expression"]}
                for part in parameter["component"]
            ]
            if (base, parameter["code"]) == EXCHANGED:
                first, second = row["components"]
                first["expression"], second["expression"] = second["expression"], first["expression"]
        else:
            elements = [element for part in own for element in _elements(part)]
            row["elements"] = sorted({kind for kind, _ in elements})
            # Alternatives that are casts of one element are one value, not several.
            bare = {re.sub(r"^\(|\.as\(\w+\)$| as \w+\)$", "", part) for part in own}
            row["many"] = len(bare) > 1 or _repeats(own[0])
            systems = sorted({system for _, found in elements for system in found})
            if systems and parameter["type"] == "token":
                row["systems"] = systems
        narrowed = re.findall(r"resolve\(\) is (\w+)", row["expression"])
        if narrowed:
            row["targets"] = sorted(set(narrowed))
        elif parameter.get("target"):
            targets = sorted(parameter["target"])
            row["targets"] = ["*"] if set(targets) >= resource_types() - {"Parameters"} or len(targets) > 100 else targets
        yield parameter["code"], row


def _elements(part: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The type of each element that one alternative ends at, with the code systems of its required binding."""
    wanted = ""
    cast = _AS.match(part)
    if cast:
        part, wanted = cast[1] + (f".{cast[3]}" if cast[3] else ""), "" if cast[3] else cast[2]
        if cast[3]:
            yield "string", ()
            return
    method = re.search(r"\.as\((\w+)\)$", part)
    if method:
        part, wanted = part[: method.start()], method[1]
    if " and " in part:
        yield "boolean", ()
        return
    part = re.sub(r"\.where\((?:[^()]|\(\))*\)", "", part)
    base, *names = part.split(".")
    places = [base]
    found: list[Any] = []
    for depth, name in enumerate(names):
        found = [
            element
            for place in places
            for element in structure(place).elements.values()
            if element.name == name or element.choice == name
        ]
        assert found, (part, name)
        if depth + 1 < len(names):
            places = [element.type for element in found]
    for element in found:
        if not wanted or element.type.lower() == wanted.lower():
            yield element.type, tuple(element.binding.systems) if element.binding and element.type == "code" else ()


def _repeats(part: str) -> bool:
    """Whether the path can lead to several values."""
    part = re.sub(r"\.where\(.*\)|\.as\(\w+\)|^\(| as \w+\)| and .*|\.exists\(\)", "", part)
    base, *names = part.split(".")
    places = [base]
    for name in names:
        found = [e for place in places for e in structure(place).elements.values() if name in (e.name, e.choice)]
        if any(element.many for element in found):
            return True
        places = [element.type for element in found if not element.primitive]
    return False


def _text(table: dict[str, Any]) -> str:
    """One line per parameter, so that a change is one line too."""
    types = []
    for base, rows in table.items():
        lines = ",\n".join(f"    {json.dumps(code)}: {json.dumps(row, ensure_ascii=False)}" for code, row in rows.items())
        types.append(f"  {json.dumps(base)}: {{\n{lines}\n  }}")
    return "{\n" + ",\n".join(types) + "\n}\n"


if __name__ == "__main__":
    main(sys.argv[1])
