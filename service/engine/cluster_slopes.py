"""How the factor of a published cluster moves with the figures behind it: its own rows, and the rates of its items.

Used for intervals, as `uncertainty.py` uses the slopes of observables: per standard deviation of each uncertain figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.engine.clusters import LEADING, UNASKED, CompiledCluster, Item, State, count_distribution
from service.engine.hypotheses import Array
from service.engine.network import Network
from service.engine.spreads import moved_figures, uncertain_figures

# Slopes of log P(level | hypothesis) of an item's observable, as leading or shared, on some hypotheses: figures x these.
SlopesOf = Callable[[Item, int, bool, NDArray[np.int64]], Array]
STEP = 1e-4
OWN = ""  # owner of the figures of the cluster's rows; others are named by the observable of an item


@dataclass(frozen=True)
class ClusterSlopes:
    """Slopes of one cluster.

    `shares` holds, for its own figures (key `OWN`) and for those of each item's observable, what is wanted and given on the
    levels after each figure moved by `STEP` standard deviations.
    """

    compiled: CompiledCluster
    shares: Mapping[str, tuple[tuple[Array, Array], ...]]
    _found: dict[int, dict[str, Array]] = field(default_factory=dict)

    def log_weights(self, asked: int) -> dict[str, Array]:
        """Slopes of the log weights of the numbers of items met (figures x numbers), by what the figures belong to."""
        if asked not in self._found:
            resting = self.compiled.log_weights(asked)
            self._found[asked] = {
                owner: np.array([(self.compiled.log_weights(asked, one) - resting) / STEP for one in moved]).reshape(
                    len(moved), asked + 1
                )
                for owner, moved in self.shares.items()
            }
        return self._found[asked]

    def of(self, state: State, network: Network, slopes_of: SlopesOf) -> dict[str, Array]:
        """Slopes of the log factor on the hypotheses with the target, by what the figures belong to."""
        compiled = self.compiled
        asked = [(index, how) for index, (how, _) in enumerate(state) if how != UNASKED]
        met = sum(met is True for _, met in state)
        rates = np.array([(compiled.full if how == LEADING else compiled.shared)[index] for index, how in asked])
        weights = np.exp(compiled.weights(state))
        normaliser = weights @ count_distribution(rates)
        counts = weights[:, None] * count_distribution(rates) / normaliser
        shrink = 1.0 if any(how == LEADING for _, how in asked) else compiled.shrink
        found = {
            owner: shrink * (slopes[:, [met]] - slopes @ counts) for owner, slopes in self.log_weights(len(asked)).items()
        }
        for place, (index, how) in enumerate(asked):
            item = compiled.items[index]
            others = count_distribution(np.delete(rates, place, axis=0))
            pull = (np.diff(weights) @ others) / normaliser  # d log normaliser / d rate of the item
            moved = met_slopes(item, how == LEADING, network, slopes_of, compiled.with_target)
            found[item.observable.id] = found[item.observable.id] - pull * moved
        return found


def met_slopes(
    item: Item, leads: bool, network: Network, slopes_of: SlopesOf, columns: NDArray[np.int64]
) -> Array:
    """Slopes of P(item met | hypothesis) (figures x columns), as leading or shared."""
    source = network.log_full if leads else network.log_shared
    total: Array = np.zeros(1)
    for level in (index for index, met in enumerate(item.met) if met):
        total = total + slopes_of(item, level, leads, columns) * np.exp(source[item.start + level, columns])
    return total


def cluster_slopes(compiled: CompiledCluster, network: Network, slopes_of: SlopesOf) -> ClusterSlopes:
    """The slopes of one cluster, by a small step of every figure behind it."""
    alone, knowledge = compiled.alone, network.knowledge
    shares: dict[str, tuple[tuple[Array, Array], ...]] = {
        OWN: tuple(
            alone.shares(figures={use.row.row_id: moved_figures(use.row, use.figures(), name, STEP * spread)})
            for use in alone.uses
            for name, spread in uncertain_figures(use, knowledge)
        )
    }
    singles = np.arange(alone.rates.shape[1])
    for index, (item, leads) in enumerate(zip(compiled.items, alone.leads, strict=True)):
        moved = []
        for change in met_slopes(item, leads, network, slopes_of, singles):
            rates = alone.rates.copy()
            rates[index] += STEP * change
            moved.append(alone.shares(rates=rates))
        shares[item.observable.id] = tuple(moved)
    return ClusterSlopes(compiled, shares)
