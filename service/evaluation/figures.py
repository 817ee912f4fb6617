"""Everything an evaluation found, as one JSON document: what the page, the plots and the model card are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service.engine.model import Case
from service.engine.network import Network
from service.evaluation.bars import Bar, cluster_bar, vignette_bars
from service.evaluation.clusters import FACTOR, ClusterResult, check_clusters, load_clusters
from service.evaluation.populations import PopulationResult, check_populations, load_population_checks
from service.evaluation.reach import causes_of_misses, expected_right, mean_answers, reaches
from service.evaluation.sensitivity import AssignedNumber, Influence, Sensitivity, Steps, all_steps, measure_sensitivity
from service.evaluation.simulation import Simulation, simulate
from service.evaluation.vignettes import URGENCIES, Outcome, subsets

PATIENTS = 20_000
SEED = 20_261_121
DIGITS = 6  # significant ones kept: enough to see any change of the model, few enough to hold on another machine

Figures = dict[str, Any]


def vignette_figures(outcomes: list[Outcome]) -> Figures:
    """Part (a): the published cases."""
    named = [item for item in outcomes if item.case.conditions]
    exact = [item for item in named if item.case.fit == "exact"]
    return {
        "cases": len(outcomes),
        "facts": sum(item.case.facts for item in outcomes),
        "facts_without_place": sum(item.case.unmapped for item in outcomes),
        "always_hip": sum(item.case.region == "hip" for item in outcomes),
        "groups": [{"name": name, **_counts(chosen)} for name, chosen in subsets(outcomes)],
        "conditions": [
            {
                "name": name,
                "n": len(chosen),
                "top_1": sum(item.named_within(1) for item in chosen),
                "top_3": sum(item.named_within(3) for item in chosen),
            }
            for name, chosen in (
                ("diagnosis is one of ours, or near one", named),
                ("diagnosis is one of ours", exact),
                *((f"label `{region}`", [item for item in named if item.case.region == region])
                  for region in sorted({item.case.region for item in named})),
            )
        ],
        "without_condition": [item.case.case for item in outcomes if not item.case.conditions],
        "triage": [
            {"label": label, **{said: sum(item.case.urgency == label and item.urgency == said for item in outcomes)
                                for said in URGENCIES}}
            for label in ("emergency", "urgent", "routine")
        ],
        "under_triaged": [_late(item) for item in outcomes if item.under_triaged],
        "over_triaged": [_late(item) for item in outcomes if item.over_triaged],
        "reach": {
            "groups": [asdict(item) for item in reaches(outcomes)],
            "causes": [{"name": item.name, "cases": list(item.cases)} for item in causes_of_misses(outcomes)],
            "expected_right": rounded(expected_right(outcomes)),
            "mean_answers": rounded(mean_answers(outcomes)),
        },
        "misses": [_miss(item) for item in outcomes if not item.lenient],
        "bars": [_bar(bar) for bar in vignette_bars(outcomes)],
    }


def _counts(chosen: list[Outcome]) -> Figures:
    dangerous = [item for item in chosen if item.case.urgency in ("emergency", "urgent")]
    routine = [item for item in chosen if item.case.urgency == "routine"]
    return {
        "n": len(chosen),
        "strict": sum(item.strict for item in chosen),
        "lenient": sum(item.lenient for item in chosen),
        "preliminary": sum(item.status == "preliminary" for item in chosen),
        "confidently_wrong": sum(item.confidently_wrong for item in chosen),
        "dangerous": len(dangerous),
        "under_triaged": sum(item.under_triaged for item in dangerous),
        "routine": len(routine),
        "over_triaged": sum(item.over_triaged for item in routine),
    }


def _late(item: Outcome) -> Figures:
    case = item.case
    return {
        "case": case.case, "diagnosis": case.diagnosis, "label": case.urgency, "said": item.urgency,
        "raised": list(item.red_flags), "recorded": case.recorded_flags,
    }


def _miss(item: Outcome) -> Figures:
    case = item.case
    return {
        "case": case.case, "diagnosis": case.diagnosis, "completeness": case.completeness, "label": case.label,
        "said": item.pattern, "percent": rounded(item.percent), "percent_of_label": rounded(item.patterns[case.label]),
        "status": item.status, "conditions": list(item.conditions[:3]), "rationale": item.rationale,
        "facts": case.facts, "facts_without_place": case.unmapped,
    }


def cluster_figures(results: list[ClusterResult]) -> Figures:
    """Part (b): the published clusters."""
    ratios = [ratio for result in results if result.counts for ratio in result.ratios]
    return {
        "factor": FACTOR,
        "rules": [_cluster(result) for result in results],
        "ratios_counted": len(ratios),
        "ratios_reproduced": sum(ratio.reproduced for ratio in ratios),
        "bar": _bar(cluster_bar(results)),
    }


def _cluster(result: ClusterResult) -> Figures:
    cluster = result.cluster
    return {
        "id": cluster.id, "name": cluster.name, "target": cluster.target_id, "quality": cluster.quality,
        "source": cluster.source, "source_kind": cluster.source_kind, "population": cluster.population,
        "not_compared": cluster.not_compared, "note": cluster.note, "counts": result.counts, "reproduced": result.reproduced,
        "met_by_target": rounded(result.met_by_target), "met_by_compared": rounded(result.met_by_compared),
        "ratios": [
            {
                "kind": ratio.printed.kind, "published": ratio.printed.value, "low": ratio.printed.low,
                "high": ratio.printed.high, "interval": ratio.printed.interval, "engine": rounded(ratio.engine),
                "engine_against_everyone": rounded(ratio.engine_everyone), "inside": ratio.inside,
                "factor": rounded(ratio.factor), "reproduced": ratio.reproduced,
            }
            for ratio in result.ratios
        ],
    }


def population_figures(results: list[PopulationResult]) -> Figures:
    """Part (c): published shares of causes."""
    compared = [result for result in results if result.agrees is not None]
    return {
        "compared": len(compared),
        "agree": sum(bool(result.agrees) for result in compared),
        "checks": [
            {
                "id": result.check.id, "statement": result.check.statement, "kind": result.check.kind,
                "published": result.check.proportion, "low": result.check.low, "high": result.check.high,
                "setting": result.check.setting, "source": result.check.source, "source_kind": result.check.source_kind,
                "given": "; ".join(f"{item.finding_id} {item.test.text}" for item in result.check.given),
                "among": "; ".join(result.check.among), "engine": rounded(result.engine), "agrees": result.agrees,
                "not_compared": result.check.not_compared,
            }
            for result in results
        ],
    }


def simulation_figures(simulation: Simulation) -> Figures:
    """Part (d): patients drawn from the network."""
    found: Figures = _rounded_tree(asdict(simulation))
    return found


def sensitivity_figures(sensitivity: Sensitivity, network: Network) -> Figures:
    """Part (e): the assigned numbers that move most."""
    return {
        "tried": sensitivity.tried,
        "cases": sensitivity.cases,
        "largest": [_influence(item, network) for item in sensitivity.largest],
    }


def _influence(item: Influence, network: Network) -> Figures:
    number = item.number
    return {
        "name": number_name(number, network), "table": number.place, "key": number.key, "part": number.part,
        "spread": rounded(number.spread), "total_variation": rounded(item.total_variation),
        "moved_up": rounded(item.moved_up), "moved_down": rounded(item.moved_down), "by_slope": rounded(item.by_slope),
        "flips": item.flips,
    }


def number_name(number: AssignedNumber, network: Network) -> str:
    """What a number is, for a reader."""
    knowledge = network.knowledge
    if number.place == "conditions":
        return f"How common: {next(item.label for item in knowledge.conditions if item.id == number.key)}"
    if number.place == "background_rates":
        finding = network.findings[next(item.finding_id for item in knowledge.observables if item.id == number.key)]
        level = "" if number.part == "present" else f" ({number.part})"
        return f"In people without any cause: {finding.label}{level}"
    if number.place == "likelihoods":
        row = next(row for row in knowledge.likelihoods if row.row_id == number.key)
        return f"{number.key}, {number.part}: {network.findings[row.finding_id].label}, {row.target_id}"
    return f"Model: {number.key.replace('_', ' ')}"


def model_figures(
    network: Network, cases: Sequence[Case], checks: Path, *, patients: int = PATIENTS, steps: Steps = all_steps
) -> Figures:
    """Parts (b) to (e), which need no server. `checks` is the folder of the published clusters and shares."""
    clusters = check_clusters(load_clusters(checks / "combination_rules.csv"), network)
    populations = check_populations(load_population_checks(checks / "prior_population.csv"), network)
    return {
        "clusters": cluster_figures(clusters),
        "populations": population_figures(populations),
        "simulation": simulation_figures(simulate(network, patients=patients, seed=SEED)),
        "sensitivity": sensitivity_figures(measure_sensitivity(network, cases, steps=steps), network),
    }


def all_bars(figures: Figures) -> list[Figures]:
    """Every bar of the evaluation, in order."""
    return [*figures["vignettes"]["bars"], figures["clusters"]["bar"]]


def _bar(bar: Bar) -> Figures:
    return {
        "name": bar.name, "count": bar.count, "of": bar.of, "share": rounded(bar.share), "sense": bar.sense, "bar": bar.bar,
        "verdict": bar.verdict, "failed": list(bar.failed),
    }


def rounded(value: float | None) -> float | None:
    """The value to `DIGITS` significant digits."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _rounded_tree(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded_tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded_tree(item) for item in value]
    return rounded(value) if isinstance(value, float) else value
