"""The combined pattern: who is primary and which stage, against figures worked by hand and plain enumeration."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.engine.assess import build_engine
from service.engine.combined import StageModel, compile_stages, drawn_together, spine_is_primary
from service.engine.differential import posterior
from service.engine.model import Answer, Case, Constant, Explanation, KnowledgeBase, StageRate
from service.engine.network import compile_network
from service.knowledge.load import load_knowledge_base
from service.resources import tables_directory
from tests.unit.engine.small_knowledge import row, small_knowledge

PRIOR = {"hip-and-spine": (0.1, 0.4, 0.5), "spine": (0.7, 0.2, 0.1)}
RATES = {
    ("groin", "present"): (0.2, 0.4, 0.6),
    ("rotation", "tight"): (0.1, 0.2, 0.5),
    ("rotation", "middle"): (0.2, 0.3, 0.3),
    ("rotation", "free"): (0.7, 0.5, 0.2),
    ("buttock", "present"): (0.7, 0.6, 0.5),
}
CONSTANTS = {
    "combined_marginal_from": 0.25, "combined_both_from": 0.15, "combined_primary_spine": 0.5,
    "combined_primary_weight": 0.5, "combined_primary_named_from": 0.65,
}  # fmt: skip
ROWS = (
    row("L1", "slr", "disc", lr_pos=6.0, lr_neg=0.4),
    row("L2", "groin", "hip_oa", sensitivity=0.9),
    row("L3", "rotation", "hip_oa", when="<=15", when_not=">15", lr_pos=4.0, lr_neg=0.5),
)
BOTH = {"slr": True, "groin": True, "rotation": 10.0}


def staged(knowledge: KnowledgeBase, **constants: float) -> KnowledgeBase:
    numbers = CONSTANTS | constants
    priors = [
        StageRate(f"P{given}{stage}", given, "", "", stage, p, p / 2, p, "D", "judgement", "expert")  # type: ignore[arg-type]
        for given, shares in PRIOR.items()
        for stage, p in enumerate(shares, 1)
    ]
    rates = [
        StageRate(f"{observable}-{level}-{stage}", "", observable, level, stage, p, p / 2, p, "D", "judgement", "expert")
        for (observable, level), shares in RATES.items()
        for stage, p in enumerate(shares, 1)
    ]
    return replace(
        knowledge,
        stages=(*priors, *rates),
        constants={**knowledge.constants, **{id: Constant(id, p, p, p, "expert", "") for id, p in numbers.items()}},
    )


NETWORK = compile_network(staged(small_knowledge(*ROWS), combined_both_from=0.0, combined_marginal_from=0.0))
MODEL = compile_stages(NETWORK)
EVEN = Explanation("spine-versus-hip", 0.0, 0.0, (), 0)


def combined(model: StageModel, balance: Explanation = EVEN, **answers):
    case = Case(tuple(Answer(finding, value) for finding, value in answers.items()))
    result = posterior(case, model.network)
    return model.combine(case, result, result.weights, balance)


@pytest.fixture(scope="module")
def engine():
    return build_engine(load_knowledge_base(tables_directory()))


def assessed(engine, age=None, **answers):
    return engine.assess(Case(tuple(Answer(finding, value) for finding, value in answers.items()), age_years=age))


CASE = {
    "lbp_present": True, "pain_below_knee": True, "slr": True, "neurogenic_claudication": True, "pain_groin": True,
    "hip_xray_oa": True, "lumbar_mri_compression": "present and matching", "car_transfer_pain": True,
}  # fmt: skip


# --- stages --------------------------------------------------------------------------------------------------------------


def test_without_answers_the_stages_are_the_mixture_of_the_two_priors() -> None:
    found, reasons = MODEL.stages(0.3, [])
    assert found == pytest.approx([0.3 * 0.1 + 0.7 * 0.7, 0.3 * 0.4 + 0.7 * 0.2, 0.3 * 0.5 + 0.7 * 0.1])
    assert reasons == ()


def test_one_answer_moves_the_stages_as_worked_by_hand() -> None:
    case = Case((Answer("groin", True),))
    answers = MODEL.answers(case, posterior(case, NETWORK))
    found, reasons = MODEL.stages(1.0, answers)
    # Grade D counts 0.6: m (P/m)^0.6 over present and absent, m the mean over the stages (0.4 and 0.6).
    present = [0.4 * (p / 0.4) ** 0.6 for p in (0.2, 0.4, 0.6)]
    absent = [0.6 * ((1 - p) / 0.6) ** 0.6 for p in (0.2, 0.4, 0.6)]
    rates = [one / (one + other) for one, other in zip(present, absent, strict=True)]
    weights = [prior * rate for prior, rate in zip((0.1, 0.4, 0.5), rates, strict=True)]
    assert found == pytest.approx([weight / sum(weights) for weight in weights], rel=1e-12)
    assert reasons[0].stage == 3
    third = weights[2] / sum(weights)
    assert reasons[0].log_odds == pytest.approx(math.log(third / (1 - third)) - math.log(0.5 / 0.5), rel=1e-9)
    assert reasons[0].rows == ("groin-present-1", "groin-present-2", "groin-present-3")


def plain_stages(network, **answers):
    """P(stage) by going through every set of conditions, in plain Python."""
    case = Case(tuple(Answer(finding, value) for finding, value in answers.items()))
    weights, hypotheses = posterior(case, network).weights.tolist(), network.hypotheses
    found, total = [0.0, 0.0, 0.0], 0.0
    for index, mass in enumerate(weights):
        regions = {one.region for one, inside in zip(hypotheses.conditions, hypotheses.membership[index], strict=True) if inside}
        if "spine" not in regions:
            continue
        shares = list(PRIOR["hip-and-spine" if "hip" in regions else "spine"])
        for finding, value in answers.items():
            if (finding, "present") not in RATES and finding != "rotation":
                continue
            if finding == "rotation":
                levels = ["tight", "middle", "free"]
                at = 0 if value <= 15 else 1 if value <= 25 else 2
                table = [RATES[finding, level] for level in levels]
            else:
                at = 0 if value else 1
                table = [RATES[finding, "present"], tuple(1 - p for p in RATES[finding, "present"])]
            # groin and buttock share a group; groin tells the stages apart better
            weight = 0.6 * (0.3 if finding == "buttock" and "groin" in answers else 1.0)
            for stage in range(3):
                drawn = [sum(line) / 3 * (line[stage] / (sum(line) / 3)) ** weight for line in table]
                shares[stage] *= drawn[at] / sum(drawn)
        total += mass
        for stage in range(3):
            found[stage] += mass * shares[stage] / sum(shares)
    return {stage + 1: share / total for stage, share in enumerate(found)}


@pytest.mark.parametrize(
    "answers", [{}, {"slr": True}, BOTH, {"groin": True, "buttock": False}, {"groin": False, "buttock": True, "rotation": 40.0}],
    ids=str,
)  # fmt: skip
def test_stages_equal_an_enumeration_of_every_set_of_conditions(answers) -> None:
    assert dict(combined(MODEL, **answers).stages) == pytest.approx(plain_stages(NETWORK, **answers), rel=1e-9)


@settings(deadline=None, max_examples=50)
@given(
    st.fixed_dictionaries({}, optional={"groin": st.booleans(), "buttock": st.booleans(), "rotation": st.floats(0, 90)}),
    st.floats(0, 1),
)
def test_stages_sum_to_one_whatever_the_answers_and_their_order(values, hip_too) -> None:
    made = []
    for items in (values.items(), reversed(values.items())):
        case = Case(tuple(Answer(finding, value) for finding, value in items))
        found, _ = MODEL.stages(hip_too, MODEL.answers(case, posterior(case, NETWORK)))
        made.append(found)
    assert made[0].sum() == pytest.approx(1.0)
    assert np.array_equal(*made)


def test_shrinking_rates_keeps_them_distributions_and_brings_them_closer() -> None:
    rates = np.array([[0.1, 0.5], [0.9, 0.5]])
    drawn = drawn_together(rates, 0.5)
    assert drawn.sum(axis=0) == pytest.approx([1.0, 1.0])
    assert 0.1 < drawn[0, 0] < drawn[0, 1] < 0.5
    assert drawn_together(rates, 1.0) == pytest.approx(rates)


# --- who is primary ------------------------------------------------------------------------------------------------------


def test_primary_counts_half_of_what_the_answers_moved_between_spine_and_hip() -> None:
    balance = Explanation("spine-versus-hip", -0.4, 1.6, (), 12)
    assert spine_is_primary(balance, NETWORK.knowledge) == pytest.approx(1 / (1 + math.exp(-0.5 * 2.0)))
    assert spine_is_primary(EVEN, NETWORK.knowledge) == pytest.approx(0.5)


@pytest.mark.parametrize(("moved", "primary"), [(3.0, "spine"), (-3.0, "hip"), (0.4, "undetermined"), (-0.4, "undetermined")])
def test_a_primary_source_is_named_only_from_the_probability_of_the_tables_on(moved: float, primary: str) -> None:
    found = combined(MODEL, Explanation("spine-versus-hip", 0.0, moved, (), 12), **BOTH)
    assert found.primary == primary
    assert found.primary_probability == pytest.approx(max(found.primary_spine, 1 - found.primary_spine))


# --- when it is reported -------------------------------------------------------------------------------------------------


def test_nothing_is_said_of_both_where_one_of_them_carries_no_weight() -> None:
    model = compile_stages(compile_network(staged(small_knowledge(*ROWS))))
    assert combined(model, slr=False, groin=True, rotation=10.0) is None


def test_an_unsettled_either_or_is_not_reported_as_both(engine) -> None:
    found = assessed(engine, pain_groin=True, lbp_present=True)
    spine = sum(one.probability for one in found.patterns if one.target in ("spine", "hip-and-spine"))
    hip = sum(one.probability for one in found.patterns if one.target in ("hip", "hip-and-spine"))
    assert min(spine, hip) > 0.2
    assert found.combined is None


def test_a_knowledge_base_without_stages_has_no_stage_model() -> None:
    assert compile_stages(compile_network(small_knowledge(*ROWS))) is None


def test_both_is_the_probability_of_hip_spine_syndrome(engine) -> None:
    found = assessed(engine, **CASE)
    syndrome = next(one for one in found.conditions if one.target == "hip_spine_syndrome")
    assert found.combined.both == pytest.approx(syndrome.probability, rel=1e-9)


# --- what clinicians expect ----------------------------------------------------------------------------------------------


def stage(found, number: int) -> float:
    return dict(found.combined.stages)[number]


def test_K28_partial_relief_from_treating_the_hip_alone_speaks_for_stage_three(engine) -> None:
    before = assessed(engine, **CASE)
    block = assessed(engine, **CASE, hip_injection_relief="50-79%")
    treated = assessed(engine, **CASE, hip_treatment_response="partly better")
    assert stage(block, 3) > stage(before, 3)
    assert [(one.stage, one.finding_id) for one in block.combined.reasons if one.finding_id == "hip_injection_relief"] == [
        (3, "hip_injection_relief")
    ]
    assert stage(treated, 3) > stage(before, 3)


def test_K26_a_hip_that_moves_freely_and_looks_normal_speaks_for_stage_one(engine) -> None:
    answers = {key: value for key, value in CASE.items() if key != "hip_xray_oa"} | {"fadir": True, "hip_ir_load_pain": True}
    worn = assessed(engine, **answers, hip_xray_oa=True)
    free = assessed(engine, **answers, hip_xray_oa=True, hip_rom_full_painless=True)
    assert stage(free, 1) > stage(worn, 1)
    model = engine.stages
    case = Case((Answer("hip_rom_full_painless", True), Answer("hip_imaging_normal", "MRI normal")))
    alone, _ = model.stages(0.5, [])
    shown, reasons = model.stages(0.5, model.answers(case, posterior(case, engine.network)))
    assert shown[0] > alone[0]
    assert {one.stage for one in reasons} == {1}


def test_K27_months_to_years_and_age_speak_against_stage_one(engine) -> None:
    short = assessed(engine, age=35.0, **CASE, symptom_duration="under 2 weeks")
    long = assessed(engine, age=72.0, **CASE, symptom_duration="over 1 year")
    assert stage(long, 1) < stage(short, 1)
    assert {"age_band", "symptom_duration"} <= {one.finding_id for one in long.combined.reasons}


def test_K28_the_surer_both_take_part_the_less_stage_one_is_possible(engine) -> None:
    shares = [engine.stages.stages(hip_too, [])[0] for hip_too in (0.0, 0.5, 1.0)]
    assert shares[0][0] > shares[1][0] > shares[2][0]
    assert shares[0][2] < shares[1][2] < shares[2][2]


def test_an_unknown_answer_changes_nothing(engine) -> None:
    case = Case(tuple(Answer(finding, value) for finding, value in CASE.items()))
    asked = replace(case, asked_unknown=("hip_injection_relief", "symptom_duration"))
    assert engine.assess(case).combined == engine.assess(asked).combined
