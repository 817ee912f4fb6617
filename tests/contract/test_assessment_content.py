"""What an assessment says, over HTTP: one test or more per requirement A1-A16, R60 and R61, on the example requests."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from flask.testing import FlaskClient
from support.summary import posterior_summary

from service.assessment.run import assess_subject
from service.composition.parts import Service
from service.engine.model import PATTERNS, Answer, Case, Finding
from service.fhir import r4
from service.mapping.answers import answers_by_code
from service.mapping.writers.percentages import partition_percentages, percentage

Resource = dict[str, Any]
DATA = Path(__file__).resolve().parents[1] / "data"
EXAMPLES = ("spine", "hip", "both", "sacroiliac", "emergency", "sparse")
CONFIDENCE = "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/AIconfidence"
RISK = "http://terminology.hl7.org/CodeSystem/risk-probability"
ZONED = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$")


def example(name: str) -> Resource:
    resource: Resource = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return resource


def decoded(raw: bytes) -> Resource:
    resource: Resource = json.loads(raw, parse_float=Decimal)
    return resource


@pytest.fixture
def assess(client: FlaskClient) -> Callable[..., Resource]:
    """Posts a resource and gives the RiskAssessment, numbers with their digits."""

    def assessed(resource: Resource, path: str = "/fhir/$assess") -> Resource:
        response = client.post(path, data=json.dumps(resource), content_type="application/fhir+json")
        assert response.status_code == 200, response.text
        return decoded(response.data)

    return assessed


@pytest.fixture(params=EXAMPLES)
def answered(request: pytest.FixtureRequest, assess: Callable[..., Resource]) -> Resource:
    return assess(example(request.param))


@pytest.fixture
def refused(client: FlaskClient) -> Callable[..., list[Resource]]:
    """Posts a resource that must be refused with 422 and gives the issues."""

    def issues(resource: Resource) -> list[Resource]:
        response = client.post("/fhir/$assess", data=json.dumps(resource), content_type="application/fhir+json")
        assert response.status_code == 422, response.text
        found: list[Resource] = response.get_json(force=True)["issue"]
        return found

    return issues


def extensions(resource: Resource, name: str) -> list[Resource]:
    return [one for one in resource.get("extension", ()) if one["url"].endswith(f"/StructureDefinition/{name}")]


def parts(extension: Resource, url: str) -> list[Any]:
    return [
        next(value for key, value in one.items() if key.startswith("value") or key == "extension")
        for one in extension["extension"]
        if one["url"] == url
    ]


def patterns(resource: Resource) -> list[Resource]:
    return [one for one in resource["prediction"] if one["outcome"]["coding"][0]["system"].endswith("/source-pattern")]


def conditions(resource: Resource) -> list[Resource]:
    return [one for one in resource["prediction"] if one["outcome"]["coding"][0]["system"].endswith("/condition")]


def leading(resource: Resource) -> str:
    code: str = resource["prediction"][0]["outcome"]["coding"][0]["code"]
    return code


def requests(resource: Resource) -> list[Resource]:
    return [one for one in resource["contained"] if one["resourceType"] == "ServiceRequest"]


def walk(element: Any) -> Iterator[Any]:
    yield element
    for inner in element.values() if isinstance(element, dict) else element if isinstance(element, list) else ():
        yield from walk(inner)


# --- the invariants of every answer, also used by the property test ---------------------------------------------------


def assert_predictions_are_sound(resource: Resource) -> None:
    """A3, A4, A5 and A6 of one answer."""
    predictions = resource["prediction"]
    outcomes = [(one["outcome"]["coding"][0]["system"], one["outcome"]["coding"][0]["code"]) for one in predictions]
    assert len(set(outcomes)) == len(outcomes), "A3: an outcome occurs twice"
    assert all(
        coding["system"] and coding["code"] and coding["display"] for one in predictions for coding in one["outcome"]["coding"]
    )
    for kind in (patterns(resource), conditions(resource)):
        figures = [one["probabilityDecimal"] for one in kind]
        assert figures == sorted(figures, reverse=True), "A4: not in descending order"
    assert sum(one["probabilityDecimal"] for one in patterns(resource)) == Decimal("100.00"), "A4: not a distribution"
    for one in predictions:
        assert_probability_is_sound(one)


def assert_probability_is_sound(prediction: Resource) -> None:
    figure = Decimal(prediction["probabilityDecimal"])
    text = str(prediction["probabilityDecimal"])
    assert 0 <= figure <= 100
    assert re.fullmatch(r"\d{1,3}(\.\d{1,2})?", text), f"A5: {text}"
    band = "negligible" if figure < 1 else "low" if figure < 20 else "moderate" if figure < 50 else "high"
    risk = prediction["qualitativeRisk"]["coding"][0]
    assert (risk["system"], risk["code"]) == (RISK, band)
    bounds = next(one["valueRange"] for one in prediction["extension"] if one["url"] == CONFIDENCE)
    assert bounds["low"]["value"] <= figure <= bounds["high"]["value"]
    assert all((bound["system"], bound["code"]) == ("http://unitsofmeasure.org", "%") for bound in bounds.values())


# --- A1 to A10 on every example ---------------------------------------------------------------------------------------


def test_A1_every_example_gives_a_valid_risk_assessment_of_our_profile(answered: Resource) -> None:
    assert answered["resourceType"] == "RiskAssessment"
    assert r4.check(answered).faults == ()
    assert re.fullmatch(r".+/StructureDefinition/spine-hip-risk-assessment\|\d+\.\d+\.\d+", answered["meta"]["profile"][0])


def test_A2_head_of_every_example(answered: Resource) -> None:
    assert answered["status"] in ("final", "preliminary")
    assert answered["subject"]
    assert ZONED.match(answered["occurrenceDateTime"])
    assert answered["method"]["coding"][0]["code"]
    assert answered["code"]["coding"][0]["code"]
    device = next(one for one in answered["contained"] if f"#{one['id']}" == answered["performer"]["reference"])
    assert device["resourceType"] == "Device"


def test_A2_subject_and_encounter_are_copied(assess: Callable[..., Resource]) -> None:
    form = example("spine")
    answer = assess(form)
    assert (answer["subject"], answer["encounter"]) == (form["subject"], form["encounter"])
    assert "encounter" not in assess(example("hip"))


def test_A2_preliminary_input_gives_a_preliminary_answer(assess: Callable[..., Resource]) -> None:
    assert assess(example("hip"))["status"] == "final"
    assert assess(example("hip") | {"status": "in-progress"})["status"] == "preliminary"
    assert assess(example("emergency"))["status"] == "preliminary", "one Observation of it is preliminary"


def test_A3_A4_A5_A6_predictions_of_every_example(answered: Resource) -> None:
    assert_predictions_are_sound(answered)
    assert {one["outcome"]["coding"][0]["code"] for one in patterns(answered)} == set(PATTERNS)


def test_A4_the_two_kinds_are_told_apart(answered: Resource) -> None:
    kinds = [extensions(one, "prediction-kind")[0]["valueCode"] for one in answered["prediction"]]
    assert kinds == ["partition"] * len(patterns(answered)) + ["marginal"] * len(conditions(answered))


def test_A5_the_narrative_shows_the_same_figures(answered: Resource) -> None:
    for one in answered["prediction"]:
        assert f"{one['probabilityDecimal']}%" in answered["text"]["div"]


def test_A7_basis_names_the_inputs_used_and_only_those(assess: Callable[..., Resource]) -> None:
    bundle = example("both")
    basis = [one["reference"] for one in assess(bundle)["basis"]]
    addresses = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    assert len(set(basis)) == len(basis)
    assert set(basis) <= set(addresses), "each resolves in the Bundle"
    not_performed = next(url for url, resource in addresses.items() if "dataAbsentReason" in resource)
    assert not_performed not in basis
    findings = {"QuestionnaireResponse", "Observation", "Condition", "Patient"}
    assert {addresses[reference]["resourceType"] for reference in basis} <= findings


def test_A7_an_input_without_an_id_is_contained(assess: Callable[..., Resource]) -> None:
    form = example("hip")
    del form["id"]
    answer = assess(form)
    assert answer["basis"] == [{"reference": "#input-1"}]
    assert any(one["id"] == "input-1" and one["resourceType"] == "QuestionnaireResponse" for one in answer["contained"])
    assert r4.check(answer).faults == ()


def test_A7_no_usable_input_gives_no_basis(assess: Callable[..., Resource]) -> None:
    assert "basis" not in assess(without_findings())


def test_A8_each_rationale_names_strongest_for_and_against(answered: Resource) -> None:
    for one in answered["prediction"]:
        assert "Strongest for: " in one["rationale"]
        assert "Strongest against: " in one["rationale"]


def test_A9_contributions_add_up_and_name_finding_state_and_sources(answered: Resource) -> None:
    explanations = [one for prediction in answered["prediction"] for one in extensions(prediction, "explanation")]
    versus = extensions(answered, "spine-versus-hip")
    assert len(versus) == 1
    assert extensions(patterns(answered)[0], "explanation")
    assert extensions(conditions(answered)[0], "explanation")
    cited = {row: parts(one, "citation")[0] for one in extensions(answered, "evidence") for row in parts(one, "row")}
    used = {parts(one, "finding")[0]["code"] for one in extensions(answered, "used-finding")}
    for explanation in explanations + versus:
        contributions = [{"extension": one} for one in parts(explanation, "contribution")]
        total = parts(explanation, "prior-log-odds")[0] + sum(parts(one, "log-odds")[0] for one in contributions)
        assert abs(total - parts(explanation, "posterior-log-odds")[0]) < Decimal("1e-6")
        for one in contributions:
            assert parts(one, "finding")[0] in used
            assert parts(one, "value")
            assert all(cited[row]["citation"] for row in parts(one, "row"))
    assert cited, "at least one contribution has a source"


def test_A9_no_address_of_a_copy_is_shown_as_a_source(answered: Resource) -> None:
    for one in extensions(answered, "evidence"):
        url = parts(one, "citation")[0].get("url", "https://doi.org/")
        assert url.startswith(("https://doi.org/", "https://pubmed.ncbi.nlm.nih.gov/"))


def test_A10_nothing_is_both_used_and_missing(service: Service, answered: Resource) -> None:
    used = {
        parts(one, "finding")[0]["code"] for one in extensions(answered, "used-finding") if parts(one, "value") != ["unknown"]
    }
    missing = parts(extensions(answered, "missing-finding")[0], "finding")
    assert len(missing) == len(set(missing))
    assert used.isdisjoint(missing)
    knowledge = service.parts.knowledge
    assert used | set(missing) <= {one.id for one in (*knowledge.findings, *knowledge.published_clusters)}


def test_A10_a_count_worked_out_from_its_parts_names_them(assess: Callable[..., Resource]) -> None:
    resource = assess(example("sacroiliac"))
    count = next(one for one in extensions(resource, "used-finding") if parts(one, "finding")[0]["code"] == "sij_count")
    assert parts(count, "value") == [4]
    assert len(parts(count, "derived-from")) == 5


def test_A10_ignored_inputs_have_place_and_reason(assess: Callable[..., Resource]) -> None:
    bundle = example("both")
    wrong = next(entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Observation")
    wrong["status"] = "entered-in-error"
    ignored = extensions(assess(bundle), "ignored-input")
    assert any("entry[3]" in parts(one, "where")[0] and parts(one, "reason")[0] for one in ignored)


def test_A10_an_answer_unknown_is_visible_and_counts_for_nothing(assess: Callable[..., Resource]) -> None:
    form = example("hip")
    unknown = [one for one in extensions(assess(form), "used-finding") if parts(one, "value") == ["unknown"]]
    assert [parts(one, "finding")[0]["code"] for one in unknown] == ["palp_trochanter"]
    bare = copy.deepcopy(form)
    bare["item"] = [item for item in bare["item"] if item["linkId"] != "palp_trochanter"]
    assert assess(form)["prediction"] == assess(bare)["prediction"]


# --- A11 referrals ----------------------------------------------------------------------------------------------------


def test_A11_referrals_are_contained_drafts_that_a_clinician_has_to_take_up(answered: Resource) -> None:
    drafts = requests(answered)
    assert drafts
    for one in drafts:
        assert (one["status"], one["intent"]) == ("draft", "proposal")
        assert one["code"]["coding"][0]["code"]
        assert one["subject"] == answered["subject"]
        assert one["reasonCode"][0]["coding"][0]["code"]
        assert one["priority"] in ("stat", "urgent", "routine")
        assert {"reference": "#"} in one["supportingInfo"], "dom-3"
        assert "contained" not in one, "dom-2"
        assert set(one["meta"]) == {"profile"}, "dom-4, dom-5"


# --- A12 alarm signs --------------------------------------------------------------------------------------------------

ALARMS = {
    "saddle anaesthesia": ({"saddle_anaesthesia": "present"}, "cauda_equina", "stat"),
    "new retention": ({"urinary_retention_incontinence": "present"}, "cauda_equina", "stat"),
    "progressive weakness": ({"progressive_motor_deficit": "present"}, "progressive_motor_deficit", "stat"),
    "fever and cannot bear weight": ({"fever": "present", "unable_to_bear_weight": "present"}, "septic_hip", "stat"),
    "fall with fragile bone": ({"trauma_significant": "present", "osteoporosis": "present"}, "fracture_after_trauma", "urgent"),
    "previous cancer with night pain": ({"cancer_history": "present", "night_pain": "present"}, "malignancy", "urgent"),
    "pulsating abdomen": ({"pulsatile_abdomen": "present"}, "aaa", "stat"),
}
PLAIN_HIP: Resource = {
    **dict.fromkeys(
        ("pain_groin", "shoes_socks_difficulty", "car_transfer_pain", "weight_bearing_pain", "hip_xray_oa"), "present"
    ),
    "hip_ir_rom": 5,
    "faber": "groin-or-anterior-pain",
    "pain_changes_spinal_position": "absent",
}


@pytest.mark.parametrize(("answers", "rule", "priority"), ALARMS.values(), ids=ALARMS)
def test_A12_an_alarm_sign_is_flagged_first_however_low_its_probability(
    assess: Callable[..., Resource], respond: Callable[..., Resource], answers: Resource, rule: str, priority: str
) -> None:
    resource = assess(respond(status="completed", **(PLAIN_HIP | answers)))
    assert leading(resource) == "hip", "the differential itself is not moved to the alarm"
    serious = next(one for one in patterns(resource) if one["outcome"]["coding"][0]["code"] == "serious")
    assert serious["probabilityDecimal"] < 20
    assert resource["extension"][0]["url"].endswith("/red-flag"), "first of all extensions"
    assert rule in [parts(flag, "rule")[0]["code"] for flag in extensions(resource, "red-flag")]
    assert priority in [one["priority"] for one in requests(resource)]
    urgency = extensions(resource, "urgency")[0]["valueCoding"]["code"]
    assert urgency == {"stat": "emergency", "urgent": "urgent"}[priority]
    div = resource["text"]["div"]
    assert div.index("RED FLAGS") < div.index("%")
    assert resource["mitigation"] in div.replace("&#x27;", "'").replace("&quot;", '"')


def test_A12_the_emergency_example_is_an_emergency(assess: Callable[..., Resource]) -> None:
    resource = assess(example("emergency"))
    assert parts(extensions(resource, "red-flag")[0], "rule")[0]["code"] == "cauda_equina"
    assert requests(resource)[0]["priority"] == "stat"
    assert "emergency department" in resource["mitigation"]


def test_A12_a_flag_nobody_asked_about_is_never_called_absent(assess: Callable[..., Resource]) -> None:
    resource = assess(example("sparse"))
    screening = extensions(resource, "red-flag-screening")[0]
    assert parts(screening, "clear") == [False]
    assert parts(screening, "absent") == []
    assert "No red flags:" not in resource["text"]["div"]
    assert "Not screened: " in resource["text"]["div"]


def test_A12_no_red_flags_is_said_when_every_rule_was_answered(
    assess: Callable[..., Resource], respond: Callable[..., Resource], service: Service
) -> None:
    def named(expression: Any) -> Iterator[str]:
        for one in walk(expression):
            if isinstance(one, dict) and "finding" in one:
                yield one["finding"]

    asked = {finding for rule in service.parts.knowledge.red_flags for finding in named(rule.when)}
    answers: Resource = {}
    for finding in (one for one in service.parts.knowledge.findings if one.id in asked):
        codes = list(answers_by_code(finding))
        answers[finding.id] = "absent" if "absent" in codes else "none" if "none" in codes else codes[0] if codes else 0
    answers |= {"age_band": "40-49", "sex": "female"}
    resource = assess(respond(status="completed", **answers))
    assert extensions(resource, "red-flag") == []
    assert parts(extensions(resource, "red-flag-screening")[0], "not-screened") == []
    assert parts(extensions(resource, "red-flag-screening")[0], "clear") == [True]
    assert "No red flags:" in resource["text"]["div"]


# --- A13 to A15 -------------------------------------------------------------------------------------------------------


def without_findings() -> Resource:
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": example("hip")["questionnaire"],
        "status": "completed",
        "subject": {"reference": "Patient/1"},
        "authored": "2026-01-01",
    }


def test_A13_without_a_finding_the_answer_is_the_prior_and_says_so(assess: Callable[..., Resource]) -> None:
    resource = assess(without_findings())
    assert resource["status"] == "preliminary"
    reasons = [one["valueCodeableConcept"]["coding"][0]["code"] for one in extensions(resource, "undecided")]
    assert "no-findings" in reasons
    assert extensions(resource, "information-bits")[0]["valueDecimal"] == 0
    versus = extensions(resource, "spine-versus-hip")[0]
    assert parts(versus, "prior-log-odds") == parts(versus, "posterior-log-odds")
    assert extensions(resource, "next-examination")
    assert "Cannot tell yet" in resource["text"]["div"]
    assert "Most likely source" not in resource["text"]["div"]
    assert resource["mitigation"].startswith("Examine or ask next: ")


def test_A14_markup_and_direction_marks_of_the_input_do_no_harm(assess: Callable[..., Resource]) -> None:
    hostile = "<script>alert(1)</script> & \u202edetsevni\u202c \u200f \"'"
    form = example("hip")
    form["subject"]["display"] = hostile
    resource = assess(form)
    assert resource["text"]["status"] == "generated"
    div = resource["text"]["div"]
    root = ElementTree.fromstring(div)
    assert root.tag == "{http://www.w3.org/1999/xhtml}div"
    assert "<script" not in div
    assert "&lt;script&gt;" in div
    assert not set(div) & set("\u202e\u202c\u200f")


def test_A15_a_form_without_subject_is_refused_with_its_place(refused: Callable[..., list[Resource]]) -> None:
    form = example("hip")
    del form["subject"]
    issue = refused(form)[0]
    assert issue["code"] == "required"
    assert issue["expression"][0].endswith("subject")


def two_patients() -> Resource:
    bundle = example("emergency")
    other = {"resourceType": "Patient", "id": "other", "gender": "female"}
    bundle["entry"].append({"fullUrl": "https://ehr.example/fhir/Patient/other", "resource": other})
    return bundle


def test_A15_two_patients_are_refused(refused: Callable[..., list[Resource]]) -> None:
    assert refused(two_patients())[0]["code"] in ("business-rule", "multiple-matches")


def test_A15_a_subject_parameter_selects_one_of_two_patients(assess: Callable[..., Resource]) -> None:
    selected = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "bundle", "resource": two_patients()},
            {"name": "subject", "valueReference": {"reference": "Patient/example-emergency"}},
        ],
    }
    assert assess(selected)["subject"]["reference"].endswith("Patient/example-emergency")


# --- A16 --------------------------------------------------------------------------------------------------------------

RANDOM_CASES = 10_000  # through the engine and the conversion to percentages
WHOLE_CASES = 200  # read, assessed, written, validated


def random_answer(finding: Finding, rng: random.Random) -> tuple[str, Any]:
    """A code, or a number in range, for one finding."""
    codes = list(answers_by_code(finding))
    if codes:
        return finding.id, rng.choice(codes)
    low = int(finding.minimum if finding.minimum is not None else 0)
    high = int(finding.maximum if finding.maximum is not None else 90)
    return finding.id, rng.randint(low, high)


@pytest.fixture(scope="module")
def unlikely_answers(service: Service) -> Callable[[random.Random], Resource]:
    """Maker of answer sets without regard to what goes together; from none to all findings."""
    findings = service.parts.knowledge.findings

    def made(rng: random.Random) -> Resource:
        return dict(
            random_answer(finding, rng) for finding in rng.sample(findings, rng.randint(0, rng.choice((5, 40, len(findings)))))
        )

    return made


@pytest.mark.slow
def test_A16_ten_thousand_random_answer_sets_give_sound_percentages(
    service: Service, unlikely_answers: Callable[[random.Random], Resource]
) -> None:
    rng = random.Random(20260101)
    findings = {finding.id: finding for finding in service.parts.knowledge.findings}
    for _ in range(RANDOM_CASES):
        answers = []
        for finding_id, given in unlikely_answers(rng).items():
            value = answers_by_code(findings[finding_id])[given] if isinstance(given, str) else float(given)
            if value is not None:
                answers.append(Answer(finding_id, value))
        summary = posterior_summary(Case(tuple(answers)), service.parts.engine.network)
        ordered = sorted(summary.patterns.values(), reverse=True)
        figures = partition_percentages(ordered)
        assert sum(figures) == Decimal("100.00")
        assert figures == sorted(figures, reverse=True)
        for figure in (*figures, *map(percentage, summary.conditions.values())):
            assert 0 <= figure <= 100
            assert re.fullmatch(r"\d{1,3}\.\d\d", str(figure))


@pytest.mark.slow
def test_A16_random_answer_sets_hold_A1_to_A9_from_request_to_answer(
    service: Service, respond: Callable[..., Resource], unlikely_answers: Callable[[random.Random], Resource]
) -> None:
    rng = random.Random(7)
    for _ in range(WHOLE_CASES):
        form = respond(status="completed", **unlikely_answers(rng))
        resource = decoded(r4.serialise(assess_subject(form, parts=service.parts).risk_assessment))
        assert r4.check(resource).faults == ()
        assert resource["status"] in ("final", "preliminary")
        assert_predictions_are_sound(resource)
        ElementTree.fromstring(resource["text"]["div"])
        explained = extensions(resource, "spine-versus-hip") + [
            one for prediction in resource["prediction"] for one in extensions(prediction, "explanation")
        ]
        for one in explained:
            total = sum((parts({"extension": each}, "log-odds")[0] for each in parts(one, "contribution")), Decimal(0))
            gap = parts(one, "prior-log-odds")[0] + total - parts(one, "posterior-log-odds")[0]
            assert abs(gap) < Decimal("1e-6")


# --- R60, R61, T1, T4 -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_R60_the_same_input_twice_differs_only_in_id_and_time(assess: Callable[..., Resource], name: str) -> None:
    first, second = assess(example(name)), assess(example(name))
    assert first["prediction"] == second["prediction"]
    assert first["identifier"] == second["identifier"]
    assert first["id"] != second["id"]


def test_R60_different_answers_have_different_identifiers(assess: Callable[..., Resource]) -> None:
    identifiers = {assess(example(name))["identifier"][0]["value"] for name in EXAMPLES}
    assert len(identifiers) == len(EXAMPLES)


def test_R61_a_form_alone_in_parameters_and_in_a_bundle_gives_one_differential(assess: Callable[..., Resource]) -> None:
    form = example("hip")
    in_parameters = {"resourceType": "Parameters", "parameter": [{"name": "questionnaire-response", "resource": form}]}
    url = "https://ehr.example/fhir/QuestionnaireResponse/hip-1"
    in_bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": url, "resource": form}]}
    alone = assess(form)
    for other in (
        assess(in_parameters), assess(in_bundle), assess(form, "/fhir/QuestionnaireResponse/$assess"),
    ):  # fmt: skip
        assert other["prediction"] == alone["prediction"]


def test_R61_an_observation_alone_works_at_both_addresses(assess: Callable[..., Resource]) -> None:
    observation = example("sparse")
    assert assess(observation)["prediction"] == assess(observation, "/fhir/Observation/$assess")["prediction"]


def test_R61_every_bundle_type_an_ehr_emits_is_taken(assess: Callable[..., Resource]) -> None:
    bundle = example("emergency")
    plain = assess(bundle)["prediction"]
    assert assess(bundle | {"type": "searchset"})["prediction"] == plain


def test_T1_every_answer_is_labelled_as_made_by_software(answered: Resource) -> None:
    assert "AIAST" in [label["code"] for label in answered["meta"]["security"]]


def test_T4_inputs_weights_limits_and_intended_use_are_told_to_the_reader(answered: Resource) -> None:
    div = answered["text"]["div"]
    for words in ("What was used", "Limits", "Intended use", "Not a diagnosis", "Not for emergencies"):
        assert words in div
    assert extensions(answered, "intended-use")[0]["valueString"] in div
    assert extensions(answered, "engine-version")
    assert extensions(answered, "knowledge-version")


# --- the examples tell the story they are named after -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "pattern"), [("spine", "spine"), ("hip", "hip"), ("both", "hip-and-spine"), ("sacroiliac", "sij")]
)
def test_the_examples_lead_with_the_source_they_are_named_after(assess: Callable[..., Resource], name: str, pattern: str) -> None:
    resource = assess(example(name))
    assert leading(resource) == pattern
    assert resource["status"] == "final"


def test_no_null_and_nothing_empty_leaves(answered: Resource) -> None:
    assert not [one for one in walk(answered) if one in (None, "", [], {})]


def test_the_answer_says_where_sources_differ_on_a_finding_it_used(assess: Callable[..., Resource]) -> None:
    resource = assess(example("spine"))
    told = {
        part["valueCode"]
        for extension in resource["extension"]
        if extension["url"].endswith("/sources-differ")
        for part in extension["extension"]
        if part["url"] == "finding"
    }
    assert "pain_below_knee" in told
    assert "Where sources differ" in resource["text"]["div"]
