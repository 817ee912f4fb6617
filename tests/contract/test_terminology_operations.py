"""The terminology operations of R4 over HTTP: every parameter, every level, both methods, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.app import create_app
from service.composition.parts import Service
from service.fhir import r4
from service.fhir.codes.inverse import INVERSE
from service.settings import Settings

Resource = dict[str, Any]

BASE = "https://hipspine.example/fhir"
FINDING, CONDITION, ANSWER = (f"{BASE}/CodeSystem/{name}" for name in ("finding", "condition", "answer"))
SNOMED, LOINC, ICD10CM = "http://snomed.info/sct", "http://loinc.org", "http://hl7.org/fhir/sid/icd-10-cm"
SIDE = f"{BASE}/property/side"
HIP_OA_RIGHT = "M16.11"


def get(client: FlaskClient, path: str, status: int = 200, **query: Any) -> Resource:
    response = client.get(f"/fhir/{path}", query_string={name.replace("_", "-"): value for name, value in query.items()})
    assert response.status_code == status, response.text
    body: Resource = response.get_json(force=True)
    return body


def post(client: FlaskClient, path: str, *entries: Resource, status: int = 200) -> Resource:
    body = json.dumps({"resourceType": "Parameters", **({"parameter": list(entries)} if entries else {})})
    response = client.post(f"/fhir/{path}", data=body, content_type="application/fhir+json")
    assert response.status_code == status, response.text
    found: Resource = response.get_json(force=True)
    return found


def values(parameters: Resource, name: str) -> list[Any]:
    """Every value of that name; of an entry with parts, its parts as name -> value."""
    assert parameters["resourceType"] == "Parameters", parameters
    found = []
    for entry in parameters["parameter"]:
        if entry["name"] != name:
            continue
        if "part" in entry:
            found.append({part["name"]: value_of(part) for part in entry["part"]})
        else:
            found.append(value_of(entry))
    return found


def value_of(entry: Resource) -> Any:
    if "part" in entry:
        return {part["name"]: value_of(part) for part in entry["part"]}
    return next(value for name, value in entry.items() if name.startswith("value"))


def value(parameters: Resource, name: str) -> Any:
    (found,) = values(parameters, name)
    return found


def issues(outcome: Resource) -> list[tuple[str, str]]:
    """(code, place) of every issue."""
    assert outcome["resourceType"] == "OperationOutcome", outcome
    assert all(issue["details"]["text"] and issue["diagnostics"] for issue in outcome["issue"])
    return [(issue["code"], issue.get("expression", [""])[0]) for issue in outcome["issue"]]


# --- $lookup -----------------------------------------------------------------------------------------------------------


def test_lookup_tells_name_version_display_and_properties(client: FlaskClient) -> None:
    answer = get(client, "CodeSystem/$lookup", system=FINDING, code="faber")
    assert value(answer, "name") == "Hip and spine findings"
    assert value(answer, "version") == "0.1.0"
    assert value(answer, "display") == "FABER (Patrick) test"
    assert {entry["code"]: entry["value"] for entry in values(answer, "property")}["answer-type"] == "choice"


def test_lookup_gives_the_same_by_get_post_coding_and_instance(client: FlaskClient) -> None:
    answer = get(client, "CodeSystem/$lookup", system=FINDING, code="faber")
    code = {"name": "code", "valueCode": "faber"}
    coding = {"name": "coding", "valueCoding": {"system": FINDING, "code": "faber"}}
    assert post(client, "CodeSystem/$lookup", {"name": "system", "valueUri": FINDING}, code) == answer
    assert post(client, "CodeSystem/$lookup", coding) == answer
    assert get(client, "CodeSystem/finding/$lookup", code="faber") == answer
    assert post(client, "CodeSystem/finding/$lookup", code) == answer
    assert post(client, "CodeSystem/finding/$lookup", coding) == answer


def test_lookup_reads_textual_types_for_each_other(client: FlaskClient) -> None:
    answer = post(
        client, "CodeSystem/$lookup", {"name": "system", "valueString": FINDING}, {"name": "code", "valueString": "faber"}
    )
    assert value(answer, "display") == "FABER (Patrick) test"


def test_lookup_speaks_german_where_there_is_a_translation(client: FlaskClient) -> None:
    german = get(client, "CodeSystem/$lookup", system=FINDING, code="pain_groin", displayLanguage="de-AT")
    assert value(german, "display") == "Leistenschmerz"
    assert {"language": "de", "value": "Leistenschmerz"} in values(german, "designation")
    assert {"language": "en", "value": "Groin pain"} in values(german, "designation")
    french = get(client, "CodeSystem/$lookup", system=FINDING, code="pain_groin", displayLanguage="fr")
    assert value(french, "display") == "Groin pain"


def test_lookup_follows_accept_language_where_no_display_language_is_given(client: FlaskClient) -> None:
    response = client.get(
        "/fhir/CodeSystem/$lookup",
        query_string={"system": FINDING, "code": "pain_groin"},
        headers={"Accept-Language": "de, en;q=0.5"},
    )
    assert response.headers["Content-Language"] == "de"
    assert "Accept-Language" in response.headers["Vary"]
    assert value(response.get_json(force=True), "display") == "Leistenschmerz"


def test_lookup_returns_only_the_properties_asked_for(client: FlaskClient) -> None:
    answer = get(client, "CodeSystem/$lookup", system=FINDING, code="pain_groin", property=["kind", "lang.de"])
    assert [entry["code"] for entry in values(answer, "property")] == ["kind"]
    assert [entry["language"] for entry in values(answer, "designation")] == ["de"]


@pytest.mark.parametrize("system", [SNOMED, LOINC, ICD10CM])
def test_lookup_of_a_public_code_says_that_only_a_fragment_is_held(client: FlaskClient, service: Service, system: str) -> None:
    held = service.terminology.held.systems[system]
    for code, concept in held.concepts.items():
        answer = get(client, "CodeSystem/$lookup", system=system, code=code)
        assert value(answer, "display") == concept.display
        assert f"fragment: the {len(held.concepts)} codes" in value(answer, "name")


def test_lookup_of_an_icd_10_cm_code_says_which_year_it_is_of(client: FlaskClient) -> None:
    assert value(get(client, "CodeSystem/$lookup", system=ICD10CM, code=HIP_OA_RIGHT), "version") == "2026"


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({"system": "http://example.org/unknown", "code": "1"}, "?code"),
        ({"system": FINDING, "code": "no_such_finding"}, "?code"),
        ({"system": SNOMED, "code": "74400008"}, "?code"),
        ({"system": FINDING, "code": "faber", "version": "9"}, "?code"),
    ],
)
def test_lookup_of_what_is_not_held_is_404_and_says_so(client: FlaskClient, query: Resource, place: str) -> None:
    assert issues(get(client, "CodeSystem/$lookup", 404, **query)) == [("not-found", place)]


def test_lookup_reports_all_faults_at_once(client: FlaskClient) -> None:
    outcome = post(
        client,
        "CodeSystem/$lookup",
        {"name": "codes", "valueCode": "faber"},
        {"name": "date", "valueDateTime": "2026-01-01"},
        {"name": "date", "valueDateTime": "2026-01-02"},
        {"name": "displayLanguage", "valueBoolean": True},
        status=400,
    )
    assert issues(outcome) == [
        ("not-supported", "Parameters.parameter[0]"),
        ("structure", "Parameters.parameter[3]"),
        ("structure", "Parameters.parameter[2].valueDateTime"),
        ("required", "code"),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [("required", "code")]),
        ({"code": "faber"}, [("required", "system")]),
        ({"system": FINDING}, [("required", "code")]),
        ({"system": FINDING, "code": ""}, [("value", "?code")]),
        ({"system": FINDING, "code": ["faber", "slr"]}, [("structure", "?code")]),
        ({"system": FINDING, "coding": "faber"}, [("structure", "?coding")]),
        ({"system": FINDING, "code": "faber", "date": "yesterday"}, [("value", "?date")]),
    ],
)
def test_lookup_refuses_what_is_missing_or_wrong(client: FlaskClient, query: Resource, found: list[tuple[str, str]]) -> None:
    assert issues(get(client, "CodeSystem/$lookup", 400, **query)) == found


def test_lookup_on_an_instance_refuses_another_system(client: FlaskClient) -> None:
    other = {"name": "coding", "valueCoding": {"system": CONDITION, "code": "hip_oa"}}
    assert issues(post(client, "CodeSystem/finding/$lookup", other, status=400))[0][0] == "value"
    assert issues(get(client, "CodeSystem/finding/$lookup", 400, system=FINDING, code="faber"))[0] == ("structure", "?system")


# --- CodeSystem/$validate-code -----------------------------------------------------------------------------------------


def test_a_code_of_the_code_system_is_valid_at_every_form(client: FlaskClient) -> None:
    answer = get(client, "CodeSystem/$validate-code", url=FINDING, code="faber", display="faber (patrick)  TEST")
    assert (value(answer, "result"), value(answer, "display")) == (True, "FABER (Patrick) test")
    coding = {"system": FINDING, "code": "faber", "display": "FABER (Patrick) test"}
    for path, entries in (
        ("CodeSystem/$validate-code", [{"name": "coding", "valueCoding": coding}]),
        ("CodeSystem/$validate-code", [{"name": "url", "valueUri": FINDING}, {"name": "coding", "valueCoding": coding}]),
        ("CodeSystem/finding/$validate-code", [{"name": "code", "valueCode": "faber"}]),
        (
            "CodeSystem/finding/$validate-code",
            [{"name": "codeableConcept", "valueCodeableConcept": {"coding": [{"system": SNOMED, "code": "1"}, coding]}}],
        ),
    ):
        assert post(client, path, *entries) == answer


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"url": FINDING, "code": "Faber"}, "is not a code"),
        ({"url": FINDING, "code": "faber", "display": "FADIR test"}, "display"),
        ({"url": SNOMED, "code": "49218002", "display": "Knee pain"}, "display"),
    ],
)
def test_a_wrong_code_or_display_is_not_valid_and_the_message_says_why(
    client: FlaskClient, query: Resource, words: str
) -> None:
    answer = get(client, "CodeSystem/$validate-code", **query)
    assert value(answer, "result") is False
    assert words in value(answer, "message")


def test_a_german_display_is_a_right_display(client: FlaskClient) -> None:
    answer = get(client, "CodeSystem/$validate-code", url=FINDING, code="pain_groin", display="Leistenschmerz")
    assert value(answer, "result") is True


def test_a_fragment_never_says_that_a_code_is_wrong(client: FlaskClient) -> None:
    held = get(client, "CodeSystem/$validate-code", url=SNOMED, code="49218002")
    assert value(held, "result") is True
    assert "the part of SNOMED CT that is held" in value(held, "message")
    assert issues(get(client, "CodeSystem/$validate-code", 404, url=SNOMED, code="74400008")) == [("not-found", "?code")]


def test_a_coding_of_another_system_is_not_valid(client: FlaskClient) -> None:
    coding = {"name": "coding", "valueCoding": {"system": CONDITION, "code": "faber"}}
    answer = post(client, "CodeSystem/finding/$validate-code", coding)
    assert value(answer, "result") is False


# --- $subsumes ---------------------------------------------------------------------------------------------------------


def test_subsumption_in_a_flat_code_system(client: FlaskClient) -> None:
    same = get(client, "CodeSystem/$subsumes", system=FINDING, codeA="faber", codeB="faber")
    assert value(same, "outcome") == "equivalent"
    other = get(client, "CodeSystem/finding/$subsumes", codeA="faber", codeB="fadir")
    assert value(other, "outcome") == "not-subsumed"
    pair = [{"name": f"coding{letter}", "valueCoding": {"system": FINDING, "code": "faber"}} for letter in "AB"]
    assert post(client, "CodeSystem/$subsumes", *pair) == same


def test_subsumption_that_a_fragment_cannot_tell_is_an_outcome(client: FlaskClient) -> None:
    same = get(client, "CodeSystem/$subsumes", system=SNOMED, codeA="49218002", codeB="49218002")
    assert value(same, "outcome") == "equivalent"
    outcome = get(client, "CodeSystem/$subsumes", 422, system=SNOMED, codeA="49218002", codeB="22325002")
    assert issues(outcome)[0][0] == "not-supported"


def test_subsumption_names_every_missing_and_unknown_code(client: FlaskClient) -> None:
    assert issues(get(client, "CodeSystem/$subsumes", 400, system=FINDING)) == [("required", "codeA"), ("required", "codeB")]
    assert [code for code, _ in issues(get(client, "CodeSystem/$subsumes", 404, system=FINDING, codeA="x", codeB="y"))] == [
        "not-found",
        "not-found",
    ]


# --- $expand -----------------------------------------------------------------------------------------------------------


def test_expansion_lists_every_code_once_with_its_version(client: FlaskClient, service: Service) -> None:
    answer = get(client, "ValueSet/$expand", url=f"{BASE}/ValueSet/finding")
    assert answer["resourceType"] == "ValueSet"
    expansion = answer["expansion"]
    codes = [contained["code"] for contained in expansion["contains"]]
    assert codes == [concept["code"] for concept in service.definitions.read("CodeSystem", "finding")["concept"]]
    assert expansion["total"] == len(codes)
    assert {"name": "version", "valueUri": f"{FINDING}|0.1.0"} in expansion["parameter"]
    assert "compose" not in answer


def test_expansion_is_the_same_by_get_post_and_instance(client: FlaskClient) -> None:
    def contained(answer: Resource) -> list[Resource]:
        found: list[Resource] = answer["expansion"]["contains"]
        return found

    answer = contained(get(client, "ValueSet/$expand", url=f"{BASE}/ValueSet/answers-faber"))
    assert contained(get(client, "ValueSet/answers-faber/$expand")) == answer
    assert contained(post(client, "ValueSet/$expand", {"name": "url", "valueUri": f"{BASE}/ValueSet/answers-faber"})) == answer
    assert contained(post(client, "ValueSet/answers-faber/$expand")) == answer
    assert contained(get(client, "ValueSet/$expand", url=f"{BASE}/ValueSet/answers-faber|0.1.0")) == answer


def test_the_pages_of_an_expansion_make_the_whole(client: FlaskClient) -> None:
    whole = get(client, "ValueSet/finding/$expand")["expansion"]["contains"]
    pages = []
    for offset in range(0, len(whole), 30):
        expansion = get(client, "ValueSet/finding/$expand", count=30, offset=offset)["expansion"]
        assert (expansion["total"], expansion["offset"]) == (len(whole), offset)
        pages += expansion["contains"]
    assert pages == whole


def test_a_count_of_zero_asks_how_many(client: FlaskClient) -> None:
    expansion = get(client, "ValueSet/finding/$expand", count=0)["expansion"]
    assert expansion["total"] > 100 and "contains" not in expansion


def test_the_filter_takes_words_of_any_wording(client: FlaskClient) -> None:
    def found(**query: Any) -> set[str]:
        return {contained["code"] for contained in get(client, "ValueSet/finding/$expand", **query)["expansion"]["contains"]}

    assert "pain_groin" in found(filter="GROIN pain")
    assert "pain_groin" in found(filter="leisten", displayLanguage="de")
    assert {"faber"} <= found(filter="faber") < found(filter="f")
    assert "contains" not in get(client, "ValueSet/finding/$expand", filter="zzz")["expansion"]


def test_expansion_in_german_with_designations(client: FlaskClient) -> None:
    expansion = get(client, "ValueSet/finding/$expand", displayLanguage="de", includeDesignations="true", count=1)["expansion"]
    assert expansion["contains"][0]["display"] == "Leistenschmerz"
    assert {"language": "en", "value": "Groin pain"} in expansion["contains"][0]["designation"]
    assert {"name": "displayLanguage", "valueCode": "de"} in expansion["parameter"]
    one = get(client, "ValueSet/finding/$expand", designation="urn:ietf:bcp:47|de", count=1)["expansion"]["contains"][0]
    assert one["designation"] == [{"language": "de", "value": "Leistenschmerz"}]


def test_expansion_with_definition_and_without_a_system(client: FlaskClient) -> None:
    answer = get(client, "ValueSet/finding/$expand", includeDefinition="true", activeOnly="true", exclude_system=FINDING)
    assert answer["compose"]["include"][0]["system"] == FINDING
    assert answer["expansion"]["total"] == 0


@pytest.mark.parametrize(
    ("query", "status", "found"),
    [
        ({}, 400, [("required", "url")]),
        ({"url": f"{BASE}/ValueSet/none"}, 404, [("not-found", "?url")]),
        ({"url": f"{BASE}/ValueSet/finding|9"}, 404, [("not-found", "?url")]),
        ({"url": f"{BASE}/ValueSet/finding", "count": "-1", "offset": "-2"}, 400, [("value", "?offset"), ("value", "?count")]),
        ({"url": f"{BASE}/ValueSet/finding", "count": "many"}, 400, [("value", "?count")]),
        ({"url": f"{BASE}/ValueSet/finding", "activeOnly": "yes"}, 400, [("value", "?activeOnly")]),
        ({"url": f"{BASE}/ValueSet/finding", "context": "x"}, 400, [("not-supported", "?context")]),
        ({"url": "http://snomed.info/sct?fhir_vs"}, 404, [("not-found", "?url")]),
    ],
)
def test_expansion_refuses_what_is_missing_or_wrong(
    client: FlaskClient, query: Resource, status: int, found: list[tuple[str, str]]
) -> None:
    assert issues(get(client, "ValueSet/$expand", status, **query)) == found


def test_every_published_value_set_expands_and_each_member_validates(client: FlaskClient, service: Service) -> None:
    for value_set in service.definitions.of_type("ValueSet"):
        expansion = get(client, f"ValueSet/{value_set['id']}/$expand")["expansion"]
        assert expansion["total"] == len(expansion["contains"]) > 0
        first = expansion["contains"][0]
        answer = get(client, f"ValueSet/{value_set['id']}/$validate-code", system=first["system"], code=first["code"])
        assert value(answer, "result") is True


# --- ValueSet/$validate-code -------------------------------------------------------------------------------------------


def test_a_member_of_the_value_set_is_valid_at_every_form(client: FlaskClient) -> None:
    url = f"{BASE}/ValueSet/answers-faber"
    answer = get(client, "ValueSet/$validate-code", url=url, system=ANSWER, code="posterior-or-sij-pain")
    assert value(answer, "result") is True
    coding = {"system": ANSWER, "code": "posterior-or-sij-pain", "display": "posterior or SIJ pain"}
    for path, entries in (
        ("ValueSet/$validate-code", [{"name": "url", "valueUri": url}, {"name": "coding", "valueCoding": coding}]),
        ("ValueSet/answers-faber/$validate-code", [{"name": "coding", "valueCoding": coding}]),
        (
            "ValueSet/answers-faber/$validate-code",
            [{"name": "codeableConcept", "valueCodeableConcept": {"coding": [{"system": ANSWER, "code": "female"}, coding]}}],
        ),
    ):
        assert post(client, path, *entries) == answer


def test_a_code_of_the_system_that_is_not_in_the_value_set_is_not_valid(client: FlaskClient) -> None:
    answer = get(client, "ValueSet/answers-faber/$validate-code", system=ANSWER, code="female")
    assert value(answer, "result") is False
    assert "not in the value set" in value(answer, "message")


def test_value_set_validation_refuses_what_is_missing(client: FlaskClient) -> None:
    assert issues(get(client, "ValueSet/$validate-code", 400, code="faber")) == [("required", "url"), ("required", "system")]
    assert issues(get(client, "ValueSet/finding/$validate-code", 400, display="x"))[0] == ("required", "code")


# --- $translate --------------------------------------------------------------------------------------------------------


def matches(answer: Resource) -> list[tuple[str, str, str]]:
    """(equivalence, system, code) of every match that has a concept."""
    return [
        (match["equivalence"], match["concept"]["system"], match["concept"]["code"])
        for match in values(answer, "match") if "concept" in match
    ]


def test_translation_to_snomed_names_the_map_and_the_equivalence(client: FlaskClient) -> None:
    answer = get(client, "ConceptMap/$translate", system=CONDITION, code="hip_oa", targetsystem=SNOMED)
    assert value(answer, "result") is True
    assert ("equivalent", SNOMED, "239872002") in matches(answer)
    assert all(match["source"] == f"{BASE}/ConceptMap/condition-to-snomed" for match in values(answer, "match"))


def test_translation_is_the_same_at_every_form(client: FlaskClient) -> None:
    answer = get(client, "ConceptMap/condition-to-snomed/$translate", system=CONDITION, code="hip_oa")
    url = {"name": "url", "valueUri": f"{BASE}/ConceptMap/condition-to-snomed"}
    coding = {"system": CONDITION, "code": "hip_oa"}
    assert post(client, "ConceptMap/$translate", url, {"name": "coding", "valueCoding": coding}) == answer
    concept = {"name": "codeableConcept", "valueCodeableConcept": {"coding": [coding]}}
    assert post(client, "ConceptMap/$translate", url, concept) == answer
    scoped = get(client, "ConceptMap/$translate", system=CONDITION, code="hip_oa", source=f"{BASE}/ValueSet/condition-outcome",
                 target="http://snomed.info/sct?fhir_vs")
    assert scoped == answer


@pytest.mark.parametrize(("side", "code"), [("right", "M16.11"), ("left", "M16.12"), ("bilateral", "M16.0")])
def test_a_side_is_given_as_dependency_and_chooses_the_leaf(client: FlaskClient, side: str, code: str) -> None:
    dependency = {
        "name": "dependency",
        "part": [
            {"name": "element", "valueUri": SIDE},
            {"name": "concept", "valueCodeableConcept": {"coding": [{"code": side}]}},
        ],
    }
    answer = post(client, "ConceptMap/condition-to-icd10cm/$translate",
                  {"name": "system", "valueUri": CONDITION}, {"name": "code", "valueCode": "hip_oa"}, dependency)
    sided = {"M16.0", "M16.11", "M16.12"}
    assert sided & {found for _, _, found in matches(answer)} == {code}


def test_without_a_side_no_sided_leaf_is_given_and_the_message_says_how_to_ask(client: FlaskClient) -> None:
    answer = get(client, "ConceptMap/condition-to-icd10cm/$translate", system=CONDITION, code="hip_oa")
    assert not {"M16.11", "M16.12", "M16.0"} & {code for _, _, code in matches(answer)}
    assert "dependency" in value(answer, "message")


def test_a_code_that_stays_local_has_no_translation_and_says_why(client: FlaskClient) -> None:
    answer = get(client, "ConceptMap/finding-to-snomed/$translate", system=FINDING, code="faber")
    assert value(answer, "result") is False
    assert "stays local" in value(answer, "message")
    assert values(answer, "match")[0]["equivalence"] == "unmatched"


def test_reverse_on_a_map_is_forward_on_its_inverse(client: FlaskClient, service: Service) -> None:
    """Both ways of asking backwards give the same concepts with the same equivalence, for every code of every map."""
    compared = 0
    for forward in service.definitions.of_type("ConceptMap"):
        source, _, target = forward["id"].partition("-to-")
        if f"{target}-to-{source}" not in service.definitions.ids("ConceptMap") or source in ("snomed", "loinc", "icd10cm"):
            continue
        for group in forward["group"]:
            for code in {target["code"] for element in group["element"] for target in element["target"] if "code" in target}:
                query = {"system": group["target"], "code": code}
                backwards = get(client, f"ConceptMap/{forward['id']}/$translate", reverse="true", **query)
                inverse = get(client, f"ConceptMap/{target}-to-{source}/$translate", **query)
                assert sorted(matches(backwards)) == sorted(matches(inverse)) != []
                compared += 1
    assert compared > 200


def test_an_inverse_states_the_side_as_product(client: FlaskClient) -> None:
    answer = get(client, "ConceptMap/$translate", system=ICD10CM, code=HIP_OA_RIGHT, targetsystem=CONDITION)
    (match,) = values(answer, "match")
    assert match["concept"]["code"] == "hip_oa"
    assert match["product"]["element"] == SIDE
    assert match["product"]["concept"]["code"] == "right"


def test_inverse_maps_turn_every_equivalence_round(service: Service) -> None:
    forward = service.definitions.read("ConceptMap", "condition-to-snomed")
    backward = service.definitions.read("ConceptMap", "snomed-to-condition")
    there = {
        (element["code"], target["code"], target["equivalence"])
        for group in forward["group"] for element in group["element"] for target in element["target"] if "code" in target
    }
    back = {
        (target["code"], element["code"], INVERSE[target["equivalence"]])
        for group in backward["group"] for element in group["element"] for target in element["target"]
    }
    assert there == back


@pytest.mark.parametrize(
    ("query", "status", "found"),
    [
        ({"code": "hip_oa"}, 400, [("required", "system")]),
        ({"system": "http://example.org/x", "code": "1"}, 404, [("not-found", "?code")]),
        ({"system": CONDITION, "code": "hip_oa", "targetsystem": "http://example.org/x"}, 404, [("not-found", "?targetsystem")]),
        ({"system": CONDITION, "code": "hip_oa", "url": f"{BASE}/ConceptMap/none"}, 404, [("not-found", "?url")]),
        ({"system": CONDITION, "code": "hip_oa", "target": f"{BASE}/ValueSet/none"}, 404, [("not-found", "?target")]),
        ({"system": CONDITION, "code": "hip_oa", "version": "9"}, 404, [("not-found", "?code")]),
        ({"system": CONDITION, "code": "hip_oa", "reverse": "1"}, 400, [("value", "?reverse")]),
    ],
)
def test_translation_refuses_what_is_missing_or_wrong(
    client: FlaskClient, query: Resource, status: int, found: list[tuple[str, str]]
) -> None:
    assert issues(get(client, "ConceptMap/$translate", status, **query)) == found


def test_a_code_nobody_knows_has_no_translation(client: FlaskClient) -> None:
    answer = get(client, "ConceptMap/$translate", system=CONDITION, code="none")
    assert (value(answer, "result"), values(answer, "match")) == (False, [])
    assert "no translation" in value(answer, "message")


# --- the registry ------------------------------------------------------------------------------------------------------


def test_the_capability_statement_points_at_the_operations_of_r4(client: FlaskClient) -> None:
    statement = get(client, "metadata")
    offered = {
        (entry["type"], operation["name"]): operation["definition"]
        for entry in statement["rest"][0]["resource"] for operation in entry.get("operation", [])
    }
    for type_name, names in {
        "CodeSystem": ("lookup", "validate-code", "subsumes"),
        "ValueSet": ("expand", "validate-code"),
        "ConceptMap": ("translate",),
    }.items():
        for name in names:
            assert offered[type_name, name] == f"http://hl7.org/fhir/OperationDefinition/{type_name}-{name}"


@pytest.mark.parametrize(
    "path", ["CodeSystem/none/$lookup?code=x", "ValueSet/none/$expand", "ConceptMap/none/$translate?code=x&system=y"]
)
def test_an_operation_on_an_instance_that_does_not_exist_is_404(client: FlaskClient, path: str) -> None:
    response = client.get(f"/fhir/{path}")
    assert response.status_code == 404
    assert issues(response.get_json(force=True))[0][0] == "not-found"


# --- TerminologyCapabilities -------------------------------------------------------------------------------------------


def test_metadata_tells_what_is_held_and_which_parameters_an_expansion_takes(client: FlaskClient, service: Service) -> None:
    statement = get(client, "metadata", mode="terminology")
    assert statement["resourceType"] == "TerminologyCapabilities"
    assert r4.check(statement).faults == ()
    assert {one["uri"] for one in statement["codeSystem"]} == set(service.terminology.held.systems)
    assert f"SNOMED CT ({len(service.terminology.held.systems[SNOMED].concepts)} codes)" in statement["description"]
    whole = next(one for one in statement["codeSystem"] if one["uri"] == FINDING)
    assert whole["version"][0]["language"] == ["en", "de"] and whole["subsumption"]
    for parameter in statement["expansion"]["parameter"]:
        value_of_it = {"url": f"{BASE}/ValueSet/finding", "count": "1", "offset": "0", "date": "2030-01-01"}.get(
            parameter["name"], "true"
        )
        query = {"url": f"{BASE}/ValueSet/finding", parameter["name"]: value_of_it}
        if parameter["name"] != "valueSetVersion":
            assert client.get("/fhir/ValueSet/$expand", query_string=query).status_code == 200, parameter


def test_metadata_modes(client: FlaskClient) -> None:
    assert get(client, "metadata", mode="full")["resourceType"] == "CapabilityStatement"
    assert get(client, "metadata", mode="normative")["resourceType"] == "CapabilityStatement"
    assert issues(get(client, "metadata", 400, mode="wrong")) == [("value", "?mode")]


# --- another canonical base --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def elsewhere(settings: Settings) -> FlaskClient:
    """A deployment that publishes under a base of its own."""
    return create_app(replace(settings, base_url="https://clinic.example/fhir", database_url="none")).test_client()


def test_everything_works_under_another_canonical_base(elsewhere: FlaskClient) -> None:
    base = "https://clinic.example/fhir"
    assert value(get(elsewhere, "CodeSystem/$lookup", system=f"{base}/CodeSystem/finding", code="faber"), "display")
    assert get(elsewhere, "ValueSet/$expand", url=f"{base}/ValueSet/finding")["expansion"]["total"] > 100
    answer = get(elsewhere, "ConceptMap/$translate", system=ICD10CM, code=HIP_OA_RIGHT)
    (match,) = values(answer, "match")
    assert match["source"] == f"{base}/ConceptMap/icd10cm-to-condition"
    assert match["product"]["element"] == f"{base}/property/side"
    verified = get(elsewhere, "CodeSystem/$lookup", system=SNOMED, code="49218002", property="verification")
    assert values(verified, "property") == [{"code": "verification", "value": "yes"}]
    assert issues(get(elsewhere, "CodeSystem/$lookup", 404, system=FINDING, code="faber")) == [("not-found", "?code")]
    wrong = {"resourceType": "Patient", "extension": [{"url": f"{base}/StructureDefinition/no-such", "valueCode": "x"}]}
    response = elsewhere.post("/fhir/Patient/$validate", data=json.dumps(wrong), content_type="application/fhir+json")
    assert issues(response.get_json(force=True)) == [("structure", "Patient.extension[0].url")]


# --- what leaves -------------------------------------------------------------------------------------------------------


def test_every_public_code_of_an_answer_is_one_the_maps_hold(client: FlaskClient, service: Service) -> None:
    """So every check on the maps (check digits, leaves, titles, notices) holds for whatever is emitted."""
    seen = set()
    for path in sorted((Path(__file__).parents[1] / "data").glob("*.json")):
        response = client.post(
            "/fhir/$assess?care-plan=true&what-if=true", data=path.read_bytes(), content_type="application/fhir+json"
        )
        for coding in codings(response.get_json(force=True)):
            if coding["system"] in (SNOMED, LOINC, ICD10CM):
                concept = service.terminology.held.systems[coding["system"]].concepts[coding["code"]]
                assert coding["display"] == concept.display
                seen.add((coding["system"], coding["code"]))
    assert len(seen) > 30


def codings(node: Any) -> Iterator[Resource]:
    if isinstance(node, list):
        for item in node:
            yield from codings(item)
    elif isinstance(node, dict):
        if "code" in node and "system" in node and "display" in node:
            yield node
        for below in node.values():
            yield from codings(below)
