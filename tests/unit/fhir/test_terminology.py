"""What the terminology answers about codes, and what it refuses to load."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import KnowledgeBaseError
from service.fhir.terminology import CANONICAL_BASE, ICD10CM, LOINC, SNOMED, Terminology, load_terminology
from service.fhir.units import load_units

FOLDER = Path(__file__).parents[3] / "terminology"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ABSENT_REASON = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
GENDER = "http://hl7.org/fhir/administrative-gender"


@pytest.fixture(scope="module")
def terminology() -> Terminology:
    return load_terminology(FOLDER, CANONICAL_BASE)


def concept(*codings: tuple[str, str]) -> dict:
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


def sent(codings: list[dict]) -> list[tuple[str, str]]:
    return [(coding["system"], coding["code"]) for coding in codings]


# --- loading ----------------------------------------------------------------------------------------------------------


def test_the_canonical_base_is_replaced_everywhere(terminology):
    moved = load_terminology(FOLDER, "https://clinic.example/r4/")
    assert moved.base_url == "https://clinic.example/r4"
    assert moved.system("finding") == "https://clinic.example/r4/CodeSystem/finding"
    for kind in ("CodeSystem", "ValueSet", "ConceptMap"):
        assert len(moved.resources(kind)) == len(terminology.resources(kind)) > 0
        assert CANONICAL_BASE not in json.dumps(moved.resources(kind))
    assert moved.to_finding(moved.system("finding"), "fever").finding_id == "fever"
    assert moved.to_finding(terminology.system("finding"), "fever") is None


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "terminology"))


def edit(path: Path, change) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_every_defect_is_listed_at_once(folder):
    (folder / "codesystems" / "urgency.json").write_text("{", encoding="utf-8")
    shutil.copy(folder / "codesystems" / "answer.json", folder / "codesystems" / "copy.json")
    edit(folder / "codesystems" / "finding.json", lambda r: r["concept"].append(dict(r["concept"][0])))
    edit(folder / "codesystems" / "condition.json", lambda r: r.update(url="https://elsewhere.example/CodeSystem/condition"))
    edit(folder / "valuesets" / "yes-no-unknown.json", lambda r: r["compose"]["include"][0]["concept"].append({"code": "maybe"}))
    edit(folder / "conceptmaps" / "finding-to-snomed.json", lambda r: r["group"][0]["element"][0].update(code="no_such_finding"))
    edit(folder / "conceptmaps" / "finding-to-loinc.json",
         lambda r: r["group"][0]["element"][0]["target"][0].update(equivalence="same"))
    rows = "unit,kind,offset,factor,name\nCel,temperature,0,zero,x\nK,temperature,0,0,x\n"
    (folder / "units.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(KnowledgeBaseError) as caught:
        load_terminology(folder, CANONICAL_BASE)
    places = [(fault.where, fault.kind) for fault in caught.value.faults]
    findings = len(json.loads((FOLDER / "codesystems" / "finding.json").read_text(encoding="utf-8"))["concept"])
    for expected in [
        ("codesystems/urgency.json", "structure"),
        ("codesystems/copy.json", "value"),
        (f"CodeSystem/finding.concept[{findings}].code", "value"),
        ("CodeSystem/finding.count", "value"),
        ("CodeSystem/condition.url", "value"),
        ("ConceptMap/finding-to-snomed.group[0].element[0].code", "code-invalid"),
        ("ValueSet/yes-no-unknown.compose.include[0]", "code-invalid"),
        ("units.csv:2", "value"),
        ("units.csv:3", "value"),
    ]:
        assert expected in places
    assert any(where.startswith("ConceptMap/finding-to-loinc.group[0]") and kind == "code-invalid" for where, kind in places)


def test_an_empty_folder_is_refused_with_what_is_missing(tmp_path):
    with pytest.raises(KnowledgeBaseError) as caught:
        load_terminology(tmp_path, CANONICAL_BASE)
    assert {fault.kind for fault in caught.value.faults} == {"required", "structure"}
    assert len(caught.value.faults) == 4


# --- resources and codes ----------------------------------------------------------------------------------------------


def test_resources_are_found_by_id_and_by_canonical_with_or_without_version(terminology):
    found = terminology.resource("CodeSystem", "source-pattern")
    assert terminology.by_url(found["url"]) is found
    assert terminology.by_url(found["url"] + "|0.1.0") is found
    assert terminology.by_url(found["url"] + "|9.9.9") is None
    assert terminology.by_url("https://elsewhere.example/x") is None
    assert terminology.resource("CodeSystem", "nothing") is None
    with pytest.raises(KeyError):
        terminology.system("nothing")


def test_own_codes_are_known_and_case_sensitive(terminology):
    finding = terminology.system("finding")
    assert terminology.has(finding, "pain_groin")
    assert not terminology.has(finding, "Pain_Groin")
    assert terminology.display(finding, "pain_groin") == "Groin pain"
    assert not terminology.has(SNOMED, "102570003")
    assert terminology.display(SNOMED, "102570003") == "Inguinal pain (finding)"
    assert terminology.display(SNOMED, "1") is None
    assert terminology.coding("urgency", "soon")["display"] == "Soon"


def test_a_value_set_expands_to_codings_with_displays(terminology):
    assert [coding["code"] for coding in terminology.expand("yes-no-unknown")] == ["present", "absent", "unknown"]
    assert [coding["code"] for coding in terminology.expand("answers-morning-stiffness")] == [
        "none", "under-20-min", "20-30-min", "31-60-min", "over-60-min", "unknown",
    ]
    assert len(terminology.expand("condition-outcome")) == 27
    assert len(terminology.expand("source-pattern")) == 9


# --- inbound: findings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("system", "code", "finding", "asserts", "denies"), [
    (SNOMED, "102570003", "pain_groin", True, True),
    (SNOMED, "279039007", "lbp_present", True, True),
    (SNOMED, "267982002", "lbp_present", True, False),
    (SNOMED, "449813001", "saddle_anaesthesia", True, True),
    (SNOMED, "267064002", "urinary_retention_incontinence", True, False),
    (SNOMED, "40492006", "urinary_retention_incontinence", False, True),
    (SNOMED, "285674009", "unable_to_bear_weight", True, True),
    (SNOMED, "228388006", "ivdu_immunosuppression", True, False),
    (SNOMED, "417746004", "trauma_significant", False, True),
    (SNOMED, "297279009", "corticosteroid_use", False, False),
    (ICD10CM, "R50.9", "fever", True, True),
    (ICD10CM, "M54.50", "lbp_present", True, True),
    (ICD10CM, "M81.0", "osteoporosis", True, False),
    (LOINC, "72514-3", "pain_intensity", True, True),
])
def test_a_code_asserts_or_denies_a_finding_as_its_meaning_allows(terminology, system, code, finding, asserts, denies):
    match = terminology.to_finding(system, code)
    assert (match.finding_id, match.may_assert, match.may_deny) == (finding, asserts, denies)


def test_a_wider_code_never_asserts_the_special_case(terminology):
    matches = terminology.to_findings(SNOMED, "22325002")  # any abnormal gait
    assert {match.finding_id for match in matches} >= {"gait_trendelenburg", "limp"}
    assert not any(match.may_assert for match in matches)
    assert {match.comment for match in matches} == {"Any abnormal gait."}


def test_C3_a_code_without_its_system_or_in_another_case_is_unknown(terminology):
    assert terminology.to_finding("", "102570003") is None
    assert terminology.to_finding(LOINC, "102570003") is None
    assert terminology.to_finding(ICD10CM, "r50.9") is None
    assert terminology.to_finding(terminology.system("condition"), "hip_oa") is None


def test_every_finding_is_its_own_exact_match(terminology):
    for coding in terminology.expand("finding"):
        match = terminology.to_finding(coding["system"], coding["code"])
        assert (match.finding_id, match.equivalence, match.may_assert, match.may_deny) == (coding["code"], "equal", True, True)


def test_an_outbound_finding_is_read_back_as_itself(terminology):
    for coding in terminology.expand("finding"):
        for other in terminology.outbound_finding(coding["code"]):
            match = terminology.to_finding(other["system"], other["code"])
            assert (match.finding_id, match.may_assert, match.may_deny) == (coding["code"], True, True)


def test_diagnoses_and_complaints_are_recognised_as_such(terminology):
    assert terminology.to_condition(SNOMED, "239872002") == "hip_oa"
    assert terminology.to_condition(ICD10CM, "M16.11") == "hip_oa"
    assert terminology.to_condition(SNOMED, "18347007") is None  # stenosis without claudication is not ours
    assert terminology.to_symptom(SNOMED, "49218002") == "hip-pain"
    assert terminology.to_symptom(ICD10CM, "M25.552") == "hip-pain"
    assert terminology.to_finding(SNOMED, "49218002") is None
    assert terminology.asks_for_any_finding(concept((terminology.system("service"), "any-finding")))
    assert not terminology.asks_for_any_finding(concept((SNOMED, "49218002")))
    assert not terminology.asks_for_any_finding(None)


# --- inbound: answers and sides -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("system", "code", "answer"), [
    (SNOMED, "52101004", "present"), (SNOMED, "10828004", "present"), (SNOMED, "2667000", "absent"),
    (SNOMED, "260385009", "absent"), (SNOMED, "410516002", "absent"), (SNOMED, "261665006", "unknown"),
    (SNOMED, "385660001", "unknown"), (SNOMED, "262008008", "unknown"),
    (INTERPRETATION, "POS", "present"), (INTERPRETATION, "NEG", "absent"), (INTERPRETATION, "IND", "unknown"),
    (LOINC, "LA33-6", "present"), (LOINC, "LA32-8", "absent"), (LOINC, "LA9633-4", "present"), (LOINC, "LA9634-2", "absent"),
    (LOINC, "LA6576-8", "present"), (LOINC, "LA6577-6", "absent"), (LOINC, "LA4489-6", "unknown"),
    (ABSENT_REASON, "not-performed", "unknown"), (GENDER, "female", "female"), (GENDER, "other", "unknown"),
    (INTERPRETATION, "H", None), (SNOMED, "49218002", None), ("", "present", None),
])
def test_C4_answers_in_foreign_codes_are_read(terminology, system, code, answer):
    assert terminology.to_answer(system, code) == answer


def test_own_answer_codes_are_read_as_they_are(terminology):
    for coding in terminology.expand("answer"):
        assert terminology.to_answer(coding["system"], coding["code"]) == coding["code"]
    assert terminology.to_answer(terminology.system("answer"), "perhaps") is None


@pytest.mark.parametrize(("choice", "code"), [
    ("20-30 min", "20-30-min"), ("groin or anterior pain", "groin-or-anterior-pain"),
    ("posterior or SIJ pain", "posterior-or-sij-pain"),
    ("80% or more", "80-or-more"), ("50-79%", "50-79"), ("under 50%", "under-50"),
    ("70 and over", "70-and-over"), ("MRI normal", "mri-normal"),
])
def test_a_choice_becomes_a_code_by_one_rule_and_is_found_again(terminology, choice, code):
    assert terminology.answer_code(choice) == code
    assert terminology.display(terminology.system("answer"), code) == choice
    assert terminology.choice_for(["something else", choice], code) == choice


def test_absent_means_the_choice_that_says_so_and_present_means_none(terminology):
    assert terminology.choice_for(["none", "under 20 min"], "absent") == "none"
    assert terminology.choice_for(["negative", "groin or anterior pain"], "absent") == "negative"
    assert terminology.choice_for(["female", "male"], "absent") is None
    assert terminology.choice_for(["negative", "groin or anterior pain"], "present") is None
    assert terminology.choice_for(["not done", "none"], "unknown") is None
    assert terminology.property("answer", "not-done", "reads-as") == "unknown"


@pytest.mark.parametrize(("codings", "side"), [
    ([(SNOMED, "7771000")], "left"), ([(SNOMED, "24028007")], "right"), ([(SNOMED, "51440002")], "bilateral"),
    ([(SNOMED, "287679003")], "left"), ([(SNOMED, "287579007")], "right"),
    ([(SNOMED, "24136001"), (SNOMED, "24028007")], "right"),
    ([(ICD10CM, "M25.551")], "right"), ([(ICD10CM, "M25.551"), (ICD10CM, "M25.552")], "bilateral"),
    ([(ICD10CM, "M16.0")], "bilateral"),
    ([(ICD10CM, "M25.559")], None), ([(SNOMED, "24136001")], None), ([("", "7771000")], None), ([], None),
])
def test_C11_the_side_is_read_from_any_coding_of_a_concept(terminology, codings, side):
    assert terminology.side_of(concept(*codings)) == side


def test_C11_free_text_states_no_side(terminology):
    assert terminology.side_of({"text": "left hip"}) is None
    assert terminology.side_of(None) is None


def test_body_sites_are_recognised_sided_or_not(terminology):
    assert terminology.to_body_site(SNOMED, "26893007") == "groin"
    assert terminology.to_body_site(SNOMED, "287679003") == "hip-region-left"
    assert terminology.to_body_site(SNOMED, "7771000") is None


# --- outbound -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("condition", "side", "leaves"), [
    ("hip_oa", "right", ["M16.11"]), ("hip_oa", "left", ["M16.12"]), ("hip_oa", "bilateral", ["M16.0"]),
    ("hip_oa", None, ["M16.9"]),
    ("gtps", "left", ["M70.62"]), ("gtps", "bilateral", ["M70.61", "M70.62"]), ("gtps", None, ["M70.60"]),
    ("meralgia", "right", ["G57.11"]), ("meralgia", None, ["G57.10"]),
    ("lumbar_stenosis", "left", ["M48.062"]), ("lumbar_stenosis", None, ["M48.062"]),
    ("ns_lumbar_strain", None, ["M54.50"]), ("cauda_equina", "right", ["G83.4"]),
    ("infection_spine_hip", "right", []), ("hip_fracture", "left", []), ("hip_spine_syndrome", "left", []),
])
def test_a_condition_carries_the_leaf_of_its_side(terminology, condition, side, leaves):
    codings = terminology.outbound_condition(condition, side)
    assert sent(codings)[0] == (terminology.system("condition"), condition)
    assert [coding["code"] for coding in codings if coding["system"] == ICD10CM] == leaves


def test_A3_every_outbound_coding_has_system_code_and_display_and_comes_once(terminology):
    for coding in terminology.expand("condition-outcome"):
        for side in ("left", "right", "bilateral", None):
            codings = terminology.outbound_condition(coding["code"], side)
            assert all(one["system"] and one["code"] and one["display"] for one in codings)
            assert len(set(sent(codings))) == len(codings)
            assert sum(one["system"] == SNOMED for one in codings) <= 1


def test_an_unspecified_leaf_is_sent_only_when_the_side_is_unknown(terminology):
    for coding in terminology.expand("condition-outcome"):
        for side in ("left", "right", "bilateral"):
            for one in terminology.outbound_condition(coding["code"], side):
                sides = [target.side for target in terminology.targets("condition", coding["code"]) if target.code == one["code"]]
                assert sides in ([], [None]) or sides[0] in (("left", "right", "bilateral") if side == "bilateral" else (side,))


def test_no_snomed_code_is_sent_that_says_more_than_was_computed(terminology):
    assert [system for system, _ in sent(terminology.outbound_condition("fai_labral", "left"))].count(SNOMED) == 0
    assert (SNOMED, "192970008") in sent(terminology.outbound_condition("cauda_equina"))


def test_the_reason_of_a_referral_is_the_symptom_with_its_side(terminology):
    assert sent(terminology.outbound_symptom("left")) == [
        (terminology.system("symptom"), "hip-pain"), (SNOMED, "49218002"), (ICD10CM, "M25.552"),
    ]
    assert [code for _, code in sent(terminology.outbound_symptom("bilateral"))][2:] == ["M25.551", "M25.552"]
    assert [code for _, code in sent(terminology.outbound_symptom())][2:] == ["M25.559"]
    assert [code for _, code in sent(terminology.outbound_symptom(symptom="low-back-pain"))][1:] == ["279039007", "M54.50"]


def test_A11_services_are_coded_and_those_without_a_verified_code_stay_local(terminology):
    local = terminology.system("service")
    emergency = "ref-emergency-service"
    assert sent(terminology.outbound_service(emergency)) == [(local, emergency), (SNOMED, "306104004")]
    assert sent(terminology.outbound_service("ref-spine-surgery")) == [(local, "ref-spine-surgery")]
    assert sent(terminology.outbound_service("bayesian-network")) == [(local, "bayesian-network")]
    assert {system for system, _ in sent(terminology.outbound_service("mri-hip"))} == {local, SNOMED, LOINC}
    with pytest.raises(KeyError):
        terminology.outbound_service("ref-nobody")


def test_body_sites_and_sides_are_sent_as_one_structure_or_structure_and_qualifier(terminology):
    assert sent(terminology.outbound_body_site("hip-region", "left")) == [(SNOMED, "287679003")]
    assert sent(terminology.outbound_body_site("buttock", "right")) == [(SNOMED, "46862004"), (SNOMED, "24028007")]
    assert sent(terminology.outbound_body_site("lumbar-spine")) == [(SNOMED, "122496007")]
    assert sent(terminology.outbound_side("bilateral")) == [(SNOMED, "51440002")]
    assert terminology.outbound_body_site("elbow", "left") == []


def test_snomed_can_be_left_out_of_what_is_sent_but_is_still_read():
    terminology = load_terminology(FOLDER, CANONICAL_BASE, snomed=False)
    everything = [
        *(coding for one in terminology.expand("condition-outcome") for coding in terminology.outbound_condition(one["code"])),
        *(coding for one in terminology.expand("finding") for coding in terminology.outbound_finding(one["code"])),
        *(coding for one in terminology.expand("service") for coding in terminology.outbound_service(one["code"])),
        *terminology.outbound_symptom("left"),
        *terminology.outbound_side("left"),
        *terminology.outbound_body_site("hip-region", "left"),
    ]
    assert everything and not any(coding["system"] == SNOMED for coding in everything)
    assert terminology.to_finding(SNOMED, "102570003").finding_id == "pain_groin"


def test_a_caller_may_change_what_it_was_given(terminology):
    terminology.outbound_condition("hip_oa", "left")[0]["display"] = "changed"
    assert terminology.outbound_condition("hip_oa", "left")[0]["display"] != "changed"


# --- units ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "source", "target", "expected"), [
    ("101.3", "[degF]", "Cel", "38.5"), ("98.6", "[degF]", "Cel", "37"), ("311.15", "K", "Cel", "38"),
    ("38.5", "Cel", "[degF]", "101.3"),
    ("38.50", "Cel", "Cel", "38.50"), ("7", "{score}", "1", "7"), ("10", "[in_i]", "cm", "25.4"), ("0.25", "L", "mL", "250"),
    ("0.26", "m", "cm", "26"), ("90", "min", "h", "1.5"), ("2700", "s", "min", "45"),
])
def test_C8_quantities_are_converted_exactly(terminology, value, source, target, expected):
    assert str(terminology.convert(Decimal(value), source, target)) == expected


def test_C8_radians_become_degrees(terminology):
    assert float(terminology.convert(Decimal("0.5236"), "rad", "deg")) == pytest.approx(30.0, abs=0.001)


@pytest.mark.parametrize(("source", "target"), [
    ("degF", "Cel"), ("cel", "Cel"), ("", "Cel"), ("Cel", "mL"), ("%", "1"), ("mg", "mL"), ("CEL", "Cel"),
])
def test_C8_an_unknown_unit_or_another_kind_is_never_guessed(terminology, source, target):
    assert terminology.convert(Decimal(1), source, target) is None


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_no_number_is_not_converted(terminology, value):
    assert terminology.convert(Decimal(value), "[degF]", "Cel") is None


@given(st.decimals(min_value=-1000, max_value=1000, places=3))
def test_there_and_back_is_the_same_quantity(value):
    units = load_units(FOLDER / "units.csv")
    for source, target in (("[degF]", "Cel"), ("rad", "deg"), ("[in_i]", "cm"), ("s", "h")):
        back = units.convert(units.convert(value, source, target), target, source)
        assert abs(back - value) <= Decimal("1e-6")


def test_measurable_findings_name_their_unit(terminology):
    assert terminology.unit_of("fever") == "Cel"
    assert terminology.unit_of("hip_ir_rom") == "deg"
    assert terminology.unit_of("pain_groin") is None
