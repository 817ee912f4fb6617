"""The operations on definitions that ours do not happen to hold: hierarchies, exclusions, sets of sets, filters, dates."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.errors import NotFound, NotSupported, ServiceError
from service.fhir.codes.held import Held
from service.fhir.codes.inverse import INVERSE, inverse
from service.fhir.codes.operations import TerminologyOperations
from service.fhir.terminology import load_terminology

Resource = dict[str, Any]

ROOT = Path(__file__).parents[3]
BASE = "https://test.example/fhir"
ANIMALS = f"{BASE}/CodeSystem/animal"

CODE_SYSTEM: Resource = {
    "resourceType": "CodeSystem", "id": "animal", "url": ANIMALS, "version": "2", "date": "2026-03-05", "name": "Animal",
    "status": "active", "content": "complete",
    "concept": [
        {"code": "mammal", "display": "Mammal", "concept": [
            {"code": "cat", "display": "Cat", "definition": "It purrs.", "concept": [{"code": "tabby", "display": "Tabby cat"}]},
            {"code": "dog", "display": "Dog"}]},
        {"code": "bird", "display": "Bird"},
    ],
}


def value_set(identifier: str, **compose: Any) -> Resource:
    return {"resourceType": "ValueSet", "id": identifier, "url": f"{BASE}/ValueSet/{identifier}", "status": "active",
            "date": "2026-03-05", "compose": compose}


VALUE_SETS = (
    value_set("all", include=[{"system": ANIMALS}]),
    value_set("pets", include=[{"system": ANIMALS, "concept": [{"code": "dog", "display": "Good dog"}, {"code": "cat"}]}]),
    value_set("wild", include=[{"system": ANIMALS}], exclude=[{"valueSet": [f"{BASE}/ValueSet/pets"]}]),
    value_set("purring", include=[{"system": ANIMALS, "valueSet": [f"{BASE}/ValueSet/pets", f"{BASE}/ValueSet/quiet"]}]),
    value_set("quiet", include=[{"system": ANIMALS, "concept": [{"code": "cat"}, {"code": "bird"}]}]),
    value_set("filtered", include=[{"system": ANIMALS, "filter": [{"property": "concept", "op": "is-a", "value": "mammal"}]}]),
    value_set("snomed", include=[{"system": "http://snomed.info/sct"}]),
)


@pytest.fixture(scope="module")
def operations() -> TerminologyOperations:
    terminology = load_terminology(ROOT / "terminology", BASE)
    maps = terminology.resources("ConceptMap")
    published = {"CodeSystem": (CODE_SYSTEM,), "ValueSet": VALUE_SETS, "ConceptMap": maps}
    held = Held(terminology, {"de": lambda: {("animal", "cat"): "Katze"}}, lambda kind: published[kind])
    return TerminologyOperations(
        held, side_of=terminology.side_of, now=lambda: datetime(2026, 4, 1, tzinfo=UTC), new_id=lambda: "0"
    )


def run(operations: TerminologyOperations, place: str, **query: str) -> Resource:
    type_name, _, name = place.rpartition("/")
    type_name, _, identifier = type_name.partition("/")
    pairs = [(key.replace("_", "-"), value) for key, value in query.items()]
    return operations.run(type_name, name, query=pairs, resource_id=identifier or None).resource


def part(parameters: Resource, name: str) -> list[Any]:
    named = [entry for entry in parameters["parameter"] if entry["name"] == name]
    return [next(value for key, value in entry.items() if key != "name") for entry in named]


# --- hierarchies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ("mammal", "tabby", "subsumes"), ("tabby", "mammal", "subsumed-by"), ("cat", "cat", "equivalent"),
        ("cat", "dog", "not-subsumed"), ("bird", "tabby", "not-subsumed"),
    ],
)
def test_how_codes_of_a_hierarchy_relate(operations: TerminologyOperations, first: str, second: str, outcome: str) -> None:
    assert part(run(operations, "CodeSystem/animal/subsumes", codeA=first, codeB=second), "outcome") == [outcome]


def test_parents_and_children_are_properties(operations: TerminologyOperations) -> None:
    properties = part(run(operations, "CodeSystem/animal/lookup", code="cat"), "property")
    told = {parts[0]["valueCode"]: list(parts[1].values())[1] for parts in properties}
    assert told == {"definition": "It purrs.", "parent": "mammal", "child": "tabby"}


def test_nested_concepts_are_codes(operations: TerminologyOperations) -> None:
    assert part(run(operations, "CodeSystem/animal/validate-code", code="tabby"), "result") == [True]


# --- value sets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identifier", "codes"),
    [
        ("all", ["mammal", "cat", "tabby", "dog", "bird"]),
        ("pets", ["dog", "cat"]),
        ("wild", ["mammal", "tabby", "bird"]),
        ("purring", ["cat"]),
    ],
)
def test_what_a_value_set_holds(operations: TerminologyOperations, identifier: str, codes: list[str]) -> None:
    expansion = run(operations, f"ValueSet/{identifier}/expand")["expansion"]
    assert [contained["code"] for contained in expansion["contains"]] == codes
    assert (expansion["timestamp"], expansion["identifier"]) == ("2026-04-01T00:00:00+00:00", "urn:uuid:0")


def test_a_value_set_keeps_its_own_wording_but_not_against_another_language(operations: TerminologyOperations) -> None:
    def displays(**query: str) -> list[str]:
        contains: list[Resource] = run(operations, "ValueSet/pets/expand", **query)["expansion"]["contains"]
        return [contained["display"] for contained in contains]

    assert displays() == ["Good dog", "Cat"]
    assert displays(displayLanguage="de") == ["Good dog", "Katze"]


@pytest.mark.parametrize("identifier", ["filtered", "snomed"])
def test_what_cannot_be_listed_here_says_so(operations: TerminologyOperations, identifier: str) -> None:
    with pytest.raises(NotSupported):
        run(operations, f"ValueSet/{identifier}/expand")


# --- dates and versions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("date", ["2026-03-05", "2026-03", "2026", "2026-03-05T10:00:00Z", "2030"])
def test_a_date_of_the_present_version_is_taken(operations: TerminologyOperations, date: str) -> None:
    assert part(run(operations, "CodeSystem/animal/lookup", code="cat", date=date), "display") == ["Cat"]
    assert run(operations, "ValueSet/all/expand", date=date)["expansion"]["total"] == 5


@pytest.mark.parametrize("date", ["2026-03-04", "2026-02", "2025", "2026-03-04T23:59:59Z"])
@pytest.mark.parametrize(("place", "query"), [("CodeSystem/animal/lookup", {"code": "cat"}), ("ValueSet/all/expand", {}),
                                              ("CodeSystem/animal/validate-code", {"code": "cat"})])
def test_what_was_before_is_not_held(operations: TerminologyOperations, place: str, query: dict[str, str], date: str) -> None:
    with pytest.raises(NotSupported):
        run(operations, place, date=date, **query)


def test_a_version_in_the_address_of_a_system(operations: TerminologyOperations) -> None:
    assert part(run(operations, "CodeSystem/lookup", system=f"{ANIMALS}|2", code="cat"), "version") == ["2"]
    with pytest.raises(NotFound):
        run(operations, "CodeSystem/lookup", system=f"{ANIMALS}|1", code="cat")


def test_a_display_in_another_language_is_right(operations: TerminologyOperations) -> None:
    assert part(run(operations, "CodeSystem/animal/validate-code", code="cat", display="KATZE"), "result") == [True]
    assert part(run(operations, "CodeSystem/animal/validate-code", code="cat", display="Hund"), "result") == [False]


# --- maps the other way round ------------------------------------------------------------------------------------------


def test_what_is_wider_one_way_is_narrower_the_other_way() -> None:
    """By hand, from the definition of R4: the equivalence says how the target relates to the source."""
    assert (INVERSE["wider"], INVERSE["narrower"], INVERSE["equivalent"]) == ("narrower", "wider", "equivalent")
    assert (INVERSE["subsumes"], INVERSE["specializes"]) == ("specializes", "subsumes")
    assert all(INVERSE[INVERSE[one]] == one for one in INVERSE)


def test_an_inverse_sorts_the_best_first_and_explains_what_is_narrower() -> None:
    forward = {
        "resourceType": "ConceptMap", "id": "a-to-b", "url": f"{BASE}/ConceptMap/a-to-b", "name": "AB", "title": "Animals to B",
        "status": "active", "targetUri": "http://b", "sourceCanonical": f"{BASE}/ValueSet/all",
        "group": [{"source": ANIMALS, "target": "http://b", "targetVersion": "7", "element": [
            {"code": "cat", "display": "Cat", "target": [{"code": "1", "display": "One", "equivalence": "wider"}]},
            {"code": "dog", "target": [{"code": "1", "display": "One", "equivalence": "equivalent", "comment": "same"}]},
            {"code": "bird", "target": [{"equivalence": "unmatched"}]},
        ]}],
    }
    turned = inverse(forward)
    assert turned is not None
    assert (turned["id"], turned["title"]) == ("b-to-a", "B to animals")
    assert (turned["sourceUri"], turned["targetCanonical"]) == ("http://b", f"{BASE}/ValueSet/all")
    (group,) = turned["group"]
    assert (group["source"], group["sourceVersion"], group["target"]) == ("http://b", "7", ANIMALS)
    (element,) = group["element"]
    found = [(target["code"], target["equivalence"]) for target in element["target"]]
    assert found == [("dog", "equivalent"), ("cat", "narrower")]
    assert element["target"][1]["comment"]  # cmd-1
    assert inverse({**forward, "group": [{**forward["group"][0], "element": forward["group"][0]["element"][2:]}]}) is None


def test_an_error_repeats_little_of_what_was_sent(operations: TerminologyOperations) -> None:
    with pytest.raises(ServiceError) as raised:
        run(operations, "CodeSystem/animal/lookup", code="x" * 500)
    assert len(raised.value.faults[0].message) < 300
