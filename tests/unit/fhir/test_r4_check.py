"""What a decoded resource must be: structure, values, required elements, codes, invariants, references."""

from __future__ import annotations

import time
from typing import Any

import pytest
from r4_seeds import (
    LIMITS,
    NARRATIVE,
    SEEDS,
    Resource,
    bundle,
    condition,
    faults_of,
    observation,
    patient,
    questionnaire_response,
)

from service.errors import Fault, InvalidInput, MalformedInput
from service.fhir.r4 import check, parse, serialise


def small(**elements: Any) -> Resource:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **elements}


def one(resource: Resource) -> Fault:
    (fault,) = faults_of(resource)
    return fault


def brief(resource: Resource) -> list[tuple[str, str]]:
    return [(fault.kind, fault.where) for fault in faults_of(resource)]


@pytest.mark.parametrize("seed", SEEDS)
def test_valid_resources_have_no_faults(seed: str) -> None:
    assert faults_of(SEEDS[seed]()) == ()


# --- several at once ---------------------------------------------------------------------------------------------


def test_R16_a_missing_code_is_required_and_its_place_is_named() -> None:
    fault = one({"resourceType": "Observation", "status": "final"})
    assert (fault.kind, fault.where) == ("required", "Observation.code")
    assert "Add code" in fault.repair


def test_R18_separate_faults_come_together_in_a_stable_order() -> None:
    wrong = small(status="done", valueString="x", dataAbsentReason={"text": "y"}, effectiveDateTime="2024-02-30")
    del wrong["code"]
    expected = [
        ("code-invalid", "Observation.status"),
        ("value", "Observation.effectiveDateTime"),
        ("required", "Observation.code"),
        ("invariant", "Observation"),
    ]
    assert brief(wrong) == expected
    assert brief(wrong) == expected


def test_R17_faults_below_a_bundle_name_entry_and_element() -> None:
    wrong = bundle()
    wrong["entry"][2]["resource"]["recordedDate"] = "yesterday"
    wrong["entry"][3]["resource"]["item"][6]["item"][0]["answer"][0]["item"][0] = {"text": "no link"}
    assert brief(wrong) == [
        ("value", "Bundle.entry[2].resource.recordedDate"),
        ("required", "Bundle.entry[3].resource.item[6].item[0].answer[0].item[0].linkId"),
    ]


def test_malformed_and_invalid_are_told_apart() -> None:
    with pytest.raises(MalformedInput):
        parse(serialise(small(status="done", note=[])), limits=LIMITS)
    with pytest.raises(InvalidInput) as caught:
        parse(serialise(small(status="done")), limits=LIMITS)
    assert not isinstance(caught.value, MalformedInput)


# --- R20 to R24 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elements", "key", "where"),
    [
        ({"valueString": "x", "dataAbsentReason": {"text": "y"}}, "obs-6", "Observation"),
        (
            {"_valueString": {"extension": [{"url": "http://a.b", "valueCode": "c"}]}, "dataAbsentReason": {"text": "y"}},
            "obs-6",
            "Observation",
        ),
        (
            {
                "code": {"coding": [{"system": "s:1", "code": "1"}]},
                "valueString": "x",
                "component": [{"code": {"coding": [{"system": "s:1", "code": "1", "display": "other"}]}}],
            },
            "obs-7",
            "Observation",
        ),
        ({"referenceRange": [{"low": {"value": 1}}, {"appliesTo": [{"text": "x"}]}]}, "obs-3", "Observation.referenceRange[1]"),
    ],
)
def test_R20_invariants_of_observations(elements: Resource, key: str, where: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(serialise({**small(), **elements}), limits=LIMITS)
    assert not isinstance(caught.value, MalformedInput)
    assert [(fault.kind, fault.key, fault.where) for fault in caught.value.faults] == [("invariant", key, where)]


def test_R20_an_empty_reference_range_is_an_invariant_too() -> None:
    assert {fault.key for fault in faults_of(small(referenceRange=[{}]))} == {"ele-1", "obs-3"}
    assert all(fault.kind == "invariant" for fault in faults_of(small(referenceRange=[{}])))


def test_R20_components_of_another_system_may_share_a_code() -> None:
    assert (
        faults_of(
            small(
                code={"coding": [{"system": "s:1", "code": "1"}]},
                valueString="x",
                component=[{"code": {"coding": [{"system": "s:2", "code": "1"}]}}],
            )
        )
        == ()
    )


def test_R21_an_item_with_answer_and_items_breaks_qrs_1() -> None:
    response = questionnaire_response()
    response["item"][1]["item"] = [{"linkId": "x"}]
    fault = one(response)
    assert (fault.kind, fault.key, fault.where) == ("invariant", "qrs-1", "QuestionnaireResponse.item[1]")


@pytest.mark.parametrize(
    ("resource", "where", "legal"),
    [
        ({**questionnaire_response(), "status": "complete"}, "QuestionnaireResponse.status", "in-progress, completed, amended"),
        (small(status="done"), "Observation.status", "registered, preliminary, final"),
        ({"resourceType": "Bundle", "type": "bundle"}, "Bundle.type", "document, message, transaction"),
    ],
)
def test_R22_a_code_outside_a_required_binding_is_refused_with_the_legal_ones(resource: Resource, where: str, legal: str) -> None:
    fault = one(resource)
    assert (fault.kind, fault.where) == ("code-invalid", where)
    assert legal in fault.rule


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        (small(triggeredBy=[{"type": "reflex"}]), "triggeredBy"),
        ({"resourceType": "RiskAssessment", "status": "final", "subject": {"display": "x"}, "reason": [{"text": "x"}]}, "reason"),
        ({"resourceType": "Patient", "name__ext": {}}, "name__ext"),
        ({"resourceType": "Patient", "fhir_comments": "x"}, "fhir_comments"),
        (small(code={"text": "x", "resourceType": "CodeableConcept"}), "resourceType"),
        (
            small(extension=[{"url": "http://a.b", "valueCodeableReference": {"concept": {"text": "x"}}}]),
            "valueCodeableReference",
        ),
    ],
)
def test_R23_elements_r4_does_not_have_are_named_as_unknown_in_r4(resource: Resource, name: str) -> None:
    fault = faults_of(resource)[0]
    assert fault.kind == "structure"
    assert fault.where.endswith(f".{name}")
    assert f"{name} is unknown in R4" in fault.rule


@pytest.mark.parametrize(
    ("elements", "kind", "where"),
    [
        ({"valueBoolean": "true"}, "value", "Observation.valueBoolean"),
        ({"valueInteger": "4"}, "value", "Observation.valueInteger"),
        ({"valueInteger": True}, "value", "Observation.valueInteger"),
        ({"valueBoolean": 1}, "value", "Observation.valueBoolean"),
        ({"valueQuantity": {"value": "7.1"}}, "value", "Observation.valueQuantity.value"),
        ({"valueString": 4}, "value", "Observation.valueString"),
        ({"valueString": ""}, "value", "Observation.valueString"),
        ({"valueString": None}, "structure", "Observation.valueString"),
        ({"valueString": ["x"]}, "structure", "Observation.valueString"),
        ({"valueString": {"x": 1}}, "structure", "Observation.valueString"),
        ({"note": []}, "structure", "Observation.note"),
        ({"note": None}, "structure", "Observation.note"),
        ({"note": {"text": "x"}}, "structure", "Observation.note"),
        ({"note": [None]}, "structure", "Observation.note[0]"),
        ({"note": ["x"]}, "structure", "Observation.note[0]"),
        ({"method": [{"text": "x"}]}, "structure", "Observation.method"),
        ({"method": "x"}, "structure", "Observation.method"),
        ({"method": {}}, "invariant", "Observation.method"),
    ],
)
def test_R24_nothing_is_coerced_and_nothing_is_empty(elements: Resource, kind: str, where: str) -> None:
    assert brief(small(**elements)) == [(kind, where)]


def test_R24_numbers_written_as_text_in_answers_are_read_with_a_warning_each() -> None:
    response = questionnaire_response()
    response["item"][1]["answer"] = [{"valueDecimal": "7.10"}]
    response["item"][2]["answer"] = [{"valueInteger": "4"}]
    response["item"][5]["answer"] = [{"valueQuantity": {"value": "3"}}]
    raw = serialise({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": response}]})
    parsed = parse(raw, limits=LIMITS)
    assert [(warning.severity, warning.where) for warning in parsed.warnings] == [
        ("warning", "Parameters.parameter[0].resource.item[1].answer[0].valueDecimal"),
        ("warning", "Parameters.parameter[0].resource.item[2].answer[0].valueInteger"),
        ("warning", "Parameters.parameter[0].resource.item[5].answer[0].valueQuantity.value"),
    ]
    items = parsed.resource["parameter"][0]["resource"]["item"]
    assert serialise(items[1]["answer"][0]) == b'{"valueDecimal":7.10}'
    assert items[2]["answer"][0]["valueInteger"] == 4
    assert items[5]["answer"][0]["valueQuantity"]["value"] == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("valueDecimal", "seven"),
        ("valueDecimal", "7,1"),
        ("valueDecimal", " 7"),
        ("valueDecimal", "NaN"),
        ("valueDecimal", "1e999"),
        ("valueInteger", "4.0"),
        ("valueInteger", "2147483648"),
        ("valueInteger", "04"),
        ("valueInteger", ""),
    ],
)
def test_R24_other_text_in_a_number_stays_a_fault(name: str, text: str) -> None:
    response = questionnaire_response()
    response["item"][1]["answer"] = [{name: text}]
    assert brief(response) == [("value", f"QuestionnaireResponse.item[1].answer[0].{name}")]


def test_R24_check_reports_the_same_warning_and_changes_nothing() -> None:
    response = questionnaire_response()
    response["item"][1]["answer"] = [{"valueDecimal": "7.10"}]
    verdict = check(response)
    assert verdict.faults == ()
    assert len(verdict.warnings) == 1
    assert response["item"][1]["answer"] == [{"valueDecimal": "7.10"}]


# --- primitives --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-30",
        "2023-02-29",
        "2024-13",
        "2024-1-1",
        "24",
        "0000",
        "2024-02-20T10:00Z",
        "2024-02-20T10:00:00",
        "2024-02-20T24:00:00Z",
        "2024-02-20T10:00:00+15:00",
        "2024-02-20T10:60:00Z",
        "2024-02-20 10:00:00Z",
        "2024-02-20T10:00:00.Z",
        "2024-02-20T",
        "yesterday",
        "2024-04-31T10:00:00Z",
        "2024-02-20T10:00:61Z",
        "２０２４",
    ],
)
def test_R58_what_is_no_date_or_lacks_seconds_or_zone_is_refused(text: str) -> None:
    fault = one(small(effectiveDateTime=text))
    assert (fault.kind, fault.where) == ("value", "Observation.effectiveDateTime")


@pytest.mark.parametrize(
    "text",
    [
        "2024",
        "2024-02",
        "2024-02-29",
        "2024-02-20T10:00:00Z",
        "2024-02-20T10:00:00.1234567+14:00",
        "2016-12-31T23:59:60Z",
        "2000-02-29T00:00:00-13:59",
    ],
)
def test_R58_dates_of_any_precision_are_accepted(text: str) -> None:
    assert faults_of(small(effectiveDateTime=text)) == ()


@pytest.mark.parametrize(
    ("elements", "where"),
    [
        ({"id": "x" * 65}, "Observation.id"),
        ({"id": "a_b"}, "Observation.id"),
        ({"issued": "2024-02-20"}, "Observation.issued"),
        ({"valueTime": "24:00:00"}, "Observation.valueTime"),
        ({"valueTime": "10:00"}, "Observation.valueTime"),
        ({"valueTime": "10:00:00Z"}, "Observation.valueTime"),
        ({"implicitRules": "a b"}, "Observation.implicitRules"),
        ({"language": " de"}, "Observation.language"),
        ({"language": "d  e"}, "Observation.language"),
        ({"meta": {"profile": ["a", "a b"]}}, "Observation.meta.profile[1]"),
        ({"meta": {"versionId": "a/b"}}, "Observation.meta.versionId"),
        ({"extension": [{"url": "http://a.b", "valueOid": "1.2.3"}]}, "Observation.extension[0].valueOid"),
        (
            {"extension": [{"url": "http://a.b", "valueUuid": "C757873D-EC9A-4326-A141-556F43239520"}]},
            "Observation.extension[0].valueUuid",
        ),
        ({"extension": [{"url": "http://a.b", "valueBase64Binary": "QUJ"}]}, "Observation.extension[0].valueBase64Binary"),
        ({"extension": [{"url": "http://a.b", "valueBase64Binary": "Q==="}]}, "Observation.extension[0].valueBase64Binary"),
        ({"extension": [{"url": "http://a.b", "valueUrl": "http://"}]}, "Observation.extension[0].valueUrl"),
        ({"extension": [{"url": "http://a.b", "valueUrl": "https://a.b:99999/x"}]}, "Observation.extension[0].valueUrl"),
        ({"extension": [{"url": "http://a.b", "valuePositiveInt": 0}]}, "Observation.extension[0].valuePositiveInt"),
        ({"extension": [{"url": "http://a.b", "valueUnsignedInt": -1}]}, "Observation.extension[0].valueUnsignedInt"),
        ({"valueString": "a\u0000b"}, "Observation.valueString"),
    ],
)
def test_primitives_have_the_form_of_their_type(elements: Resource, where: str) -> None:
    fault = one(small(**elements))
    assert (fault.kind, fault.where) == ("value", where)
    assert fault.spec.startswith("http://hl7.org/fhir/R4/datatypes.html#")


def test_a_string_has_at_most_a_mebibyte_of_characters() -> None:
    assert faults_of(small(valueString="x" * 1_048_576)) == ()
    assert one(small(valueString="x" * 1_048_577)).kind == "value"


# --- extensions of primitives --------------------------------------------------------------------------------------

MASKED = {"extension": [{"url": "http://example.org/x", "valueCode": "masked"}]}


@pytest.mark.parametrize(
    "elements",
    [
        {"name": [{"given": ["A", None], "_given": [None, MASKED]}]},
        {"name": [{"_given": [MASKED]}]},
        {"birthDate": "1960", "_birthDate": {"id": "b"}},
        {"_birthDate": MASKED},
    ],
)
def test_primitives_may_carry_extensions_instead_of_or_beside_a_value(elements: Resource) -> None:
    assert faults_of({"resourceType": "Patient", **elements}) == ()


@pytest.mark.parametrize(
    ("elements", "kind", "where"),
    [
        ({"name": [{"given": ["A", None]}]}, "structure", "Patient.name[0].given[1]"),
        ({"name": [{"given": ["A", None], "_given": [MASKED, None]}]}, "structure", "Patient.name[0].given[1]"),
        ({"name": [{"given": ["A"], "_given": [None, MASKED]}]}, "structure", "Patient.name[0].given"),
        ({"name": [{"given": ["A"], "_given": MASKED}]}, "structure", "Patient.name[0].given"),
        ({"_birthDate": {"id": "b"}}, "invariant", "Patient.birthDate"),
        ({"_birthDate": {}}, "invariant", "Patient.birthDate"),
        ({"_birthDate": None}, "structure", "Patient.birthDate"),
        ({"_birthDate": {**MASKED, "value": 1}}, "structure", "Patient.birthDate.value"),
        ({"_name": [MASKED]}, "structure", "Patient.name"),
        ({"id": "a", "_id": MASKED}, "structure", "Patient.id"),
        ({"extension": [{"url": "http://a.b", "_url": MASKED, "valueCode": "c"}]}, "structure", "Patient.extension[0].url"),
    ],
)
def test_extensions_of_primitives_correspond_to_the_values(elements: Resource, kind: str, where: str) -> None:
    assert brief({"resourceType": "Patient", **elements})[0] == (kind, where)


def test_a_required_primitive_may_be_explained_by_an_extension_but_not_by_an_id() -> None:
    wanting = small()
    del wanting["status"]
    assert faults_of({**wanting, "_status": MASKED}) == ()
    assert ("required", "Observation.status") in brief({**wanting, "_status": {"id": "x"}})


@pytest.mark.parametrize(
    "extension",
    [
        {"url": "http://a.b"},
        {"url": "http://a.b", "valueCode": "c", "extension": [{"url": "d", "valueCode": "e"}]},
    ],
)
def test_an_extension_has_either_a_value_or_extensions(extension: Resource) -> None:
    assert one(small(extension=[extension])).key == "ext-1"


# --- choices, bindings of concepts -----------------------------------------------------------------------------------


def test_a_choice_of_types_is_given_once() -> None:
    fault = one(small(valueString="x", valueInteger=1))
    assert (fault.kind, fault.where) == ("structure", "Observation.valueInteger")
    assert "valueString, valueInteger" in fault.rule


def test_a_required_choice_is_missed() -> None:
    request = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"reference": "Patient/1"}}
    assert brief(request) == [("required", "MedicationRequest.medication")]


def test_concepts_with_a_required_binding_need_one_of_its_codings() -> None:
    wrong = condition()
    wrong["clinicalStatus"]["coding"][0]["system"] = "http://hl7.org/fhir/condition-clinical"
    fault = one(wrong)
    assert (fault.kind, fault.where) == ("code-invalid", "Condition.clinicalStatus")
    wrong["clinicalStatus"]["coding"].append(condition()["clinicalStatus"]["coding"][0])
    assert faults_of(wrong) == ()
    assert brief({**condition(), "clinicalStatus": {"text": "active"}}) == [("code-invalid", "Condition.clinicalStatus")]


# --- references, contained resources ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference",
    [
        "Organization/1",
        "Organization/1/_history/2",
        "https://ehr.example/fhir/Practitioner/1",
        "Practitioner/1",
    ],
)
def test_a_reference_to_a_type_r4_does_not_allow_is_refused(reference: str) -> None:
    fault = one(small(subject={"reference": reference}))
    assert (fault.kind, fault.where) == ("invariant", "Observation.subject")
    assert "Device, Group, Location, Patient" in fault.rule


@pytest.mark.parametrize(
    "reference",
    [
        {"reference": "Patient/1"},
        {"reference": "https://ehr.example/fhir/Patient/1/_history/3"},
        {"reference": "urn:uuid:x"},
        {"reference": "https://ehr.example/x/y"},
        {"reference": "https://ehr.example/Organisations/1"},
        {"type": "Patient"},
        {"identifier": {"system": "s:1", "value": "1"}},
        {"display": "somebody"},
        {"reference": "Patient/1", "type": "Patient"},
    ],
)
def test_references_of_every_form_are_accepted(reference: Resource) -> None:
    assert faults_of(small(subject=reference)) == ()


@pytest.mark.parametrize(
    "reference", [{"reference": "Foo/1"}, {"type": "Organization"}, {"reference": "Patient/1", "type": "Group"}]
)
def test_references_of_unknown_or_contradictory_type_are_refused(reference: Resource) -> None:
    assert len(faults_of(small(subject=reference))) == 1


def test_a_reference_by_full_url_is_compared_with_the_resource_of_that_entry() -> None:
    wrong = bundle()
    wrong["entry"][0]["fullUrl"] = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
    wrong["entry"][1]["resource"]["encounter"] = {"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}
    assert brief(wrong) == [("invariant", "Bundle.entry[1].resource.encounter")]


def organization(**more: Any) -> Resource:
    return {"resourceType": "Organization", "id": "org", "name": "x", **more}


@pytest.mark.parametrize(
    ("elements", "keys"),
    [
        ({"managingOrganization": {"reference": "#other"}}, ["ref-1"]),
        ({"contained": [organization()]}, ["dom-3"]),
        ({"contained": [organization(id="a"), organization(id="b")], "managingOrganization": {"reference": "#b"}}, ["dom-3"]),
        ({"contained": [organization(meta={"versionId": "1"})], "managingOrganization": {"reference": "#org"}}, ["dom-4"]),
        (
            {"contained": [organization(meta={"security": [{"code": "R"}]})], "managingOrganization": {"reference": "#org"}},
            ["dom-5"],
        ),
        ({"contained": [organization(contained=[organization()])], "managingOrganization": {"reference": "#org"}}, ["dom-2"]),
        ({"contained": [organization(partOf={"reference": "#"})]}, []),
        ({"contained": [organization()], "extension": [{"url": "http://a.b", "valueUri": "#org"}]}, []),
        ({"contained": [{"resourceType": "Patient", "id": "org"}], "managingOrganization": {"reference": "#org"}}, [""]),
    ],
)
def test_contained_resources_are_referred_to_and_plain(elements: Resource, keys: list[str]) -> None:
    assert [fault.key for fault in faults_of({"resourceType": "Patient", **elements})] == keys


def test_each_bundle_entry_has_contained_resources_of_its_own() -> None:
    other = small(subject={"reference": "#org"})
    wrong = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient()}, {"resource": other}]}
    assert brief(wrong) == [("invariant", "Bundle.entry[1].resource.subject.reference")]


@pytest.mark.parametrize("literal", ["not a ref", "1"])
def test_a_reference_that_leads_nowhere_is_refused(literal: str) -> None:
    assert brief(small(subject={"reference": literal})) == [("value", "Observation.subject.reference")]


# --- types -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["SubscriptionTopic", "Citation", "Ingredient", "Foo", "patient", "DomainResource", "Resource", "Quantity"]
)
def test_types_that_are_not_resources_of_r4_are_unknown(name: str) -> None:
    fault = one({"resourceType": name})
    assert fault.kind == "structure"
    assert "unknown in FHIR R4" in fault.message


@pytest.mark.parametrize("value", [None, 4, [], {}, "", "Jane Roe 1970-01-01"])
def test_a_resource_type_that_is_no_name_is_refused_without_repeating_it(value: object) -> None:
    for resource in (
        {"resourceType": value},
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": value}}]},
    ):
        fault = one(resource)
        assert fault.kind == "structure"
        assert "Jane" not in fault.message + fault.rule


def test_types_only_r4_has_are_checked_too() -> None:
    product = {
        "resourceType": "MedicinalProduct",
        "name": [{"productName": "x", "countryLanguage": [{"country": {"text": "x"}, "language": {"text": "y"}}]}],
    }
    assert faults_of(product) == ()
    del product["name"][0]["productName"]
    assert brief(product) == [("required", "MedicinalProduct.name[0].productName")]
    assert brief({"resourceType": "Evidence", "status": "active"}) == [("required", "Evidence.exposureBackground")]


# --- other invariants ----------------------------------------------------------------------------------------------------


def entry(**more: Any) -> Resource:
    return {"resource": {"resourceType": "Patient"}, **more}


@pytest.mark.parametrize(
    ("resource", "key", "where"),
    [
        (
            {
                "resourceType": "Bundle",
                "type": "transaction",
                "entry": [entry(request={"method": "POST", "url": "Patient"}), entry()],
            },
            "bdl-3",
            "Bundle.entry[1]",
        ),
        (
            {"resourceType": "Bundle", "type": "collection", "entry": [entry(fullUrl="urn:uuid:1"), entry(fullUrl="urn:uuid:1")]},
            "bdl-7",
            "Bundle.entry[1]",
        ),
        ({"resourceType": "Bundle", "type": "collection", "total": 1}, "bdl-1", "Bundle"),
        (
            {"resourceType": "Bundle", "type": "collection", "entry": [entry(search={"mode": "match"})]},
            "bdl-2",
            "Bundle.entry[0]",
        ),
        ({"resourceType": "Bundle", "type": "batch-response", "entry": [entry()]}, "bdl-4", "Bundle.entry[0]"),
        ({"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:uuid:1"}]}, "bdl-5", "Bundle.entry[0]"),
        (
            {"resourceType": "Bundle", "type": "collection", "entry": [entry(fullUrl="http://a.b/Patient/1/_history/1")]},
            "bdl-8",
            "Bundle.entry[0].fullUrl",
        ),
        ({"resourceType": "Bundle", "type": "message", "entry": [entry()]}, "bdl-12", "Bundle"),
        ({"resourceType": "Parameters", "parameter": [{"name": "x"}]}, "inv-1", "Parameters.parameter[0]"),
        ({"resourceType": "Patient", "contact": [{"gender": "male"}]}, "pat-1", "Patient.contact[0]"),
        ({**condition(), "abatementString": "x"}, "con-4", "Condition"),
        (
            {
                **condition(),
                "verificationStatus": {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "entered-in-error"}
                    ]
                },
            },
            "con-5",
            "Condition",
        ),
        (
            {
                "resourceType": "RiskAssessment",
                "status": "final",
                "subject": {"display": "x"},
                "prediction": [{"probabilityDecimal": 100.5}],
            },
            "ras-2",
            "RiskAssessment.prediction[0]",
        ),
        (
            {
                "resourceType": "ServiceRequest",
                "status": "draft",
                "intent": "proposal",
                "subject": {"display": "x"},
                "orderDetail": [{"text": "x"}],
            },
            "prr-1",
            "ServiceRequest",
        ),
        (small(valueQuantity={"value": 1, "code": "h"}), "qty-3", "Observation.valueQuantity"),
        (small(valueRange={"low": {"value": 3}, "high": {"value": 2}}), "rng-2", "Observation.valueRange"),
        (small(valueRatio={"numerator": {"value": 3}}), "rat-1", "Observation.valueRatio"),
        (small(valuePeriod={"start": "2026-01-02", "end": "2026-01-01"}), "per-1", "Observation.valuePeriod"),
        (small(effectiveTiming={"repeat": {"period": 1}}), "tim-2", "Observation.effectiveTiming.repeat"),
        ({"resourceType": "Patient", "photo": [{"data": "QUJD"}]}, "att-1", "Patient.photo[0]"),
        ({"resourceType": "Patient", "telecom": [{"value": "1"}]}, "cpt-2", "Patient.telecom[0]"),
        ({"resourceType": "Organization", "active": True}, "org-1", "Organization"),
        (
            {
                "resourceType": "Questionnaire",
                "status": "active",
                "item": [{"linkId": "a", "type": "choice"}, {"linkId": "a", "type": "string"}],
            },
            "que-2",
            "Questionnaire",
        ),
        (
            {"resourceType": "Questionnaire", "status": "active", "item": [{"linkId": "a", "type": "group"}]},
            "que-1",
            "Questionnaire.item[0]",
        ),
    ],
)
def test_invariants_name_their_key_and_place(resource: Resource, key: str, where: str) -> None:
    fault = one(resource)
    assert (fault.kind, fault.key, fault.where) == ("invariant", key, where)
    assert fault.rule
    assert fault.repair


@pytest.mark.parametrize(
    "period",
    [
        {"start": "2026-01-01", "end": "2026-01-01"},
        {"start": "2026", "end": "2026-01-01"},
        {"start": "2026-01-01T10:00:00+01:00", "end": "2026-01-01T09:30:00Z"},
        {"start": "2026-01-01T10:00:00Z", "end": "2026-01-01"},
        {"end": "2026"},
    ],
)
def test_periods_of_different_precision_are_compared_as_far_as_both_go(period: Resource) -> None:
    assert faults_of(small(valuePeriod=period)) == ()


def test_a_problem_without_clinical_status_is_a_warning() -> None:
    problem = condition()
    del problem["clinicalStatus"]
    problem["category"] = [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "problem-list-item"}]}
    ]
    verdict = check(problem)
    assert verdict.faults == ()
    assert [warning.key for warning in verdict.warnings] == ["con-3"]


# --- narrative -------------------------------------------------------------------------------------------------------------

XMLNS = 'xmlns="http://www.w3.org/1999/xhtml"'


@pytest.mark.parametrize(
    ("div", "key"),
    [
        (f"<div {XMLNS}><script>x</script></div>", "txt-1"),
        (f"<div {XMLNS}><p onclick='x'>a</p></div>", "txt-1"),
        (f"<div {XMLNS}><a href=' javascript:x'>a</a></div>", "txt-1"),
        (f"<div {XMLNS}>a<br></div>", "txt-1"),
        (f"<div {XMLNS}>&nbsp;</div>", "txt-1"),
        ("<div>a</div>", "txt-1"),
        (f"<p {XMLNS}>a</p>", "txt-1"),
        (f"<div {XMLNS}> </div>", "txt-2"),
        (f'<!DOCTYPE d [<!ENTITY a "{"b" * 10}">]><div {XMLNS}>&a;</div>', "txt-1"),
        ("free text", "txt-1"),
    ],
)
def test_A14_narratives_are_harmless_well_formed_and_not_empty(div: str, key: str) -> None:
    fault = one(small(text={"status": "generated", "div": div}))
    assert (fault.kind, fault.key, fault.where) == ("invariant", key, "Observation.text.div")


def test_a_narrative_has_status_and_div() -> None:
    assert faults_of(small(text=NARRATIVE)) == ()
    assert brief(small(text={"status": "generated"})) == [("required", "Observation.text.div")]
    assert brief(small(text={"status": "nice", "div": NARRATIVE["div"]})) == [("code-invalid", "Observation.text.status")]


# --- nothing of the patient ------------------------------------------------------------------------------------------------


def test_R19_no_fault_repeats_what_somebody_wrote() -> None:
    secret = "Jane Roe, 1 Main Street"
    wrong = observation()
    wrong.update(
        {
            "status": secret,
            "effectiveInstant": secret,
            "valueBoolean": secret,
            secret: 1,
            "subject": {"reference": f"Foo/{secret}"},
            "issued": secret,
            "id": secret,
            "method": secret,
            "note": [{"text": "", "authorReference": {"reference": "Foo/1", "type": secret}}],
            "component": [{"code": {"coding": [{"system": secret}]}, "valueQuantity": {"value": secret, "comparator": secret}}],
            "text": {"status": secret, "div": secret},
            "contained": [{"resourceType": secret}],
        }
    )
    faults = faults_of(wrong)
    assert len(faults) > 12
    said = repr(faults) + str(MalformedInput(faults))
    assert "Jane" not in said
    assert "Main" not in said
    for value in ("Roe", "1960-02-29", "Roe-1960"):
        for fault in faults_of(small(status=value)) + faults_of(
            {"resourceType": "Patient", "gender": value, "birthDate": value + "x"}
        ):
            assert value not in fault.message + fault.rule + fault.repair
    for fault in faults:
        assert fault.rule
        assert fault.repair
        assert fault.message.endswith(".")


def test_bundles_of_observations_stay_ordered_by_place() -> None:
    wrong = bundle()
    for part in wrong["entry"]:
        part["resource"]["nonsense"] = 1
    assert [where for _, where in brief(wrong)] == [f"Bundle.entry[{index}].resource.nonsense" for index in range(4)]


# --- hostile input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "elements",
    [
        {f"x{number}": 1 for number in range(50_000)},
        {"note": [{}] * 50_000},
        {"meta": {"profile": ["a b"] * 50_000}},
    ],
)
def test_endless_faults_are_cut_off_and_said_to_be(elements: Resource) -> None:
    faults = faults_of(small(**elements))
    assert len(faults) == 501
    assert faults[-1].message == "There are more faults than are listed here."


@pytest.mark.parametrize(
    "elements",
    [
        {"extension": [{"url": "http://a.b", "valueBase64Binary": ("QUJD" + " " * 20) * 2_000 + "!"}]},
        {"extension": [{"url": "http://a.b", "valueUrl": "http://" + "a-" * 200_000 + "!"}]},
        {"extension": [{"url": "http://a.b", "valueCode": "a " * 200_000}]},
        {"subject": {"reference": "http://" + "a/" * 200_000}},
        {"text": {"status": "generated", "div": f"<div {XMLNS}>" + "<b>" * 100_000 + "x" + "</b>" * 100_000 + "</div>"}},
        {"text": {"status": "generated", "div": "<" * 300_000}},
    ],
)
def test_no_pattern_takes_long_on_hostile_text(elements: Resource) -> None:
    resource = small(**elements)
    started = time.process_time()  # of this process alone: the machine may be busy
    check(resource)
    assert time.process_time() - started < 1.0
