"""What the hook services say, and when they stay silent."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from support.dated import yesterday
from support.hook_calls import SERVICE, SNOMED, broken_rules, case, hook_call, order, patient_of

from service import hooks
from service.app import create_app
from service.composition.hooks import build_hooks, card_key
from service.composition.parts import Service
from service.errors import InvalidInput
from service.settings import Settings

Resource = dict[str, Any]

ANSWERS = "https://hipspine.example/fhir/CodeSystem/answer"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
HIP_REGION, LUMBAR = "29836001", "122496007"
HIP_MRI, LUMBAR_MRI = "36013-1", "24968-0"
HOOKS = ("patient-view", "encounter-start", "order-select", "order-sign", "encounter-discharge")


def cards(client: FlaskClient, hook: str, resources: list[Resource], **more: Any) -> list[Resource]:
    """The cards of a call, whose response keeps every rule of the specification."""
    orders = more.pop("orders", None)
    headers = more.pop("headers", None)
    response = client.post(f"/cds-services/{hook}", json=hook_call(hook, resources, orders=orders, **more), headers=headers)
    assert response.status_code == 200, response.get_data(as_text=True)
    body = response.get_json()
    assert broken_rules(body) == []
    return body["cards"]


def observation(code: str, value: Resource, *, number: int = 1) -> Resource:
    return {
        "resourceType": "Observation",
        "id": f"observation-{number}",
        "status": "final",
        "code": {"coding": [{"system": "https://hipspine.example/fhir/CodeSystem/finding", "code": code}]},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": yesterday().isoformat(),
        **value,
    }


def answered(code: str) -> Resource:
    return {"valueCodeableConcept": {"coding": [{"system": "https://hipspine.example/fhir/CodeSystem/answer", "code": code}]}}


@pytest.mark.parametrize("name", ["spine", "hip", "both", "sacroiliac", "emergency", "sparse"])
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("language", ["en", "de"])
def test_H13_H14_H15_every_response_keeps_the_rules(client: FlaskClient, name: str, hook: str, language: str) -> None:
    orders = [order(HIP_MRI), order(LUMBAR_MRI, id="order-2"), order("91251008", SNOMED, site=HIP_REGION, id="order-3")]
    told = cards(client, hook, case(name), orders=orders, headers={"Accept-Language": language})
    if hook in ("patient-view", "encounter-start", "encounter-discharge"):
        assert told
    assert len({card["uuid"] for card in told}) == len(told)


def test_T4_a_card_holds_what_is_needed_to_check_it(client: FlaskClient) -> None:
    (card,) = cards(client, "patient-view", case("spine"))
    detail = card["detail"]
    assert "91.54%" in detail and "Spine only" in card["summary"] and card["indicator"] == "info"
    assert "### Why: Spine only" in detail and "### What speaks against it" in detail
    assert "log-odds +0.45" in detail and "](https://doi.org/" in detail
    assert f"QuestionnaireResponse/spine-1, {yesterday()}" in detail and "### Limits" in detail
    assert "Not for emergencies and not for use by patients on their own" in detail
    assert card["source"]["topic"]["code"] == "source"
    assert "Examine next: " in card["summary"]


def test_A12_alarm_signs_come_first_and_are_critical_whatever_the_probability(client: FlaskClient) -> None:
    (first,) = cards(client, "encounter-start", case("emergency"))  # and no source beside it
    assert first["indicator"] == "critical" and "cauda equina" in first["summary"]
    assert first["source"]["topic"]["code"] == "red-flags"
    assert "An emergency has to be excluded first" in first["detail"] and "Leading so far" not in first["detail"]
    drafts = [suggestion["actions"][0]["resource"] for suggestion in first["suggestions"]]
    assert {draft["priority"] for draft in drafts} == {"stat"} and first["selectionBehavior"] == "any"


def test_T1_drafts_are_marked_as_made_by_a_machine(client: FlaskClient) -> None:
    told = cards(client, "encounter-start", case("emergency"))
    drafts = [action["resource"] for card in told for one in card.get("suggestions", ()) for action in one["actions"]]
    assert drafts and all(draft["meta"]["security"][0]["code"] == "AIAST" for draft in drafts)
    assert all(draft["subject"]["reference"] == "Patient/example-emergency" for draft in drafts)
    assert all(draft["encounter"]["reference"] == "Encounter/encounter-1" for draft in drafts)


# --- orders -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_a_hip_mri_is_questioned_when_the_record_points_to_the_spine(client: FlaskClient, hook: str) -> None:
    (card,) = cards(client, hook, case("spine"), orders=[order(HIP_MRI)])
    assert card["indicator"] == "warning" and card["summary"].startswith("MRI of the hip: the record points to another source")
    assert card["selectionBehavior"] == "at-most-one"
    assert [one["label"] for one in card["suggestions"]] == [
        "Replace by: Physiotherapist (lumbar spine)",
        "Replace by: MRI of the lumbar spine",
    ]
    assert [one.get("isRecommended", False) for one in card["suggestions"]] == [True, False]
    removed, added = card["suggestions"][1]["actions"]
    assert removed["type"] == "delete" and removed["resourceId"] == "ServiceRequest/order-1"
    assert added["type"] == "create" and added["resource"]["code"]["coding"][0]["code"] == "mri-lumbar-spine"
    assert "not a refusal" in card["detail"] and "Spine only: 91.54%" in card["detail"]


@pytest.mark.parametrize(
    "placed",
    [
        order(HIP_MRI),
        order("241639000", SNOMED),
        order("mri-hip-left", SERVICE),
        order("24762-7"),
        order("intra-articular-hip-injection", SERVICE),
        order("27813003", SNOMED, site="24136001"),
        order("91251008", SNOMED, site=HIP_REGION),
        order("308447003", SNOMED, site=HIP_REGION),
    ],
    ids=["mri-loinc", "mri-snomed", "mri-own", "radiograph", "injection-own", "injection-site", "physio", "physio-referral"],
)
def test_every_hip_order_is_recognised_by_its_codes(client: FlaskClient, placed: Resource) -> None:
    assert len(cards(client, "order-sign", case("spine"), orders=[placed])) == 1
    assert cards(client, "order-sign", case("hip"), orders=[placed]) == []


@pytest.mark.parametrize(
    "placed",
    [
        order("27813003", SNOMED),
        order("27813003", SNOMED, site="72696002"),
        order("91251008", SNOMED),
        order("91251008", SNOMED, site=LUMBAR),
        order(HIP_MRI, SNOMED),
        order("99999-9"),
        order(HIP_MRI, doNotPerform=True),
        order("", code={"text": "MRI of the hip"}),
        {"resourceType": "MedicationRequest", "id": "order-1", "status": "draft"},
    ],
    ids=["injection", "knee", "physio", "physio-back", "wrong-system", "unknown", "not-to-do", "text", "medicine"],
)
def test_an_order_that_no_code_places_at_hip_or_spine_is_left_alone(client: FlaskClient, placed: Resource) -> None:
    assert cards(client, "order-sign", case("spine"), orders=[placed]) == []


@pytest.mark.parametrize(
    "placed",
    [
        order(LUMBAR_MRI),
        order("433141005", SNOMED),
        order("lumbar-spine-injection", SERVICE),
        order("ref-spine-surgery", SERVICE),
        order("", code={"text": "operation"}, category=[{"coding": [{"system": SNOMED, "code": "387713003"}]}], site=LUMBAR),
    ],
    ids=["mri", "mri-lumbosacral", "injection", "surgeon", "operation"],
)
def test_a_lumbar_order_is_questioned_when_the_hip_is_the_likelier_source(client: FlaskClient, placed: Resource) -> None:
    (card,) = cards(client, "order-sign", case("hip"), orders=[placed])
    assert "Hip only" in card["summary"] and any("hip" in one["label"].lower() for one in card["suggestions"])
    assert cards(client, "order-sign", case("spine"), orders=[placed]) == []


def test_physiotherapy_of_the_hip_is_pointed_to_the_spine_and_not_replaced(client: FlaskClient) -> None:
    placed = order("91251008", SNOMED, site=HIP_REGION, note=[{"text": "twice a week"}])
    (card,) = cards(client, "order-sign", case("spine"), orders=[placed])
    (action,) = card["suggestions"][0]["actions"]
    assert action["type"] == "update" and action["resource"]["id"] == "order-1"
    assert action["resource"]["bodySite"][0]["coding"][0]["code"] == LUMBAR
    assert action["resource"]["note"][0]["text"] == "twice a week"
    assert {**action["resource"], "bodySite": placed["bodySite"], "note": placed["note"]} == placed


@pytest.mark.parametrize(
    ("finding", "answer"),
    [
        ("failed_hip_treatment", "present"),
        ("hip_treatment_response", "not-better"),
        ("hip_injection_relief", "under-50"),
        ("hip_imaging_normal", "mri-normal"),
    ],
)
def test_K16_K35_failed_treatment_or_a_normal_hip_mri_is_reason_enough(client: FlaskClient, finding: str, answer: str) -> None:
    record = [observation(finding, answered(answer)), observation("lbp_present", answered("present"), number=2)]
    (card,) = cards(client, "order-select", record, orders=[order(HIP_MRI)])
    assert "speaks against the hip joint" in card["detail"]
    first = card["suggestions"][0]
    assert first["label"] == "Replace by: MRI of the lumbar spine" and first["isRecommended"]


def test_K35_a_sign_against_the_hip_is_told_but_advises_nothing_against_a_record_that_speaks_for_it(client: FlaskClient) -> None:
    signs = ("hip_xray_oa", "hip_ir_reduced", "pain_groin", "hip_ir_load_pain", "log_roll", "scour", "fadir")
    record = [observation(one, answered("present"), number=number) for number, one in enumerate(signs)]
    assert cards(client, "order-select", record, orders=[order(HIP_MRI)]) == []
    record.append(observation("failed_hip_treatment", answered("present"), number=9))
    (card,) = cards(client, "order-select", record, orders=[order(HIP_MRI)])
    assert card["indicator"] == "info" and "speaks against the hip joint" in card["detail"]
    assert not any(one.get("isRecommended") for one in card["suggestions"])
    assert {action["type"] for one in card["suggestions"] for action in one["actions"]} <= {"create"}


@pytest.mark.parametrize("more", [{"priority": "stat"}, {"priority": "asap"}, {"status": "active"}], ids=str)
def test_no_order_that_presses_or_is_no_draft_any_more_is_offered_for_removal(client: FlaskClient, more: Resource) -> None:
    def removed(placed: Resource) -> set[str]:
        (card,) = cards(client, "order-sign", case("spine"), orders=[placed])
        return {action["type"] for one in card["suggestions"] for action in one["actions"]}

    assert "delete" in removed(order(HIP_MRI))
    assert "delete" not in removed(order(HIP_MRI, **more))


@pytest.mark.parametrize("whose", ["Patient/somebody-else", "https://other.example/fhir/Patient/somebody-else"])
def test_the_order_of_another_patient_is_left_alone(client: FlaskClient, whose: str) -> None:
    assert cards(client, "order-sign", case("spine"), orders=[order(HIP_MRI, subject={"reference": whose})]) == []
    assert len(cards(client, "order-sign", case("spine"), orders=[order(HIP_MRI)])) == 1


def test_no_order_is_talked_down_while_an_alarm_sign_presses(client: FlaskClient) -> None:
    told = cards(client, "order-sign", case("emergency"), orders=[order(HIP_MRI)])
    assert [card["source"]["topic"]["code"] for card in told] == ["red-flags"]
    # Also where the record points to the spine so clearly that the order would be questioned without the sign.
    text = json.dumps(case("spine"))
    before = f'{{"linkId": "saddle_anaesthesia", "answer": [{{"valueCoding": {{"system": "{ANSWERS}", "code": "absent"}}}}]}}'
    assert before in text
    alarming = json.loads(text.replace(before, before.replace("absent", "present")))
    told = cards(client, "order-sign", alarming, orders=[order(HIP_MRI)])
    assert [card["source"]["topic"]["code"] for card in told] == ["red-flags"] and "Spine only" in told[0]["detail"]


def test_what_the_assessment_itself_proposes_is_not_questioned(client: FlaskClient) -> None:
    told = cards(client, "order-sign", case("both"), orders=[order(LUMBAR_MRI)])
    assert "order" not in [card["source"]["topic"]["code"] for card in told]


@pytest.mark.parametrize("status", ["revoked", "completed", "entered-in-error"])
def test_an_order_that_nobody_can_act_on_is_left_alone(client: FlaskClient, status: str) -> None:
    assert cards(client, "order-sign", case("spine"), orders=[order(HIP_MRI, status=status)]) == []


def test_what_is_not_settled_is_said_so_and_weighs_less(client: FlaskClient) -> None:
    record = [observation(one, answered("present"), number=n) for n, one in enumerate(("pain_below_knee", "slr", "worse_cough"))]
    (card,) = cards(client, "order-select", record, orders=[order(HIP_MRI)])
    assert card["indicator"] == "info" and "not settled" in card["summary"] and "Cannot tell yet" in card["detail"]


def test_order_select_speaks_of_the_selected_orders_alone(client: FlaskClient) -> None:
    body = hook_call("order-select", case("spine"), orders=[order(HIP_MRI), order("24762-7", id="order-2")])
    body["context"]["selections"] = ["ServiceRequest/order-2"]
    (card,) = client.post("/cds-services/order-select", json=body).get_json()["cards"]
    assert "ServiceRequest/order-2" in card["detail"] and "order-1" not in json.dumps(card)
    body["context"]["selections"] = ["ServiceRequest/order-2", "ServiceRequest/unheard-of"]
    assert len(client.post("/cds-services/order-select", json=body).get_json()["cards"]) == 2  # it may mean any of them
    body["context"]["selections"] = []
    assert client.post("/cds-services/order-select", json=body).get_json()["cards"] == []
    body |= {"hook": "order-sign"}  # which has no selections
    assert len(client.post("/cds-services/order-sign", json=body).get_json()["cards"]) == 2


# --- silence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", HOOKS)
def test_the_services_are_silent_about_patients_without_hip_or_back_pain(client: FlaskClient, hook: str) -> None:
    record = [
        {"resourceType": "Patient", "id": "1", "gender": "female", "birthDate": "1950-01-01"},
        observation("cancer_history", answered("present")),
        observation("fever", answered("present"), number=2),
        {
            "resourceType": "Condition",
            "id": "c",
            "subject": {"reference": "Patient/1"},
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M81.0"}]},
        },
    ]
    assert cards(client, hook, record, orders=[order("99999-9")]) == []


UNSPECIFIC = json.loads((Path(hooks.__file__).parent / "silence.json").read_text(encoding="utf-8"))["unspecific"]
PRESSING_ALONE = [
    "saddle_anaesthesia",
    "urinary_retention_incontinence",
    "faecal_incontinence",
    "anal_tone_reduced",
    "pvr_over_200",
    "progressive_motor_deficit",
    "umn_signs",
    "pulsatile_abdomen",
    "trauma_significant",
    "unable_to_bear_weight",
    "unable_to_stand",
]


@pytest.mark.parametrize("hook", ["patient-view", "encounter-start", "encounter-discharge"])
@pytest.mark.parametrize("finding", PRESSING_ALONE)
def test_A12_an_alarm_sign_speaks_although_no_pain_is_recorded(client: FlaskClient, hook: str, finding: str) -> None:
    (card,) = cards(client, hook, [observation(finding, {"valueBoolean": True})])
    assert card["indicator"] == "critical" and card["source"]["topic"]["code"] == "red-flags"
    assert cards(client, hook, [observation(finding, {"valueBoolean": False})]) == []


@pytest.mark.parametrize(
    ("finding", "value", "shown"),
    [
        ("saddle_anaesthesia", {"valueString": "yes"}, ["unseen"]),
        ("saddle_anaesthesia", {"valueCodeableConcept": {"text": "positive"}}, ["unseen"]),
        ("saddle_anaesthesia", {}, ["unseen"]),
        ("saddle_anaesthesia", {"valueString": "yes", "status": "entered-in-error"}, []),
        ("fever", {"valueString": "yes"}, []),  # of patients without the pain not even a fever that is there leads to a card
        ("worse_cough", {"valueString": "yes"}, []),
    ],
)
def test_A12_an_alarm_sign_whose_value_is_not_understood_is_not_hidden(
    client: FlaskClient, finding: str, value: Resource, shown: list[str]
) -> None:
    record = [observation(finding, value)]
    told = cards(client, "encounter-start", record)
    assert [card["source"]["topic"]["code"] for card in told] == shown
    assert all("Observation/observation-1: about a finding, but what it says" in card["detail"] for card in told)
    (card,) = cards(client, "encounter-start", [*record, observation("pain_lateral_hip", answered("present"), number=2)])
    assert ("what it says of it was not understood" in card["detail"]) == ("status" not in value)


@pytest.mark.parametrize("finding", UNSPECIFIC)
def test_signs_that_many_patients_have_for_other_reasons_stay_silent_without_the_pain(client: FlaskClient, finding: str) -> None:
    told = {"valueBoolean": True}
    assert cards(client, "encounter-start", [observation(finding, told)]) == []
    both = [observation(finding, told), observation("saddle_anaesthesia", told, number=2)]
    (card,) = cards(client, "encounter-start", both)
    assert card["indicator"] == "critical" and "cauda equina" in card["detail"].lower()


@pytest.mark.parametrize(("code", "words"), [("S72.001A", "Fracture of femur"), ("G83.4", "Cauda equina syndrome")])
@pytest.mark.parametrize("hook", ["patient-view", "encounter-start"])
def test_A4_a_dangerous_diagnosis_on_the_problem_list_stands_on_top_of_the_cards(
    client: FlaskClient, hook: str, code: str, words: str
) -> None:
    problem = {
        "resourceType": "Condition", "id": "problem-1", "subject": {"reference": "Patient/1"},
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]},
    }
    first = cards(client, hook, [problem, observation("pain_groin", answered("present"))])[0]
    assert first["source"]["topic"]["code"] == "red-flags" and f"on the problem list: {words}" in first["detail"]
    assert cards(client, hook, [problem]) == []  # who keeps the list knows it; news is the pain beside it


@pytest.mark.parametrize(
    ("subject", "alarm"),
    [
        ("Patient/1", True),
        ("https://ehr.example/fhir/Patient/1", True),
        ("https://ehr.example/fhir/Patient/1/_history/2", True),
        ("https://other-hospital.example/fhir/Patient/1", False),
        ("https://ehr.example/fhir/Patient/2", False),
    ],
)
def test_B5_a_patient_of_another_server_is_another_patient(client: FlaskClient, subject: str, alarm: bool) -> None:
    record = [observation("pain_groin", answered("present")), observation("fever", answered("present"), number=2)]
    record[1]["subject"] = {"reference": subject}
    first = cards(client, "patient-view", record, fhirServer="https://ehr.example/fhir")[0]
    assert (first["indicator"] == "critical") is alarm
    assert ("another patient" in first["detail"]) is not alarm


def test_A3_an_acute_sign_of_years_ago_is_no_alarm_today(client: FlaskClient) -> None:
    old = {**answered("present"), "effectiveDateTime": "2019-01-01"}
    (card,) = cards(client, "patient-view", [observation("fever", old), observation("pain_groin", answered("present"), number=2)])
    assert card["indicator"] == "info"
    assert cards(client, "patient-view", [observation("saddle_anaesthesia", old)]) == []


def test_the_same_signs_are_an_alarm_once_the_pain_is_known(client: FlaskClient) -> None:
    record = [observation("fever", answered("present")), observation("pain_groin", answered("present"), number=2)]
    assert cards(client, "patient-view", record)[0]["indicator"] == "critical"


def test_hip_pain_on_the_problem_list_without_findings_asks_for_them(client: FlaskClient) -> None:
    pain = {
        "resourceType": "Condition",
        "id": "c",
        "subject": {"reference": "Patient/1"},
        "code": {"coding": [{"system": SNOMED, "code": "49218002"}]},
    }
    (card,) = cards(client, "patient-view", [pain])
    assert card["source"]["topic"]["code"] == "form"
    assert card["links"][0]["url"].endswith("/fhir/Questionnaire/hip-spine-intake")
    resolved = {**pain, "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "resolved"}]}}
    assert cards(client, "patient-view", [resolved]) == []


def test_the_reason_of_the_encounter_is_a_complaint_too(client: FlaskClient) -> None:
    encounter = {"resourceType": "Encounter", "id": "encounter-1", "status": "in-progress", "class": {"code": "AMB"}}
    body = hook_call("encounter-start", [{"resourceType": "Patient", "id": "1"}])
    for reason, shown in (("49218002", ["form"]), ("22298006", [])):
        body["prefetch"]["encounter"] = {**encounter, "reasonCode": [{"coding": [{"system": SNOMED, "code": reason}]}]}
        told = client.post("/cds-services/encounter-start", json=body).get_json()["cards"]
        assert [card["source"]["topic"]["code"] for card in told] == shown
        body["prefetch"]["encounter"]["subject"] = {"reference": "Patient/somebody-else"}  # whose reason is not this patient's
        assert client.post("/cds-services/encounter-start", json=body).get_json()["cards"] == []


# --- identity, words ----------------------------------------------------------------------------------------------


def test_H15_the_same_advice_in_the_same_encounter_has_the_same_uuids(client: FlaskClient) -> None:
    def uuids(body: Resource) -> list[str]:
        told = client.post(f"/cds-services/{body['hook']}", json=body).get_json()["cards"]
        return [one for card in told for one in (card["uuid"], *(part["uuid"] for part in card.get("suggestions", ())))]

    first = hook_call("order-select", case("spine"), orders=[order(HIP_MRI)])
    again = hook_call("order-sign", case("spine"), orders=[order(HIP_MRI)])
    elsewhere = hook_call("order-select", case("spine"), orders=[order(HIP_MRI)])
    elsewhere["context"]["encounterId"] = "encounter-2"
    assert uuids(first) == uuids(again) and len(set(uuids(first))) == 3
    assert not set(uuids(first)) & set(uuids(elsewhere))


def test_H15_uuids_are_of_one_installation_and_nobody_else_can_make_them(
    service: Service, settings: Settings, database_url: str, tmp_path: Path
) -> None:
    def uuids(**changed: Any) -> set[str]:
        other = replace(settings, **{"database_url": "none", **changed})
        parts = build_hooks(other, service.parts, service.outbound, service.hooks.limits)
        app = create_app(other, service=replace(service, hooks=parts))
        told = app.test_client().post("/cds-services/order-sign", json=body).get_json()["cards"]
        if (store := app.extensions["hipspine-store"]) is not None:
            store.close()
        return {one for card in told for one in (card["uuid"], *(part["uuid"] for part in card.get("suggestions", ())))}

    body = hook_call("order-sign", case("spine"), orders=[order(HIP_MRI)])
    key = tmp_path / "key"
    key.write_text("k" * 32 + "\n", encoding="utf-8")
    first, second = uuids(), uuids()
    assert len(first) == len(second) == 3 and not first & second  # nothing is shared, so each process has a key of its own
    shared = uuids(database_url=database_url)
    assert uuids(database_url=database_url) == shared and not shared & first
    given = uuids(hooks_card_key=str(key))
    assert uuids(hooks_card_key=str(key), database_url=database_url) == given and not given & shared
    body["fhirServer"] = "https://ehr.example/fhir"
    assert not uuids(hooks_card_key=str(key)) & given  # another record system's patients may have the same ids


def test_H15_a_key_that_anybody_could_guess_stops_the_start(settings: Settings, tmp_path: Path) -> None:
    for place, told in ((tmp_path / "none", "cannot be read"), (tmp_path / "short", "fewer than 32 bytes")):
        (tmp_path / "short").write_text("short", encoding="utf-8")
        with pytest.raises(InvalidInput) as refused:
            card_key(replace(settings, hooks_card_key=str(place)))
        assert refused.value.faults[0].where == "HIPSPINE_HOOKS_CARD_KEY" and told in refused.value.faults[0].message


def test_H15_nothing_of_the_request_acts_as_markup(client: FlaskClient) -> None:
    evil = "<script>alert(1)</script>[x](javascript:alert(1))"
    placed = order(HIP_MRI, id=evil)
    body = hook_call("order-sign", case("spine"), orders=[placed])
    body["prefetch"]["forms"]["entry"][0]["resource"]["subject"]["display"] = evil
    told = client.post("/cds-services/order-sign", json=body).get_json()
    text = json.dumps([card["detail"] for card in told["cards"]])
    assert told["cards"] and "<script" not in text and "[x](" not in text


def test_cards_speak_the_language_of_the_caller(client: FlaskClient) -> None:
    german = {"Accept-Language": "de-AT, en;q=0.5"}
    (card,) = cards(client, "order-sign", case("spine"), orders=[order(HIP_MRI)], headers=german)
    assert card["summary"].startswith("MRT der Hüfte: Die Akte spricht für eine andere Quelle")
    assert card["overrideReasons"][-1]["display"] == "Ich teile die Beurteilung nicht"
    assert "Nicht für Notfälle" in card["detail"]


def test_discharge_brings_the_plan_and_the_day_to_assess_again(client: FlaskClient) -> None:
    (card,) = cards(client, "encounter-discharge", case("spine"))
    assert "assess again by 2" in card["summary"] and "### Plan" in card["detail"]
    assert "Advice:" in card["detail"] and "Evidence grade" in card["detail"]
    assert card["detail"].index("### Plan") < card["detail"].index("No red flag is raised")  # what to do before what it rests on
    assert card["suggestions"][0]["label"] == "Add: Physiotherapist (lumbar spine)"


# --- the same figures through every door ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["spine", "hip", "both", "sacroiliac", "emergency", "sparse"])
def test_H22_hook_and_operation_give_the_same_probabilities(client: FlaskClient, name: str) -> None:
    resources = case(name)
    parameters = [{"name": "subject", "valueReference": {"reference": f"Patient/{patient_of(resources)}"}}] + [
        {"name": "resource", "resource": one} for one in resources if one["resourceType"] != "Encounter"
    ]
    assessed = client.post("/fhir/$assess", json={"resourceType": "Parameters", "parameter": parameters})
    rows = assessed.get_json(force=True)["prediction"]
    told = cards(client, "patient-view", resources)[-1]["detail"]
    for row in rows[:5]:
        assert f"| {row['outcome']['coding'][0]['display']} | {row['probabilityDecimal']:.2f}% |" in told


@pytest.mark.parametrize("name", ["spine", "emergency"])
def test_H22_hook_and_transaction_give_the_same_probabilities(client: FlaskClient, name: str) -> None:
    resources = [one for one in case(name) if one["resourceType"] != "Encounter"]
    patient = next((one for one in resources if one["resourceType"] == "Patient"), None)
    patient = patient or {"resourceType": "Patient", "id": patient_of(resources)}
    entries = [
        {
            "fullUrl": f"urn:uuid:{uuid.uuid4()}",
            "resource": {key: value for key, value in one.items() if key != "encounter"},
            "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"},
        }
        for one in (patient, *(one for one in resources if one is not patient))
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = client.post("/fhir", json=bundle, headers={"Prefer": "assess"}).get_json(force=True)
    stored = answer["entry"][-1]["resource"]
    assert stored["resourceType"] == "RiskAssessment"
    told = cards(client, "patient-view", resources)[-1]["detail"]
    for row in stored["prediction"][:5]:
        assert f"| {row['outcome']['coding'][0]['display']} | {row['probabilityDecimal']:.2f}% |" in told
