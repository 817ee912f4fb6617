"""Patients drawn from the network itself, to see whether it keeps its own promises.

Each has a set of conditions drawn from the prior of their age and sex, a random selection of findings that are asked, and
answers drawn from the rates of that set as they count: in full or shared, tilted by the published clusters. What the network
then says must be calibrated: of all patterns given 30 to 40 %, about 35 % are true, and the truth must rank evenly among draws
from the posterior. That shows that the arithmetic is right. It cannot show that the numbers are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from service.engine.clusters import CompiledCluster, state_of
from service.engine.differential import prior_terms
from service.engine.hypotheses import Array, normalised_log
from service.engine.model import Answer, Case, Observable
from service.engine.network import AGE_FINDING, SEX_FINDING, Network
from service.records import dataclass

FEWEST_ASKED, MOST_ASKED = 5, 60
ASKED_BANDS = ((5, 9), (10, 14), (15, 24), (25, 39), (40, 60))
BATCH = 250
BINS = 10
DRAWS = 20
STATISTICS = ("number of conditions", "prior of the set", "posterior of the set")


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """All probabilities of one tenth: how many, their mean, and the share that were true."""

    low: float
    count: int
    mean: float
    observed: float


@dataclass(frozen=True, slots=True)
class Ranks:
    """How often the truth had each rank among draws from the posterior, and the test that all ranks are as likely."""

    statistic: str
    counts: tuple[int, ...]
    chi_square: float
    p_value: float


@dataclass(frozen=True, slots=True)
class AskedShare:
    """Patients who were asked so many findings: how often the leading pattern was the true one, and what it was given."""

    fewest: int
    most: int
    patients: int
    right: float
    said: float


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a simulation showed. Brier scores are sums over the patterns and means over the conditions; 0 is perfect.

    The reference always says the prior of that age and sex. `telling` is the share of patients whose leading pattern reaches
    one half, `leading_right` how often the leading pattern is the true one, `leading_said` what it was given on average.
    """

    patients: int
    seed: int
    patterns: tuple[CalibrationBin, ...]
    conditions: tuple[CalibrationBin, ...]
    brier_patterns: float
    brier_patterns_reference: float
    brier_conditions: float
    brier_conditions_reference: float
    leading_right: float
    leading_said: float
    telling: float
    by_asked: tuple[AskedShare, ...]
    ranks: tuple[Ranks, ...]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Drawn patients: the true hypothesis, the log prior of their age and sex, the levels observed (0/1), and the log
    factor of the published clusters (patients x hypotheses)."""

    truth: NDArray[np.int64]
    log_prior: Array
    full: Array
    shared: Array
    clusters: Array


def simulate(network: Network, *, patients: int, seed: int) -> Simulation:
    """Draw `patients` and assess them; the same seed gives the same figures."""
    random = np.random.default_rng(seed)
    askable = askable_observables(network)
    hypotheses = network.hypotheses
    said: list[tuple[Array, Array]] = []       # patterns, conditions
    before: list[tuple[Array, Array]] = []
    true: list[tuple[Array, Array]] = []
    asked: list[NDArray[np.int64]] = []
    ranks = np.zeros((len(STATISTICS), DRAWS + 1), dtype=np.int64)
    for size in _sizes(patients):
        batch = _draw(network, askable, size, random)
        log_joint = batch.log_prior + batch.full @ network.log_full + batch.shared @ network.log_shared
        log_joint += batch.clusters
        weights = np.exp(normalised_rows(log_joint))
        prior = np.exp(batch.log_prior)
        said.append((weights @ hypotheses.pattern, weights @ hypotheses.membership))
        before.append((prior @ hypotheses.pattern, prior @ hypotheses.membership))
        true.append((hypotheses.pattern[batch.truth], hypotheses.membership[batch.truth]))
        asked.append((batch.full + batch.shared).sum(axis=1).astype(np.int64))
        ranks += _rank_counts(batch, weights, network, random)
    (patterns, conditions), (pattern_prior, condition_prior), (pattern_truth, condition_truth) = (
        tuple(np.concatenate(part) for part in zip(*pairs, strict=True)) for pairs in (said, before, true)
    )
    leading = patterns.argmax(axis=1)
    rows = np.arange(patients)
    return Simulation(
        patients=patients,
        seed=seed,
        patterns=calibration(patterns, pattern_truth),
        conditions=calibration(conditions, condition_truth),
        brier_patterns=_brier(patterns, pattern_truth),
        brier_patterns_reference=_brier(pattern_prior, pattern_truth),
        brier_conditions=_brier(conditions, condition_truth) / conditions.shape[1],
        brier_conditions_reference=_brier(condition_prior, condition_truth) / conditions.shape[1],
        leading_right=float(pattern_truth[rows, leading].mean()),
        leading_said=float(patterns[rows, leading].mean()),
        telling=float((patterns[rows, leading] >= network.knowledge.constant("undecided_leading_below")).mean()),
        by_asked=_by_asked(np.concatenate(asked), patterns[rows, leading], pattern_truth[rows, leading]),
        ranks=tuple(_tested(name, counts) for name, counts in zip(STATISTICS, ranks, strict=True)),
    )


def askable_observables(network: Network) -> list[Observable]:
    """What can be asked and answered in one way: no parts of a count, which replaces them, and one part of each finding."""
    parts = {part for parts in network.knowledge.clusters.values() for part in parts}
    return [
        observable
        for finding_id, observables in network.by_finding.items()
        if finding_id not in parts
        for observable in observables[:1]
    ]


def normalised_rows(log_weights: Array) -> Array:
    """Each row shifted so that its exponentials sum to 1."""
    peak = log_weights.max(axis=1, keepdims=True)
    shifted: Array = log_weights - peak
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def calibration(said: Array, true: Array) -> tuple[CalibrationBin, ...]:
    """All probabilities by tenths."""
    place = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    found = []
    for index in range(BINS):
        inside = place == index
        if inside.any():
            found.append(
                CalibrationBin(index / BINS, int(inside.sum()), float(said[inside].mean()), float(true[inside].mean()))
            )
    return tuple(found)


def _by_asked(asked: NDArray[np.int64], said: Array, right: Array) -> tuple[AskedShare, ...]:
    """How the leading pattern does by the number of findings asked."""
    found = []
    for fewest, most in ASKED_BANDS:
        inside = (asked >= fewest) & (asked <= most)
        if inside.any():
            found.append(AskedShare(fewest, most, int(inside.sum()), float(right[inside].mean()), float(said[inside].mean())))
    return tuple(found)


def chi_square_tail(value: float, degrees: int) -> float:
    """P(chi-square >= value) for an even number of degrees of freedom, by its finite sum. ValueError if odd."""
    if degrees % 2:
        raise ValueError("the finite sum needs an even number of degrees of freedom")
    term = total = 1.0
    for index in range(1, degrees // 2):
        term *= value / 2.0 / index
        total += term
    return math.exp(-value / 2.0) * total


def _sizes(patients: int) -> Iterator[int]:
    for start in range(0, patients, BATCH):
        yield min(BATCH, patients - start)


def _draw(network: Network, askable: list[Observable], size: int, random: np.random.Generator) -> _Batch:
    log_prior = _priors(network, size, random)
    truth = _choose(np.exp(log_prior), random)
    asked = _asked(len(askable), size, random)
    leads = _leads(asked, askable, network)
    drawn = np.full(asked.shape, -1)
    for index in range(len(askable)):
        _answer(network, askable[index], drawn[:, index], asked[:, index], leads[:, index], truth, random)
    clusters = np.zeros((size, network.hypotheses.count))
    for compiled in network.clusters:
        clusters[:, compiled.with_target] += _tilt(network, askable, compiled, drawn, asked, leads, truth, random)
    full, shared = (np.zeros((size, len(network.log_full))) for _ in range(2))
    for index, observable in enumerate(askable):
        for held, chosen in ((full, asked[:, index] & leads[:, index]), (shared, asked[:, index] & ~leads[:, index])):
            people = np.flatnonzero(chosen)
            held[people, network.start[observable.id] + drawn[people, index]] = 1.0
    return _Batch(truth, log_prior, full, shared, clusters)


def _answer(
    network: Network,
    observable: Observable,
    drawn: NDArray[np.int64],
    asked: NDArray[np.bool_],
    leads: NDArray[np.bool_],
    truth: NDArray[np.int64],
    random: np.random.Generator,
) -> None:
    """Draw the level of one observable into `drawn`, for those who are asked, as it counts."""
    first, last = network.start[observable.id], network.start[observable.id] + len(observable.levels)
    for log_rates, chosen in ((network.log_full, asked & leads), (network.log_shared, asked & ~leads)):
        people = np.flatnonzero(chosen)
        if len(people):
            drawn[people] = _choose(np.exp(log_rates[first:last, truth[people]]).T, random)


def _tilt(
    network: Network,
    askable: list[Observable],
    compiled: CompiledCluster,
    drawn: NDArray[np.int64],
    asked: NDArray[np.bool_],
    leads: NDArray[np.bool_],
    truth: NDArray[np.int64],
    random: np.random.Generator,
) -> Array:
    """Draw the items of a cluster again until they are as the cluster has them (rejection); its log factors per patient.

    Returns patients x the hypotheses with the target.
    """
    places = [askable.index(item.observable) for item in compiled.items]
    with_target = set(compiled.with_target.tolist())
    factors = np.zeros((len(truth), len(compiled.with_target)))
    bearing = [one for one in range(len(truth)) if compiled.bears(int(asked[one, places].sum()))]
    for patient in bearing:
        while True:
            shown: dict[str, tuple[int | None, bool]] = {
                item.observable.id: (int(drawn[patient, place]), bool(leads[patient, place]))
                for item, place in zip(compiled.items, places, strict=True)
                if asked[patient, place]
            }
            state = state_of(compiled, shown)
            weights = compiled.weights(state)
            met = sum(met is True for _, met in state)
            if int(truth[patient]) not in with_target or random.random() < np.exp(weights[met] - weights.max()):
                break
            for place in places:
                one = slice(patient, patient + 1)
                _answer(
                    network, askable[place], drawn[one, place], asked[one, place], leads[one, place], truth[one], random
                )
        factors[patient] = compiled.log_factor(state)
    return factors


def _priors(network: Network, size: int, random: np.random.Generator) -> Array:
    """Log prior of each patient's age and sex, drawn as the background has them."""
    levels = {item.finding_id: item.levels for item in network.knowledge.observables}
    chosen = []
    for finding_id in (AGE_FINDING, SEX_FINDING):
        shares = np.array([level.background for level in levels[finding_id]])
        chosen.append(random.choice(len(shares), size=size, p=shares / shares.sum()))
    log_prior = np.empty((size, network.hypotheses.count))
    for pair in sorted(set(zip(*(part.tolist() for part in chosen), strict=True))):
        answers = tuple(
            Answer(finding_id, levels[finding_id][index].when.example())
            for finding_id, index in zip((AGE_FINDING, SEX_FINDING), pair, strict=True)
        )
        people = (chosen[0] == pair[0]) & (chosen[1] == pair[1])
        log_prior[people] = normalised_log(network.hypotheses.log_prior + prior_terms(Case(answers=answers), network))
    return log_prior


def _asked(count: int, size: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """For each patient a random number of findings, and which."""
    most = min(MOST_ASKED, count)
    numbers = random.integers(FEWEST_ASKED, most + 1, size=size)
    order = random.random((size, count)).argsort(axis=1).argsort(axis=1)
    asked: NDArray[np.bool_] = order < numbers[:, None]
    return asked


def _leads(asked: NDArray[np.bool_], askable: list[Observable], network: Network) -> NDArray[np.bool_]:
    """Which of the findings asked counts in full: of each dependency group the one that separates best, as in the engine."""
    leads = np.zeros_like(asked)
    groups: dict[str, list[int]] = {}
    for index, observable in enumerate(askable):
        groups.setdefault(network.findings[observable.finding_id].dependency_group, []).append(index)
    for members in groups.values():
        taken = np.zeros(len(asked), dtype=bool)
        for index in sorted(members, key=lambda place: -network.separation[askable[place].id]):
            leads[:, index] = asked[:, index] & ~taken
            taken |= asked[:, index]
    return leads


def _choose(rates: Array, random: np.random.Generator) -> NDArray[np.int64]:
    """One column per row, drawn with the row's probabilities."""
    bounds = rates.cumsum(axis=1)
    drawn: NDArray[np.int64] = (random.random(len(rates))[:, None] * bounds[:, -1:] > bounds).sum(axis=1)
    return drawn


def _rank_counts(batch: _Batch, weights: Array, network: Network, random: np.random.Generator) -> NDArray[np.int64]:
    """How often the truth had each rank among `DRAWS` draws from the posterior; ties are broken at random."""
    size = len(batch.truth)
    bounds = weights.cumsum(axis=1)
    drawn = np.array(
        [np.searchsorted(row, random.random(DRAWS) * row[-1]).clip(max=len(row) - 1) for row in bounds]
    )
    rows = np.arange(size)[:, None]
    values = (
        np.broadcast_to(network.hypotheses.size.astype(np.float64), weights.shape), batch.log_prior, weights,
    )
    found = np.zeros((len(values), DRAWS + 1), dtype=np.int64)
    for index, value in enumerate(values):
        others, own = value[rows, drawn], value[rows, batch.truth[:, None]]
        below, equal = (others < own).sum(axis=1), (others == own).sum(axis=1)
        rank = below + random.integers(0, equal + 1)
        found[index] = np.bincount(rank, minlength=DRAWS + 1)
    return found


def _tested(name: str, counts: NDArray[np.int64]) -> Ranks:
    expected = counts.sum() / len(counts)
    value = float(((counts - expected) ** 2 / expected).sum())
    return Ranks(name, tuple(counts.tolist()), value, chi_square_tail(value, len(counts) - 1))


def _brier(said: Array, true: Array) -> float:
    return float(np.square(said - true).sum(axis=1).mean())
