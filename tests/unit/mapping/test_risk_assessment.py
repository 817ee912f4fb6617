"""The RiskAssessment of assessments made by hand: what stands where, and that nothing of the input can break it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from service.engine.model import (
    PATTERNS,
    Answer,
    Assessment,
    Case,
    Citation,
    Condition,
    Constant,
    Contribution,
    Explanation,
    Finding,
    KnowledgeBase,
    Likelihood,
    NextFinding,
    Prediction,
    Recommendation,
    RedFlag,
    RedFlagRule,
    RedFlagScreen,
    Referral,
    Undecided,
)
from service.errors import Fault, KnowledgeBaseError
from service.fhir import r4
from service.fhir.terminology import load_terminology
from service.mapping.reading import Ignored, Input, Reading, UsedAnswer
from service.mapping.writers.extensions import clean
from service.mapping.writers.risk_assessment import WritingContext, write_risk_assessment
from service.mapping.writers.texts import load_texts
from service.mapping.writers.vocabulary import Vocabulary

BASE = "https://hipspine.example/fhir"
TERMINOLOGY = Path(__file__).resolve().parents[3] / "terminology"
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=timezone(timedelta(hours=1)))
XHTML = "{http://www.w3.org/1999/xhtml}"


def finding(finding_id: str, label: str) -> Finding:
    return Finding(finding_id, label, "history", "boolean", "", 1, "patient", how_elicited=f"Ask about it: {label}.")


def likelihood(row_id: str, finding_id: str, source_id: str) -> Likelihood:
    rate = (None, None, None, None)  # sensitivity, specificity, both ratios
    return Likelihood(
        row_id, finding_id, finding_id, "hip_oa", "input", "", None, None, "", "none", "", *rate, "A", "high", source_id, "seen"
    )


CAUDA = RedFlagRule(
    "cauda_equina",
    "Cauda equina syndrome",
    "neurological",
    "emergency",
    {},
    "Possible compression.",
    "Send to the emergency department now.",
)
FEVER = RedFlagRule("fever", "Fever", "infection", "urgent", {}, "Fever.", "Blood tests today.")

KNOWLEDGE = KnowledgeBase(
    version="tables-1",
    conditions=(
        Condition("hip_oa", "Hip osteoarthritis", "hip", "routine", 0.2, 0.1, 0.3, "s1", "expert"),
        Condition("lumbar_stenosis", "Lumbar stenosis", "spine", "soon", 0.1, 0.05, 0.2, "s1", "expert"),
    ),
    groups=(),
    findings=(
        finding("pain_groin", "Groin pain"),
        finding("saddle_anaesthesia", "Saddle numbness"),
        finding("slr", "Straight leg raise"),
        replace(finding("hip_ir_rom", "Internal rotation range"), answer_type="quantity", unit="deg"),
    ),
    observables=(),
    likelihoods=(likelihood("L1", "pain_groin", "s1"), likelihood("L2", "slr", "s2")),
    red_flags=(CAUDA, FEVER),
    referrals=(),
    citations={
        "s1": Citation("s1", "Author A 2001 Journal", "Author A", 2001, "A title", "Journal", "10.1000/1", "123"),
        "s2": Citation("s2", "Judgement of the project"),
    },
    constants={
        name: Constant(name, value, value, value, "expert", "")
        for name, value in {
            "risk_negligible_below": 0.01, "risk_low_below": 0.2, "risk_moderate_below": 0.5, "soon_within_days": 28,
            "undecided_leading_below": 0.5,
        }.items()
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(KNOWLEDGE, load_terminology(TERMINOLOGY, BASE), load_texts("en"))


def explanation(target: str) -> Explanation:
    contributions = (
        Contribution("slr", "slr", False, -0.123456789123, ("L2",), "shared"),
        Contribution("pain_groin", "pain_groin", True, 0.987654321987, ("L1",), "full"),
        Contribution("hip_ir_rom", "hip_ir_rom", 12.0, 0.3333333333333, (), "full"),
    )
    prior = -1.1111111111111
    return Explanation(target, prior, prior + sum(one.log_odds for one in contributions), contributions, 12)


def prediction(target: str, probability: float, kind: Any = "pattern") -> Prediction:
    return Prediction(target, kind, 0.1, probability, probability * 0.8, min(1.0, probability * 1.2), explanation(target))


def assessment(**changes: Any) -> Assessment:
    shares = [0.5, 0.2, 0.1, 0.08, 0.06, 0.03, 0.02, 0.0099, 0.0001]
    made = Assessment(
        knowledge_version="tables-1",
        patterns=tuple(
            prediction(target, share) for target, share in zip(("hip", *(p for p in PATTERNS if p != "hip")), shares, strict=True)
        ),
        conditions=(prediction("hip_oa", 0.55, "condition"), prediction("lumbar_stenosis", 0.005, "condition")),
        spine_versus_hip=explanation("spine-versus-hip"),
        red_flags=RedFlagScreen((), (CAUDA,), (FEVER,), {"fever": ("fever",)}),
        urgency="soon",
        coverage=0.25,
        information_bits=0.7,
        undecided=(),
        next_findings=(NextFinding("saddle_anaesthesia", 0.11),),
        recommendations=(
            Recommendation(
                Referral(
                    "r1",
                    ("pattern:hip",),
                    "ref-orthopaedic-surgeon",
                    "spec-orthopaedics",
                    "Orthopaedic review",
                    "Hip source likely.",
                ),
                "soon",
                ("pattern:hip", "condition:hip_oa"),
            ),
        ),
        used=("pain_groin", "slr"),
        without_effect=("hip_ir_rom",),
        mass_of_three=0.01,
    )
    return replace(made, **changes)


FORM = {"resourceType": "QuestionnaireResponse", "id": "1", "status": "completed"}


def reading(**changes: Any) -> Reading:
    made = Reading(
        case=Case((Answer("pain_groin", True), Answer("slr", False), Answer("hip_ir_rom", 12.0))),
        subject={"reference": "Patient/1"},
        encounter={"reference": "Encounter/1"},
        used=(
            UsedAnswer("pain_groin", True, ("QuestionnaireResponse/1",), "2026-03-01"),
            UsedAnswer("slr", False, ("QuestionnaireResponse/1",), "2026-03-01"),
            UsedAnswer("hip_ir_rom", 12.0, ("QuestionnaireResponse/1",), "2026-03-01"),
        ),
        ignored=(Ignored("Observation/9", "Bundle.entry[3].resource", "It was entered in error."),),
        warnings=(Fault("value", "A number came as text.", "QuestionnaireResponse.item[0]", severity="warning"),),
        inputs=(Input(FORM, "QuestionnaireResponse/1", "QuestionnaireResponse"),),
        preliminary=False,
    )
    return replace(made, **changes)


@pytest.fixture
def write(vocabulary: Vocabulary) -> Any:
    def written(
        an_assessment: Assessment | None = None, a_reading: Reading | None = None, *, id: str = "ra-1", now: datetime = NOW
    ) -> dict:
        context = WritingContext(vocabulary, now, lambda: id, "1.2.3")
        return write_risk_assessment(an_assessment or assessment(), a_reading or reading(), context=context)

    return written


def extensions(resource: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [one for one in resource.get("extension", ()) if one["url"] == f"{BASE}/StructureDefinition/{name}"]


def parts(extension: dict[str, Any], url: str) -> list[Any]:
    return [
        next(value for key, value in one.items() if key.startswith("value") or key == "extension")
        for one in extension["extension"]
        if one["url"] == url
    ]


def everything(element: Any) -> list[Any]:
    if isinstance(element, dict):
        return [element, *(one for value in element.values() for one in everything(value))]
    if isinstance(element, list):
        return [one for value in element for one in everything(value)]
    return [element]


def test_A1_the_answer_passes_our_own_validation(write: Any) -> None:
    raised = RedFlagScreen((RedFlag(CAUDA, "emergency", ("saddle_anaesthesia",)),), (FEVER,), ())
    for resource in (write(), write(assessment(red_flags=raised)), write(None, reading(inputs=(Input(FORM, "#input-1", ""),)))):
        assert r4.check(resource).faults == ()


def test_A2_head_of_the_resource(write: Any) -> None:
    resource = write()
    assert resource["status"] == "final"
    assert resource["subject"] == {"reference": "Patient/1"}
    assert resource["encounter"] == {"reference": "Encounter/1"}
    assert resource["occurrenceDateTime"] == "2026-03-02T10:00:00+01:00"
    assert resource["method"]["coding"][0]["code"] == "bayesian-network"
    assert resource["code"]["coding"][0]["code"] == "hip-pain-source-assessment"
    assert resource["performer"] == {"reference": "#device"}
    device = resource["contained"][0]
    assert (device["resourceType"], device["id"]) == ("Device", "device")
    assert [one["value"] for one in device["version"]] == ["1.2.3", "tables-1"]
    assert resource["meta"]["profile"] == [f"{BASE}/StructureDefinition/spine-hip-risk-assessment|1.2.3"]


def test_T1_machine_made_is_said_in_the_security_label(write: Any) -> None:
    label = write()["meta"]["security"][0]
    assert (label["system"], label["code"]) == ("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "AIAST")


@pytest.mark.parametrize(
    "changes",
    [
        {"an_assessment": assessment(undecided=(Undecided("narrow-lead"),))},
        {"a_reading": reading(preliminary=True)},
    ],
    ids=["undecided", "preliminary input"],
)
def test_A2_undecided_or_preliminary_input_makes_it_preliminary(write: Any, changes: dict[str, Any]) -> None:
    assert write(**changes)["status"] == "preliminary"


def test_A4_patterns_come_first_sum_to_one_hundred_and_are_told_apart_by_code(write: Any) -> None:
    predictions = write()["prediction"]
    systems = [one["outcome"]["coding"][0]["system"].rsplit("/", 1)[1] for one in predictions]
    assert systems == ["source-pattern"] * 9 + ["condition"] * 2
    kinds = [one["extension"][0]["valueCode"] for one in predictions]
    assert kinds == ["partition"] * 9 + ["marginal"] * 2
    assert sum(one["probabilityDecimal"] for one in predictions[:9]) == Decimal("100.00")


def test_A3_a_condition_has_our_code_and_public_codes_with_display(write: Any) -> None:
    codings = write()["prediction"][9]["outcome"]["coding"]
    assert [one["system"] for one in codings] == [
        f"{BASE}/CodeSystem/condition", "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm",
    ]  # fmt: skip
    assert all(one["code"] and one["display"] for one in codings)


def test_A3_the_side_of_the_case_chooses_the_sided_code(write: Any) -> None:
    def leaf(side: Any) -> str:
        codings = write(None, reading(case=Case(side=side)))["prediction"][9]["outcome"]["coding"]
        return next(one["code"] for one in codings if one["system"].endswith("icd-10-cm"))

    assert len({leaf("left"), leaf("right"), leaf(None)}) == 3


def test_A5_qualitative_risk_follows_the_printed_figure(write: Any) -> None:
    made = assessment(conditions=tuple(
        prediction("hip_oa", share, "condition") for share in (0.5, 0.4999, 0.2, 0.1999, 0.01, 0.0099)
    ))  # fmt: skip
    codes = [one["qualitativeRisk"]["coding"][0]["code"] for one in write(made)["prediction"][9:]]
    assert codes == ["high", "moderate", "moderate", "low", "low", "negligible"]


def test_A5_the_narrative_shows_every_printed_figure(write: Any) -> None:
    resource = write()
    for one in resource["prediction"]:
        assert f"{one['probabilityDecimal']}%" in resource["text"]["div"]


def test_A6_interval_is_a_range_in_ucum_percent_around_the_point(write: Any) -> None:
    for one in write()["prediction"]:
        found = next(e for e in one["extension"] if e["url"].endswith("/aitransparency/StructureDefinition/AIconfidence"))
        low, high = found["valueRange"]["low"], found["valueRange"]["high"]
        assert low["value"] <= one["probabilityDecimal"] <= high["value"]
        assert {low["system"], high["system"]} == {"http://unitsofmeasure.org"}
        assert {low["code"], high["code"]} == {"%"}


def test_A7_basis_names_each_input_once(write: Any) -> None:
    assert write()["basis"] == [{"reference": "QuestionnaireResponse/1"}]


def test_A7_an_input_without_address_is_contained_without_labels_and_its_own_contained_moves_out(write: Any) -> None:
    form = {
        "resourceType": "QuestionnaireResponse",
        "meta": {"versionId": "3", "security": [{"code": "R"}], "tag": [{"code": "t"}]},
        "contained": [{"resourceType": "Practitioner", "id": "doc", "meta": {"lastUpdated": "2026-01-01T00:00:00Z"}}],
        "author": {"reference": "#doc"},
        "status": "completed",
    }
    resource = write(None, reading(inputs=(Input(form, "#input-1", "QuestionnaireResponse"),)))
    assert resource["basis"] == [{"reference": "#input-1"}]
    contained = {one["id"]: one for one in resource["contained"]}
    assert contained["input-1"]["meta"] == {"tag": [{"code": "t"}]}
    assert "contained" not in contained["input-1"]
    assert contained["input-1"]["author"] == {"reference": "#input-1-1"}
    assert contained["input-1-1"] == {"resourceType": "Practitioner", "id": "input-1-1"}
    assert "contained" in form, "the input itself must stay as it was"


def test_A8_every_prediction_says_what_spoke_for_and_against(write: Any) -> None:
    for one in write()["prediction"]:
        if one["probabilityDecimal"] >= 1:
            assert "Strongest for: Groin pain (present); Internal rotation range (12°)." in one["rationale"]
        else:
            assert "Strongest for: Groin pain (present)." in one["rationale"]
        assert "Strongest against: Straight leg raise (absent)." in one["rationale"]


def test_A9_the_rival_pattern_is_explained_too_while_the_answer_is_open(write: Any) -> None:
    predictions = write(assessment(undecided=(Undecided("narrow-lead"),)))["prediction"]
    assert [bool(extensions(one, "explanation")) for one in predictions[:3]] == [True, True, False]


def test_A9_printed_prior_and_contributions_add_up_to_the_printed_posterior(write: Any) -> None:
    resource = write()
    explained = extensions(resource, "spine-versus-hip") + [
        e for one in resource["prediction"] for e in extensions(one, "explanation")
    ]
    assert len(explained) == 1 + 1 + 2, "spine versus hip, the leading pattern, two conditions"
    for one in explained:
        contributions = parts(one, "contribution")
        total = sum(parts({"extension": each}, "log-odds")[0] for each in contributions)
        assert abs(parts(one, "prior-log-odds")[0] + total - parts(one, "posterior-log-odds")[0]) < Decimal("1e-6")


def test_A9_each_contribution_names_finding_state_and_rows_and_each_row_has_its_citation(write: Any) -> None:
    resource = write()
    strongest = {"extension": parts(extensions(resource, "spine-versus-hip")[0], "contribution")[0]}
    assert (parts(strongest, "finding"), parts(strongest, "value"), parts(strongest, "row")) == (
        ["pain_groin"],
        ["present"],
        ["L1"],
    )
    cited = {row: parts(one, "citation")[0] for one in extensions(resource, "evidence") for row in parts(one, "row")}
    assert cited["L1"] == {
        "type": "citation", "citation": "Author A 2001 Journal", "url": "https://doi.org/10.1000/1",
    }  # fmt: skip
    assert cited["L2"] == {"type": "citation", "citation": "Judgement of the project"}
    assert [parts(one, "kind") for one in extensions(resource, "evidence")] == [["seen"], ["seen"]]


def test_A10_used_ignored_missing_and_warnings_are_listed(write: Any) -> None:
    resource = write()
    used = extensions(resource, "used-finding")
    assert [parts(one, "finding")[0]["code"] for one in used] == ["pain_groin", "slr", "hip_ir_rom"]
    assert [parts(one, "value")[0] for one in used] == ["present", "absent", Decimal(12)]
    assert [bool(parts(one, "without-effect")) for one in used] == [False, False, True]
    ignored = extensions(resource, "ignored-input")[0]
    assert parts(ignored, "where") == ["Bundle.entry[3].resource"]
    assert parts(ignored, "reason") == ["It was entered in error."]
    assert parts(extensions(resource, "missing-finding")[0], "finding") == ["saddle_anaesthesia"]
    assert parts(extensions(resource, "warning")[0], "message") == ["A number came as text."]


def test_A11_a_recommendation_is_a_contained_draft_that_points_back(write: Any) -> None:
    resource = write()
    request = resource["contained"][1]
    assert (request["resourceType"], request["status"], request["intent"]) == ("ServiceRequest", "draft", "proposal")
    assert request["code"]["coding"][0]["code"] == "ref-orthopaedic-surgeon"
    assert request["performerType"]["coding"][0]["code"] == "spec-orthopaedics"
    assert request["subject"] == resource["subject"]
    assert request["reasonCode"][0]["coding"][0]["code"] == "hip-pain"
    assert request["supportingInfo"] == [{"reference": "#"}]
    assert request["meta"] == {"profile": [f"{BASE}/StructureDefinition/spine-hip-referral|1.2.3"]}
    assert not {"contained", "text"} & set(request)


@pytest.mark.parametrize(
    ("urgency", "priority", "period"),
    [("emergency", "stat", False), ("urgent", "urgent", False), ("soon", "routine", True), ("routine", "routine", False)],
)
def test_A11_urgency_decides_priority_and_soon_has_a_period(write: Any, urgency: Any, priority: str, period: bool) -> None:
    recommendation = replace(assessment().recommendations[0], urgency=urgency)
    request = write(assessment(recommendations=(recommendation,)))["contained"][1]
    assert request["priority"] == priority
    assert ("occurrencePeriod" in request) is period
    if period:
        assert request["occurrencePeriod"] == {"start": "2026-03-02T10:00:00+01:00", "end": "2026-03-30T10:00:00+01:00"}


def test_A12_a_red_flag_comes_first_in_extensions_and_narrative_and_decides_the_next_step(write: Any) -> None:
    raised = RedFlagScreen((RedFlag(CAUDA, "emergency", ("saddle_anaesthesia",)),), (FEVER,), ())
    resource = write(assessment(red_flags=raised, urgency="emergency"))
    first = resource["extension"][0]
    assert first["url"].endswith("/red-flag")
    assert parts(first, "rule")[0]["code"] == "cauda_equina"
    assert parts(first, "urgency")[0]["code"] == "emergency"
    assert parts(first, "finding") == ["saddle_anaesthesia"]
    assert resource["mitigation"] == "Send to the emergency department now."
    div = resource["text"]["div"]
    assert 0 < div.index("RED FLAGS") < div.index("An emergency has to be excluded first.")
    assert "Most likely source" not in div and "What speaks against it" not in div


def test_A12_no_red_flags_is_said_only_when_every_rule_was_answered(write: Any) -> None:
    sentence = load_texts("en")("red-flags-clear")
    assert sentence not in write()["text"]["div"]
    cleared = write(assessment(red_flags=RedFlagScreen((), (CAUDA, FEVER), ())))
    assert sentence in cleared["text"]["div"]
    assert parts(extensions(cleared, "red-flag-screening")[0], "clear") == [True]
    open_rule = parts(extensions(write(), "red-flag-screening")[0], "not-screened")[0]
    assert parts({"extension": open_rule}, "missing") == ["fever"]


def test_A13_without_findings_the_narrative_declines_and_says_what_to_examine(write: Any) -> None:
    bare = explanation("hip")
    bare = replace(bare, contributions=(), posterior_log_odds=bare.prior_log_odds)
    made = assessment(
        undecided=(Undecided("no-findings"),),
        patterns=tuple(replace(one, explanation=bare) for one in assessment().patterns),
        used=(),
    )
    resource = write(made, reading(case=Case(), used=(), inputs=()))
    assert resource["status"] == "preliminary"
    assert "basis" not in resource
    assert "Most likely source" not in resource["text"]["div"]
    assert resource["mitigation"].startswith("Examine or ask next: Saddle numbness.")
    assert extensions(resource, "next-examination")
    undecided = extensions(resource, "undecided")[0]["valueCodeableConcept"]
    assert undecided["coding"][0]["code"] == "no-findings"


HOSTILE = "<script>alert('x')</script> & \u202eevil\u202c \u200f\x00\x08\ud800 \"quoted\" ]]>"


def test_A14_text_of_the_input_is_escaped_and_the_narrative_stays_well_formed(write: Any) -> None:
    resource = write(
        None,
        reading(
            subject={"reference": "Patient/1", "display": HOSTILE},
            ignored=(Ignored(HOSTILE, HOSTILE, HOSTILE),),
            warnings=(Fault("value", HOSTILE, HOSTILE),),
        ),
    )
    assert resource["text"]["status"] == "generated"
    root = ElementTree.fromstring(resource["text"]["div"])
    assert root.tag == f"{XHTML}div"
    assert {element.tag.removeprefix(XHTML) for element in root.iter()} <= {
        "div", "p", "b", "ul", "li", "h4", "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip
    assert not any(mark in resource["text"]["div"] for mark in "\u202e\u202c\u200f\x00\x08\ud800")
    assert "<script>alert('x')</script>" in "".join(root.itertext())


def test_clean_keeps_letters_of_every_script_and_line_breaks() -> None:
    assert clean("Größe 痛み עברית\nnext") == "Größe 痛み עברית\nnext"
    assert clean(" \u2066a\u2069\ufeff ") == "a"


def test_T4_intended_use_and_limits_are_in_extension_and_narrative(write: Any) -> None:
    resource = write()
    for name, words in (("intended-use", "Not a diagnosis"), ("model-limits", "at most three coexisting conditions")):
        told = extensions(resource, name)[0]["valueString"]
        assert words in told
        assert words in resource["text"]["div"]
    assert "not for use by patients" in extensions(resource, "intended-use")[0]["valueString"]


def test_R60_equal_input_differs_only_in_id_and_time(write: Any) -> None:
    first, second = write(), write(id="ra-2", now=NOW + timedelta(hours=5))
    assert first["prediction"] == second["prediction"]
    assert first["identifier"] == second["identifier"]
    same = ("prediction", "identifier", "extension", "status", "basis", "method", "code", "mitigation", "meta", "subject")
    assert {key: first[key] for key in same} == {key: second[key] for key in same}
    assert first["id"] != second["id"]


@pytest.mark.parametrize(
    "changed",
    [
        reading(case=Case((Answer("pain_groin", False),))),
        reading(subject={"reference": "Patient/2"}),
        reading(inputs=(Input(FORM, "QuestionnaireResponse/2", ""),)),
        reading(case=replace(reading().case, side="left")),
    ],
    ids=["answer", "subject", "input", "side"],
)
def test_R60_another_input_has_another_identifier(write: Any, changed: Reading) -> None:
    assert write()["identifier"] != write(None, changed)["identifier"]


def test_dom_nothing_empty_and_no_float_leaves(write: Any) -> None:
    for one in everything(write()):
        assert one not in (None, "", [], {})
        assert not isinstance(one, float)


def test_dom_local_references_resolve_and_contained_resources_are_referred_to(write: Any) -> None:
    resource = write()
    ids = {f"#{one['id']}" for one in resource["contained"]}
    local = {
        one["reference"]
        for one in everything(resource)
        if isinstance(one, dict) and str(one.get("reference", "")).startswith("#")
    }
    assert local - {"#"} <= ids
    for contained in resource["contained"]:
        points_back = any(isinstance(one, dict) and one.get("reference") == "#" for one in everything(contained))
        assert f"#{contained['id']}" in local or points_back, "dom-3"


def test_a_word_without_a_code_stops_the_start(vocabulary: Vocabulary) -> None:
    unknown = replace(FEVER, id="no_such_rule")
    with pytest.raises(KnowledgeBaseError, match="no_such_rule"):
        Vocabulary(replace(KNOWLEDGE, red_flags=(unknown,)), vocabulary.terminology, vocabulary.texts)


def test_other_addresses_can_be_set(vocabulary: Vocabulary) -> None:
    own = Vocabulary(KNOWLEDGE, load_terminology(TERMINOLOGY, "https://clinic.example/r4"), load_texts("en"))
    resource = write_risk_assessment(assessment(), reading(), context=WritingContext(own, NOW, lambda: "1", "1"))
    assert "hipspine.example" not in str(resource)
