"""Random resources: any element of a type may be there, with few different values, so that searches find some and not all.

They are shaped like R4 but need not be valid: what is compared is how two programs read the same JSON.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from service.fhir.elements import Element, structure

Resource = dict[str, Any]

TEXTS = ("Anna", "ANNA", "anna-lena", "Émile", "emil", "Müller", "O'Neil", "a, b", "50%", "x_y", "Straße", "strasse 5")
CODES = ("final", "FINAL", "active", "a|b", "a,b", "72514-3", "x")
SYSTEMS = ("http://loinc.org", "http://snomed.info/sct", "urn:oid:1.2.3")
DATES = ("2025", "2026-01", "2026-01-31", "2026-02-28", "2024-02-29")
TIMES = (
    "2026-01-31T23:30:00Z", "2026-01-31T23:30:00+02:00", "2026-02-01T00:15:30.250+01:00", "2026-01-31T12:00:00-05:00",
)  # fmt: skip
PERIOD = ("2024", "2025-06", "2026-01-15", "2026-01-31T23:30:00Z", "2026-02", "2026-03-01T10:00:00+02:00", "2027")  # rising
REFERENCES = (
    "Patient/1", "Patient/2", "Patient/1/_history/2", "Group/1", "Practitioner/1", "Observation/1", "Condition/1", "Encounter/1",
    "http://other.example/fhir/Patient/1", "urn:uuid:7f2c9e1a-5a0e-4d8b-9f55-2d1b6a1c0001", "#inner",
)  # fmt: skip
CANONICALS = ("http://example.org/Questionnaire/q", "http://example.org/Questionnaire/q|1.0", "http://example.org/q2|2")
NUMBERS = ("0", "1", "4.5", "5", "5.40", "12.25", "50", "99.5", "100", "-3")

_DEEPEST = 4


def random_resource(type_name: str, resource_id: str, rng: random.Random, *, share: float = 0.5) -> Resource:
    """A resource of that type; each element is there with the probability `share`, less the deeper it lies."""
    body = _structure(type_name, rng, share, 0)
    return {
        "resourceType": type_name,
        **body,
        "id": resource_id,
        "meta": {
            **body.get("meta", {}),
            "versionId": "1",
            "lastUpdated": f"2026-01-{rng.randint(1, 28):02d}T10:00:00.000Z",
        },
    }


def _structure(name: str, rng: random.Random, share: float, depth: int) -> Resource:
    made: Resource = {}
    whole = structure(name)
    chosen = {stem: rng.choice(elements).name for stem, elements in sorted(whole.choices.items())}
    for element in whole.elements.values():
        if element.name in ("extension", "modifierExtension", "contained", "implicitRules", "id"):
            continue
        if element.name in ("text", "language") and not depth:
            continue
        if element.choice and element.name != chosen[element.choice]:
            continue
        if rng.random() > share / (1 + depth / 2) or (depth >= _DEEPEST and not element.primitive):
            continue
        value = [_value(element, rng, share, depth) for _ in range(rng.choice((1, 1, 2)))] if element.many else _value(
            element, rng, share, depth
        )
        if value not in ({}, [{}], [{}, {}]):
            made[element.name] = value
    return made


def _value(element: Element, rng: random.Random, share: float, depth: int) -> Any:
    match element.type:
        case "boolean":
            return rng.random() < 0.5
        case "integer" | "positiveInt" | "unsignedInt":
            return rng.randint(1, 5)
        case "decimal":
            return Decimal(rng.choice(NUMBERS))
        case "date":
            return rng.choice(DATES)
        case "dateTime":
            return rng.choice(DATES + TIMES)
        case "instant":
            return rng.choice(TIMES)
        case "code" | "id":
            return rng.choice(("email", "phone")) if element.name == "system" and rng.random() < 0.5 else rng.choice(CODES)
        case "uri" | "url" | "oid" | "uuid":
            return rng.choice(SYSTEMS)
        case "canonical":
            return rng.choice(CANONICALS)
        case "string" | "markdown" | "xhtml" | "base64Binary" | "time":
            return rng.choice(TEXTS)
        case "Reference":
            return _reference(rng)
        case "Period":
            start, end = sorted(rng.sample(range(len(PERIOD)), 2))
            return {name: PERIOD[place] for name, place in (("start", start), ("end", end)) if rng.random() < 0.7}
        case "CodeableConcept":
            coding = [_coding(rng) for _ in range(rng.choice((0, 1, 1, 2)))]
            return {**({"coding": coding} if coding else {}), "text": rng.choice(TEXTS)}
        case "Coding":
            return _coding(rng)
        case "Identifier":
            return {name: value for name, value in _coded(rng, "value") if rng.random() < 0.9}
        case "Quantity" | "Age" | "Duration" | "Money" | "Distance" | "Count":
            return _quantity(rng)
        case "Range":
            ends = sorted((_quantity(rng, comparator=False) for _ in range(2)), key=lambda quantity: quantity["value"])
            return {name: end for name, end in zip(("low", "high"), ends, strict=True) if rng.random() < 0.8}
        case "SampledData":
            data = " ".join(rng.choice((*NUMBERS, "E", "L")) for _ in range(3))
            return {"origin": _quantity(rng, comparator=False), "factor": Decimal(rng.choice(("1", "0.5"))), "data": data}
        case kind:
            return _structure(kind, rng, share, depth + 1)


def _reference(rng: random.Random) -> Resource:
    if rng.random() < 0.2:
        return {"identifier": {"system": rng.choice(SYSTEMS), "value": rng.choice(CODES)}, "display": rng.choice(TEXTS)}
    return {"reference": rng.choice(REFERENCES)}


def _coding(rng: random.Random) -> Resource:
    return {name: value for name, value in _coded(rng, "code") if rng.random() < 0.9}


def _coded(rng: random.Random, name: str) -> tuple[tuple[str, str], ...]:
    return ("system", rng.choice(SYSTEMS)), (name, rng.choice(CODES))


def _quantity(rng: random.Random, *, comparator: bool = True) -> Resource:
    made: Resource = {"value": Decimal(rng.choice(NUMBERS))}
    if rng.random() < 0.7:
        made |= {"unit": rng.choice(("degree", "mm")), "system": "http://unitsofmeasure.org", "code": rng.choice(("deg", "mm"))}
    if comparator and rng.random() < 0.2:
        made["comparator"] = rng.choice(("<", "<=", ">", ">="))
    return made
