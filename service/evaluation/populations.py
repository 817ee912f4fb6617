"""Published shares of causes beside what the network expects of such people.

The network's figure is the expectation over the case mix it describes itself: everyone of whom the answers in `given` are
true. It is worked out exactly, which is what an endless simulation would come to.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Literal

import numpy as np

from service.engine.dependence import leading
from service.engine.hypotheses import Array
from service.engine.network import Network
from service.evaluation.clusters import FACTOR, Statement, combinations, holding, joint_mass
from service.records import dataclass

NOTHING = "none"  # in `has`: no condition of ours


@dataclass(frozen=True, slots=True)
class PopulationCheck:
    """One published share. `kind` says how it binds: as a share, or as a bound from above or below."""

    id: str
    statement: str
    proportion: float
    low: float | None
    high: float | None
    setting: str
    source: str
    source_kind: str
    kind: Literal["share", "at most", "at least"]
    given: tuple[Statement, ...]
    among: tuple[str, ...]
    has: tuple[tuple[str, ...], ...]
    without: tuple[str, ...]
    positive: tuple[Statement, ...]
    not_compared: str


@dataclass(frozen=True, slots=True)
class PopulationResult:
    """A check with the network's share; None where the two cannot be compared."""

    check: PopulationCheck
    engine: float | None

    @property
    def factor(self) -> float | None:
        return math.exp(abs(math.log(self.engine / self.check.proportion))) if self.engine else None

    @property
    def agrees(self) -> bool | None:
        """In the published range or within a factor of 1.5 of the share; a bound must be kept."""
        if self.engine is None or self.factor is None:
            return None
        check = self.check
        if check.kind == "at most":
            return self.engine <= (check.high or check.proportion)
        if check.kind == "at least":
            return self.engine >= (check.low or check.proportion)
        inside = check.low is not None and check.high is not None and check.low <= self.engine <= check.high
        return inside or self.factor <= FACTOR


def load_population_checks(path: Path) -> list[PopulationCheck]:
    """The checks of the table, in its order."""
    with path.open(encoding="utf-8", newline="") as table:
        return [_check(row) for row in csv.DictReader(table)]


def _check(row: dict[str, str]) -> PopulationCheck:
    kinds: dict[str, Literal["share", "at most", "at least"]] = {name: name for name in ("share", "at most", "at least")}
    return PopulationCheck(
        id=row["check_id"],
        statement=row["statement"],
        proportion=float(row["proportion"]),
        low=float(row["low"]) if row["low"] else None,
        high=float(row["high"]) if row["high"] else None,
        setting=row["setting"],
        source=row["source"],
        source_kind=row["source_kind"],
        kind=kinds[row["kind"]],
        given=_statements(row["given"]),
        among=_ids(row["among"]),
        has=tuple(_ids(part) for part in row["has"].split(" AND ") if part.strip()),
        without=_ids(row["without"]),
        positive=_statements(row["positive"]),
        not_compared=row["not_compared"],
    )


def check_populations(checks: list[PopulationCheck], network: Network) -> list[PopulationResult]:
    """Every published share beside the network's."""
    return [PopulationResult(check, None if check.not_compared else expected_share(check, network)) for check in checks]


def expected_share(check: PopulationCheck, network: Network) -> float:
    """The share of the check among the people it speaks of, as the network expects it."""
    people = np.zeros(network.hypotheses.count)
    findings = tuple(dict.fromkeys(statement.finding_id for statement in check.given))
    for answers, weight in combinations(findings, network):
        if all(statement.holds(answers) for statement in check.given):
            people += weight * joint_mass(answers, network)
    people = people * _holding(network, check.among)
    if check.positive:
        return float(people @ at_least_one(check.positive, network) / people.sum())
    wanted = np.ones(network.hypotheses.count)
    for part in check.has:
        wanted = wanted * (1.0 - network.hypotheses.membership.max(axis=1) if part == (NOTHING,) else _holding(network, part))
    if check.without:
        wanted = wanted * (1.0 - _holding(network, check.without))
    return float(people @ wanted / people.sum())


def at_least_one(statements: tuple[Statement, ...], network: Network) -> Array:
    """P(at least one statement is true | hypothesis) when all of them are asked."""
    observables = [network.by_finding[statement.finding_id][0] for statement in statements]
    leaders = leading(observables, network.dependency_groups, network.separation)
    none = np.ones(network.hypotheses.count)
    for statement, observable in zip(statements, observables, strict=True):
        source = network.log_full if observable.id in leaders else network.log_shared
        first = network.start[observable.id]
        for index, level in enumerate(observable.levels):
            if index == 0:
                silent = np.zeros(network.hypotheses.count)
            if not statement.test.holds(level.when.example()):
                silent = silent + np.exp(source[first + index])
        none = none * silent
    found: Array = 1.0 - none
    return found


def _holding(network: Network, ids: tuple[str, ...]) -> Array:
    """As `holding`, with ``region:...`` for every condition of a region; everyone if `ids` is empty."""
    if not ids:
        return np.ones(network.hypotheses.count)
    regions = {name.removeprefix("region:") for name in ids if name.startswith("region:")}
    named = [condition.id for condition in network.hypotheses.conditions if condition.region in regions]
    return holding(network, [*named, *(name for name in ids if not name.startswith("region:"))])


def _statements(text: str) -> tuple[Statement, ...]:
    return tuple(Statement.parse(part) for part in text.split(";") if part.strip())


def _ids(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())
