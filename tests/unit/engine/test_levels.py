"""The spinal levels: against figures worked by hand, against plain enumeration, and what must hold whatever the numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.engine.differential import posterior
from service.engine.levels import OUTCOMES, compile_levels
from service.engine.model import Answer, Case, KnowledgeBase, LevelRate, LevelShare
from service.engine.network import Network, compile_network
from service.knowledge.load import load_knowledge_base
from service.resources import tables_directory
from tests.unit.engine.small_knowledge import row, small_knowledge

SHARES = (
    ("disc", "root", {"L4": 0.2, "L5": 0.8}),
    ("stenosis", "root", {"L4": 0.5, "L5": 0.3, "none": 0.2}),
)
RATES = (("slr", "tension", "L4", 0.3), ("slr", "tension", "L5", 0.6), ("numb", "feeling", "L5", 0.3),
         ("buttock", "feeling", "L5", 0.7))  # fmt: skip
ROWS = (
    row("L1", "slr", "disc", lr_pos=3.0, lr_neg=0.4),
    row("L2", "slr", "hip_oa", lr_pos=1.8, lr_neg=0.8),
    row("L3", "numb", "disc", lr_pos=2.0, lr_neg=0.9),
    row("L4", "groin", "hip_oa", sensitivity=0.7),
)


def levelled(knowledge: KnowledgeBase) -> KnowledgeBase:
    shares = [
        LevelShare(f"S{condition}{level}", condition, part, level, p, p / 2, min(0.99, p * 2), "judgement", "expert")
        for condition, part, levels in SHARES
        for level, p in levels.items()
    ]
    rates = [
        LevelRate(f"R{index}", finding, group, "root", level, p, p / 2, p * 1.2, "D", "judgement", "expert")
        for index, (finding, group, level, p) in enumerate(RATES)
    ]
    return replace(knowledge, levels=tuple(shares), level_rates=tuple(rates))


SMALL = compile_network(levelled(small_knowledge(*ROWS)))


def located(network: Network, **answers):
    result = posterior(Case(tuple(Answer(finding, value) for finding, value in answers.items())), network)
    model = compile_levels(network)
    assert model is not None
    return {one.level: one for one in model.locate(result, result.weights)}


def probabilities(network: Network, **answers):
    return {level: one.probability for level, one in located(network, **answers).items()}


@pytest.fixture(scope="module")
def network() -> Network:
    return compile_network(load_knowledge_base(tables_directory()))


@pytest.fixture(scope="module")
def locate(network: Network):
    model = compile_levels(network)
    assert model is not None

    def found(**answers):
        result = posterior(Case(tuple(Answer(finding, value) for finding, value in answers.items())), network)
        conditions = dict(
            zip((one.id for one in network.hypotheses.conditions), result.weights @ network.hypotheses.membership, strict=True)
        )
        return {one.level: one for one in model.locate(result, result.weights)}, conditions

    return found


# --- worked by hand ------------------------------------------------------------------------------------------------------


def test_one_sign_shares_out_the_only_condition_with_a_level_as_worked_by_hand() -> None:
    knowledge = levelled(small_knowledge())
    alone = replace(knowledge, levels=tuple(one for one in knowledge.levels if one.condition_id == "disc"))
    network = compile_network(alone)
    found = probabilities(network, slr=False)
    # No likelihood rows: the posterior is the prior. Rates at weight 0.6 from background odds 0.18/0.82, then the shares.
    base = math.log(0.18 / 0.82)
    rate = {level: 1 / (1 + math.exp(-(base + 0.6 * (math.log(p / (1 - p)) - base)))) for level, p in (("L4", 0.3), ("L5", 0.6))}
    weight = {"L4": 0.2 * (1 - rate["L4"]), "L5": 0.8 * (1 - rate["L5"])}
    disc = float(np.exp(network.hypotheses.log_prior) @ network.hypotheses.membership[:, 0])
    assert found["L4"] == pytest.approx(disc * weight["L4"] / sum(weight.values()), rel=1e-12)
    assert found["L5"] == pytest.approx(disc * weight["L5"] / sum(weight.values()), rel=1e-12)
    assert found["none"] == pytest.approx(1.0 - disc, rel=1e-12)
    assert found["L1"] == found["S1"] == 0.0


def brute_force(network: Network, **answers):
    """Every hypothesis and every way its conditions can take levels, in plain Python."""
    knowledge, hypotheses = network.knowledge, network.hypotheses
    result = posterior(Case(tuple(Answer(finding, value) for finding, value in answers.items())), network)
    names = [condition.id for condition in hypotheses.conditions]
    share = {(one.condition_id, one.level): one.p for one in knowledge.levels}
    rated = {(one.finding_id, one.level): one.p for one in knowledge.level_rates}
    background = {one.finding_id: one.levels[0].background for one in network.observables if one.binary}
    shrink = dict.fromkeys(answers, 1.0)
    if "numb" in answers and "buttock" in answers:
        shrink["buttock"] = 0.3  # of the group of two signs, the one that tells the levels apart less

    def rate(finding, level):
        base = math.log(background[finding] / (1 - background[finding]))
        p = rated.get((finding, level))
        odds = base if p is None else base + shrink[finding] * 0.6 * (math.log(p / (1 - p)) - base)
        return 1 / (1 + math.exp(-odds))

    def left(finding, condition):
        """Mean over the sets with the condition of P(absent | set) over P(absent | that condition alone)."""
        column, start = names.index(condition), network.start[finding]
        own = 1 - max(float(network.level_rates[start, column]), background[finding])
        inside = [(w, h) for h, w in enumerate(result.weights) if hypotheses.membership[h, column]]
        mean = sum(w * math.exp(network.log_full[start + 1, h]) for w, h in inside) / sum(w for w, _ in inside)
        return min(1.0, mean / own)

    within = {}
    for condition in {one.condition_id for one in knowledge.levels}:
        weights = {}
        for level in OUTCOMES:
            weight = share.get((condition, level), 0.0)
            for finding, value in answers.items():
                if finding not in {one for one, _ in rated}:
                    continue
                if value:
                    a = left(finding, condition)
                    weight *= (1 - (1 - rate(finding, level)) * a) / (1 - (1 - background[finding]) * a)
                else:
                    weight *= (1 - rate(finding, level)) / (1 - background[finding])
            weights[level] = weight
        within[condition] = {level: weight / sum(weights.values()) for level, weight in weights.items()}
    found = dict.fromkeys(OUTCOMES, 0.0)
    for index, mass in enumerate(result.weights.tolist()):
        members = [name for name, inside in zip(names, hypotheses.membership[index], strict=True) if inside and name in within]
        for chosen in product(OUTCOMES, repeat=len(members)):
            weight = mass * math.prod(within[name][level] for name, level in zip(members, chosen, strict=True))
            levels = set(chosen) - {"none"} or {"none"}
            for level in levels:
                found[level] += weight
    return found


@pytest.mark.parametrize(
    "answers",
    [
        {}, {"slr": True}, {"slr": False, "numb": True}, {"slr": True, "numb": False, "groin": True},
        {"numb": True, "buttock": True}, {"numb": True, "buttock": False, "slr": True, "rotation": 10.0},
    ],
    ids=str,
)  # fmt: skip
def test_levels_equal_an_enumeration_of_every_set_and_every_way_its_conditions_take_levels(answers) -> None:
    found, plain = probabilities(SMALL, **answers), brute_force(SMALL, **answers)
    assert found == pytest.approx(plain, rel=1e-5, abs=1e-12)


def test_a_knowledge_base_without_levels_has_no_level_model() -> None:
    assert compile_levels(compile_network(small_knowledge(*ROWS))) is None


# --- properties ----------------------------------------------------------------------------------------------------------

small_answers = st.fixed_dictionaries({}, optional={one: st.booleans() for one in ("slr", "numb", "buttock", "groin", "thrust")})


@settings(deadline=None, max_examples=60)
@given(small_answers)
def test_probabilities_are_probabilities_and_the_levels_with_none_cover_everything(values) -> None:
    found = probabilities(SMALL, **values)
    assert list(found) == list(OUTCOMES)
    assert all(0.0 <= value <= 1.0 for value in found.values())
    assert sum(found.values()) >= 1.0 - 1e-9
    assert all(found[level] <= 1.0 - found["none"] + 1e-9 for level in OUTCOMES[:-1])


@settings(deadline=None, max_examples=30)
@given(small_answers)
def test_the_order_of_the_answers_changes_no_level(values) -> None:
    assert probabilities(SMALL, **values) == probabilities(SMALL, **dict(reversed(values.items())))


def test_an_unknown_answer_changes_no_level(network: Network) -> None:
    model, case = compile_levels(network), Case((Answer("derm_l5", True), Answer("slr", True)))
    asked = replace(case, asked_unknown=("myo_l5", "reflex_achilles"))
    first, second = (posterior(one, network) for one in (case, asked))
    assert model.locate(first, first.weights) == model.locate(second, second.weights)


@pytest.mark.parametrize(
    ("condition", "level"), [("ldh_l4_radic", "L4"), ("ldh_l5_radic", "L5"), ("ldh_s1_radic", "S1"), ("upper_lumbar_dh", "L3")]
)
@pytest.mark.parametrize("answers", [{}, {"slr": True, "pain_below_knee": True}, {"pain_groin": True, "lbp_present": True}])
def test_K18_a_level_is_at_least_as_probable_as_the_root_condition_that_means_it(locate, condition, level, answers) -> None:
    found, conditions = locate(**answers)
    assert found[level].probability >= 0.5 * conditions[condition]
    if condition.startswith("ldh"):
        assert found[level].probability >= 0.85 * conditions[condition]


def test_none_is_at_least_the_mass_without_any_condition_that_has_a_level(network: Network, locate) -> None:
    with_level = {one.condition_id for one in network.knowledge.levels}
    columns = [index for index, one in enumerate(network.hypotheses.conditions) if one.id in with_level]
    result = posterior(Case((Answer("pain_groin", True), Answer("fadir", True))), network)
    without = float(result.weights[network.hypotheses.membership[:, columns].sum(axis=1) == 0].sum())
    found, _ = locate(pain_groin=True, fadir=True)
    assert found["none"].probability >= without


# --- what clinicians expect ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "answers"),
    [
        ("L4", {"derm_l4": True, "reflex_patellar": True, "fnst": True}),
        ("L5", {"derm_l5": True, "myo_l5": True, "slr": True}),
        ("S1", {"derm_s1": True, "reflex_achilles": True, "slr": True}),
        ("L3", {"derm_l3": True, "myo_l3": True, "fnst": True, "pain_anterior_thigh": True, "pain_below_knee": False}),
    ],
)
def test_K18_the_signs_of_a_root_raise_its_level_most_and_are_named_for_it(locate, level, answers) -> None:
    before, _ = locate()
    found, _ = locate(**answers)
    ratio = {one: found[one].probability / before[one].probability for one in OUTCOMES[:-1]}
    assert ratio[level] > 2.5
    assert ratio[level] >= 0.9 * max(ratio.values())
    strongest = found[level].reasons[0]
    assert strongest.finding_id in answers
    assert strongest.log_odds > 0.0
    assert strongest.rows


def test_K14_foot_drop_speaks_for_L4_and_L5_and_weak_knee_extension_for_L3_and_L4(locate) -> None:
    before, _ = locate()
    drop, _ = locate(myo_l4=True)
    knee, _ = locate(myo_l3=True)
    gain = lambda found, level: found[level].probability / before[level].probability  # noqa: E731
    assert min(gain(drop, "L4"), gain(drop, "L5")) > max(gain(drop, "L2"), gain(drop, "S1"), 1.0)
    assert min(gain(knee, "L3"), gain(knee, "L4")) > max(gain(knee, "L5"), gain(knee, "S1"), 1.0)


def test_K14_outer_thigh_numbness_with_normal_power_and_reflexes_goes_to_the_nerve_of_the_thigh(locate) -> None:
    before, prior = locate()
    numb, told = locate(thigh_burning_numb=True)
    normal, clear = locate(thigh_burning_numb=True, myo_l2=False, myo_l3=False, reflex_patellar=False, motor_any=False)
    assert clear["meralgia"] > 5 * prior["meralgia"]
    assert clear["meralgia"] >= told["meralgia"]
    assert normal["none"].probability > before["none"].probability
    assert normal["none"].probability > numb["none"].probability
    for level in ("L2", "L3"):
        assert normal[level].probability < numb[level].probability
    gained = sum(normal[level].probability - before[level].probability for level in ("L2", "L3"))
    assert gained < 0.25 * (clear["meralgia"] - prior["meralgia"])


def test_K10_groin_and_inner_thigh_pain_with_a_femoral_stretch_speak_for_the_upper_levels(locate) -> None:
    before, _ = locate()
    found, _ = locate(pain_groin=True, pain_medial_thigh=True, fnst=True)
    ratio = {level: found[level].probability / before[level].probability for level in OUTCOMES[:-1]}
    assert min(ratio["L2"], ratio["L3"]) > max(ratio["L5"], ratio["S1"])


def test_K19_a_tender_segment_raises_its_own_level_more_than_any_other_but_only_a_little(locate) -> None:
    before, _ = locate(lbp_present=True)
    found, _ = locate(lbp_present=True, palp_segment_l4=True, palp_segment_l5=False)
    ratio = {level: found[level].probability / before[level].probability for level in OUTCOMES[:-1]}
    assert max(ratio, key=ratio.get) == "L4"
    assert ratio["L4"] < 2.5


def test_K02_groin_pain_that_an_arthritic_hip_explains_says_less_about_the_level(network: Network) -> None:
    model = compile_levels(network)
    spinal = {"neurogenic_claudication": True, "better_flex_sit": True, "lumbar_mri_compression": "present and matching"}
    hip = {"hip_xray_oa": True, "hip_ir_rom": 10.0, "shoes_socks_difficulty": True, "car_transfer_pain": True}

    def share_of_l5(**answers):
        result = posterior(Case(tuple(Answer(finding, value) for finding, value in answers.items())), network)
        found = {one.level: one.probability for one in model.locate(result, result.weights)}
        return found["L5"] / (1.0 - found["none"])

    alone = share_of_l5(**spinal, pain_groin=True) / share_of_l5(**spinal)
    explained = share_of_l5(**spinal, **hip, pain_groin=True) / share_of_l5(**spinal, **hip)
    assert alone < explained < 1.0


def test_the_reasons_of_a_level_are_what_leaving_the_answer_out_changes(network: Network) -> None:
    answers = {"derm_l5": True, "myo_l5": True, "slr": True, "reflex_achilles": False}
    found = located(network, **answers)["L5"]
    for reason in found.reasons:
        others = {finding: value for finding, value in answers.items() if finding != reason.finding_id}
        without = located(network, **others)["L5"].probability
        change = math.log(found.probability / (1 - found.probability)) - math.log(without / (1 - without))
        assert reason.log_odds == pytest.approx(change, abs=0.05), reason.finding_id
    assert [abs(one.log_odds) for one in found.reasons] == sorted((abs(one.log_odds) for one in found.reasons), reverse=True)
