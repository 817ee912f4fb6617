"""The measures themselves: cluster ratios, expected shares, simulation, sensitivity, plots."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations as choose
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from service.composition.parts import Service
from service.engine.dependence import leading
from service.engine.differential import posterior
from service.engine.hypotheses import Array
from service.engine.network import Network, compile_network
from service.evaluation.bars import Bar
from service.evaluation.cases import engine_cases
from service.evaluation.clusters import (
    Cluster,
    Statement,
    check_cluster,
    holding,
    interval_from_counts,
    joint_mass,
    load_clusters,
    rule_masses,
)
from service.evaluation.plots import PLOTS, write_plots
from service.evaluation.populations import expected_share, load_population_checks
from service.evaluation.reach import CAUSES, causes_of_misses, expected_right, reaches
from service.evaluation.sensitivity import measure_sensitivity, moved_knowledge, slope_influences
from service.evaluation.simulation import chi_square_tail, simulate
from service.evaluation.vignettes import Outcome, matches, published_cases, rows
from service.resources import tables_directory

CHECKS = tables_directory().parent / "checks"
DOCS = Path(__file__).resolve().parents[2] / "docs"
CLUSTERS = {cluster.id: cluster for cluster in load_clusters(CHECKS / "combination_rules.csv")}
COMPARED = [cluster.id for cluster in CLUSTERS.values() if not cluster.not_compared]


@pytest.fixture(scope="module")
def network(service: Service) -> Network:
    return service.parts.engine.network


def one_item(finding_id: str, target_id: str) -> Cluster:
    """A rule of one finding present."""
    return Cluster(
        id=finding_id, name="", target_id=target_id, compared_with=(), required=((Statement.parse(f"{finding_id} true"),),),
        counted=(), at_least=0, ratios=(), quality="B", source="", source_kind="seen", population="", not_compared="", note="",
    )


# --- clusters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPARED)
def test_every_combination_of_answers_is_counted_once(name: str, network: Network) -> None:
    met, unmet = rule_masses(CLUSTERS[name], network)
    assert (met + unmet).sum() == pytest.approx(1.0, abs=1e-9)
    assert met.sum() > 0 < unmet.sum()


def test_a_rule_of_one_finding_is_met_as_often_as_the_finding_is_present(network: Network) -> None:
    result = check_cluster(one_item("pain_groin", "hip_oa"), network)
    present = np.exp(network.log_full[network.start["pain_groin"]])
    prior = np.exp(network.hypotheses.log_prior)
    for shown, who in ((result.met_by_target, holding(network, ["hip_oa"])),
                       (result.met_by_compared, 1.0 - holding(network, ["hip_oa"]))):
        assert shown == pytest.approx(float(prior * who @ present / (prior @ who)))


def test_two_of_four_is_the_sum_over_the_ways_to_meet_it(network: Network) -> None:
    """By hand for each hypothesis: products of rates over all choices of two or more of the four findings.

    With the disease itself the published cluster says how often the rule is met.
    """
    cluster = CLUSTERS["berlin_2of4"]
    observables = [network.by_finding[item.finding_id][0] for item in cluster.counted]
    leaders = leading(observables, network.dependency_groups, network.separation)
    rates = []
    for item, observable in zip(cluster.counted, observables, strict=True):
        table = network.log_full if observable.id in leaders else network.log_shared
        levels = [index for index, level in enumerate(observable.levels) if item.test.holds(level.when.example())]
        rates.append(sum(np.exp(table[network.start[observable.id] + index]) for index in levels))
    expected = sum(_product(rates, chosen) for count in (2, 3, 4) for chosen in choose(range(4), count))
    met, _ = rule_masses(cluster, network)
    (compiled,) = (one for one in network.clusters if one.cluster.id == "berlin_pattern")
    without = np.ones(network.hypotheses.count, dtype=bool)
    without[compiled.with_target] = False
    prior = np.exp(network.hypotheses.log_prior)
    assert np.allclose(met[without], (prior * expected)[without], rtol=1e-9)
    alone = 1 + [condition.id for condition in network.hypotheses.conditions].index("ax_spa")
    assert met[alone] == pytest.approx(prior[alone] * compiled.wanted[1:].sum(), rel=1e-9)
    assert met[alone] > 1.5 * prior[alone] * expected[alone]


@pytest.mark.parametrize(
    ("shown", "published"),
    [((23, 27, 7, 33), (2.04, 7.89)), ((4, 27, 26, 33), (0.07, 0.47))],  # van der Wurff 2006 prints counts and intervals
)
def test_an_interval_from_counts_is_the_one_a_study_prints(
    shown: tuple[int, int, int, int], published: tuple[float, float]
) -> None:
    found = interval_from_counts(*shown)
    assert found is not None
    assert [round(end, 2) for end in found] == pytest.approx(published, abs=0.011)


def test_an_empty_cell_has_no_interval() -> None:
    assert interval_from_counts(0, 21, 1, 51) is None


def test_computed_intervals_of_the_table_follow_from_its_counts_and_these_from_what_is_printed() -> None:
    """The numbers of people reproduce the printed sensitivity and specificity, and the interval is worked out from them."""
    with (CHECKS / "combination_rules.csv").open(encoding="utf-8", newline="") as table:
        computed = [row for row in csv.DictReader(table) if row["interval"] == "computed from counts"]
    assert len(computed) > 10
    for row in computed:
        target, others = int(row["n_target"]), int(row["n_compared"])
        hits, alarms = round(float(row["sensitivity"]) * target), others - round(float(row["specificity"]) * others)
        assert hits / target == pytest.approx(float(row["sensitivity"]), abs=0.0051), row["rule_id"]
        assert 1 - alarms / others == pytest.approx(float(row["specificity"]), abs=0.0051), row["rule_id"]
        assert row["counts_from"], row["rule_id"]
        for name, counts in (("lr_pos", (hits, target, alarms, others)),
                             ("lr_neg", (target - hits, target, others - alarms, others))):
            if row[name]:
                found = interval_from_counts(*counts)
                assert found is not None
                assert [f"{end:.3g}" for end in found] == [f"{float(row[f'{name}_{end}']):.3g}" for end in ("low", "high")]


@pytest.mark.parametrize("cluster_id", ["sij_count"])
def test_the_parts_of_a_count_share_it_as_the_parts_by_themselves_have_it(cluster_id: str, network: Network) -> None:
    """All combinations of parts together are everyone, and of equal counts the likelier parts are positive more often."""
    parts = network.knowledge.clusters[cluster_id]
    total = np.zeros(network.hypotheses.count)
    for chosen in product((True, False), repeat=len(parts)):
        total += joint_mass(dict(zip(parts, chosen, strict=True)), network)
    assert np.allclose(total, np.exp(network.hypotheses.log_prior), rtol=1e-9)


def _product(rates: list[Array], chosen: tuple[int, ...]) -> Array:
    held: Array = np.prod([rate if index in chosen else 1.0 - rate for index, rate in enumerate(rates)], axis=0)
    return held


def test_three_sacroiliac_tests_of_five_are_the_top_level_of_their_count(network: Network) -> None:
    result = check_cluster(CLUSTERS["laslett_3of5"], network)
    top = np.exp(network.log_full[network.start["sij_count"] + 3])
    prior = np.exp(network.hypotheses.log_prior) * holding(network, ["sij_dysfunction"])
    assert result.met_by_target == pytest.approx(float(prior @ top / prior.sum()))


def test_alternatives_and_counts_are_read_as_written() -> None:
    clinical = CLUSTERS["acr_clinical"]
    younger = {"hip_ir_rom": 20.0, "hip_ir_load_pain": True, "morning_stiffness": "none", "age_band": "40-49"}
    assert not clinical.met(younger)
    assert clinical.met({**younger, "age_band": "60-69"})
    assert clinical.met({**younger, "hip_ir_rom": 10.0})
    fracture = CLUSTERS["henschke_2of4"]
    flags = {"sex": "female", "age_band": "70 and over", "trauma_significant": False, "corticosteroid_use": False}
    assert fracture.met(flags)
    assert not fracture.met({**flags, "sex": "male"})


def test_rules_name_conditions_groups_and_qualities_that_exist(network: Network) -> None:
    known = {condition.id for condition in network.knowledge.conditions} | {group.id for group in network.knowledge.groups}
    for cluster in CLUSTERS.values():
        assert {cluster.target_id, *cluster.compared_with} <= known, cluster.id
        assert cluster.quality in "ABCD"
        assert bool(cluster.not_compared) != bool(cluster.finding_ids), cluster.id


# --- shares -----------------------------------------------------------------------------------------------------------


def test_an_expected_share_of_everyone_is_the_prior(network: Network) -> None:
    checks = {check.id: check for check in load_population_checks(CHECKS / "prior_population.csv")}
    spine = network.hypotheses.pattern[:, 0]
    prior = np.exp(network.hypotheses.log_prior)
    assert expected_share(checks["hip_pain_spine_share"], network) == pytest.approx(float(prior @ spine))


def test_an_expected_share_given_an_answer_is_the_posterior(network: Network) -> None:
    from service.engine.model import Answer, Case

    checks = {check.id: check for check in load_population_checks(CHECKS / "prior_population.csv")}
    weights = posterior(Case((Answer("cancer_history", True),)), network).weights
    column = [condition.id for condition in network.hypotheses.conditions].index("malignancy_spine_pelvis")
    expected = float(weights @ network.hypotheses.membership[:, column])
    assert expected_share(checks["cancer_post_history"], network) == pytest.approx(expected)


# --- simulation -------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_patients(network: Network) -> None:
    assert simulate(network, patients=300, seed=1) == simulate(network, patients=300, seed=1)
    assert simulate(network, patients=300, seed=1) != simulate(network, patients=300, seed=2)


def test_the_network_is_calibrated_on_its_own_patients(network: Network) -> None:
    result = simulate(network, patients=4000, seed=3)
    for item in (*result.patterns, *result.conditions):
        spread = (item.mean * (1.0 - item.mean) / item.count) ** 0.5
        assert abs(item.observed - item.mean) <= 4.5 * spread + 1e-4, item
    assert result.brier_patterns < result.brier_patterns_reference
    assert result.brier_conditions < result.brier_conditions_reference
    assert all(sum(ranks.counts) == 4000 and ranks.p_value > 0.001 for ranks in result.ranks)


def test_the_ranks_find_a_posterior_that_is_too_sure(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself: squaring every posterior must not pass for calibrated."""
    from service.evaluation import simulation

    true = simulation.normalised_rows
    monkeypatch.setattr(simulation, "normalised_rows", lambda log_weights: true(2.0 * log_weights))
    result = simulate(network, patients=2000, seed=3)
    assert min(ranks.p_value for ranks in result.ranks) < 1e-6


@pytest.mark.parametrize(("value", "degrees", "tail"), [(31.410, 20, 0.05), (5.991, 2, 0.05), (37.566, 20, 0.01), (0.0, 20, 1.0)])
def test_chi_square_tails_are_those_of_printed_tables(value: float, degrees: int, tail: float) -> None:
    assert chi_square_tail(value, degrees) == pytest.approx(tail, rel=1e-3)


# --- sensitivity ------------------------------------------------------------------------------------------------------


def test_slopes_agree_with_moving_a_number_for_real(service: Service, network: Network) -> None:
    """Of each table the most influential number, moved by a hundredth of its spread."""
    cases = engine_cases(service.parts)
    results = [posterior(case, network) for case in cases]
    slopes = slope_influences(network, cases, results)
    resting = np.array([result.weights @ network.hypotheses.pattern for result in results])
    tables = {number.place for number in slopes}
    assert tables == {"conditions", "background_rates", "likelihoods", "model"}
    for table in tables:
        number = max((number for number in slopes if number.place == table), key=lambda number: slopes[number])
        moved = compile_network(moved_knowledge(number, network.knowledge, 0.01))
        patterns = np.array([posterior(case, moved).weights @ network.hypotheses.pattern for case in cases])
        real = float(0.5 * np.abs(patterns - resting).sum(axis=1).mean()) / 0.01
        assert slopes[number] == pytest.approx(real, rel=0.03), number


def test_the_largest_influences_come_first(service: Service, network: Network) -> None:
    found = measure_sensitivity(network, engine_cases(service.parts)[:6], largest=3)
    variations = [influence.total_variation for influence in found.largest]
    assert len(variations) == 3
    assert variations == sorted(variations, reverse=True)
    assert found.cases == 6 < found.tried


# --- cases, bars, plots -----------------------------------------------------------------------------------------------


def test_every_case_has_its_conditions_and_they_exist(network: Network) -> None:
    known = {condition.id for condition in network.knowledge.conditions}
    cases = published_cases()
    assert [row["case"] for row in rows("conditions.csv")] == [case.case for case in cases]
    assert {row["case"] for row in rows("recorded_flags.csv")} <= {case.case for case in cases}
    for case in cases:
        assert set(case.conditions) <= known, case.case
        assert (case.fit == "none") == (not case.conditions), case.case


def test_labels_are_matched_as_the_cases_say() -> None:
    assert matches("both", "hip-and-spine", ("hip", "spine"))
    assert not matches("both", "hip-and-spine", ("sij", "hip"))
    assert matches("both", "other-combination", ("sij", "hip"))
    assert not matches("serious", "hip", ("hip",))


@pytest.mark.parametrize(("sense", "count", "met"), [
    ("at least", 8, True), ("at least", 7, False), ("at most", 8, True), ("at most", 9, False),
])
def test_a_bar_is_met_or_missed(sense: str, count: int, met: bool) -> None:
    bar = Bar("", count, 10, "at least" if sense == "at least" else "at most", 0.8)
    assert (bar.met, bar.verdict) == (met, "met" if met else "MISSED")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    figures = json.loads((DOCS / "evaluation" / "figures.json").read_text(encoding="utf-8"))
    yield write_plots(figures, tmp_path_factory.mktemp("plots"))


def test_every_plot_is_drawn_and_is_part_of_the_page(drawn: list[Path]) -> None:
    page = (DOCS / "evaluation.md").read_text(encoding="utf-8")
    assert [path.stem for path in drawn] == list(PLOTS)
    for path in drawn:
        assert f"](evaluation/{path.name})" in page
        assert (DOCS / "evaluation" / path.name).is_file()


def test_a_plot_has_the_same_bytes_each_time(drawn: list[Path], tmp_path: Path) -> None:
    figures = json.loads((DOCS / "evaluation" / "figures.json").read_text(encoding="utf-8"))
    again = write_plots(figures, tmp_path)
    for one, other in zip(drawn, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert b"dc:date" not in one.read_bytes()


# --- what the bar can reach -------------------------------------------------------------------------------------------


def outcome(
    case: str, region: str, said: str, *, of_label: float = 10.0, status: str = "final", urgency: str = "routine",
    completeness: str = "rich", fit: str = "exact", unmapped: int = 0,
) -> Outcome:
    """A made-up outcome that says a source with 40 %."""
    components = ("hip", "spine") if region == "both" else (region,)
    made = replace(
        published_cases()[0], case=case, region=region, components=components, acceptable=(), completeness=completeness,
        fit=fit, facts=10, unmapped=unmapped,
    )
    return Outcome(
        case=made, pattern=said, percent=40.0, status=status, urgency=urgency, red_flags=(),
        patterns={made.label: of_label, said: 40.0}, conditions=(), rationale="",
    )


def test_every_miss_of_the_bar_has_exactly_one_cause_and_the_first_that_applies() -> None:
    outcomes = [
        outcome("right", "hip", "hip", of_label=40.0),
        outcome("serious", "serious", "hip", unmapped=9),
        outcome("both", "both", "spine"),
        outcome("none", "sij", "hip", fit="none", unmapped=9),
        outcome("unmapped", "sij", "hip", unmapped=4),
        outcome("close", "sij", "hip", of_label=30.0, status="preliminary"),
        outcome("against", "sij", "hip"),
        outcome("sparse", "sij", "hip", completeness="sparse"),
    ]
    assert [cause.cases for cause in causes_of_misses(outcomes)] == [
        ("serious",), ("both",), ("none",), ("unmapped",), ("close",), ("against",),
    ]
    assert len(CAUSES) == 6
    groups = {group.name.split(":")[0]: group for group in reaches(outcomes)}
    assert (groups["all"].cases, groups["all"].right) == (7, 1)
    assert groups["one region, benign"].cases == 5
    assert expected_right(outcomes) == pytest.approx(2.8)


def test_a_missed_danger_that_a_red_flag_escalates_is_counted() -> None:
    (serious, *_) = reaches([outcome("one", "serious", "hip", urgency="urgent"), outcome("two", "serious", "hip")])
    assert (serious.cases, serious.right, serious.missed_but_escalated) == (2, 0, 1)
