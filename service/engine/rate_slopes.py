"""How the rates of one observable move with the figures behind them: slopes per standard deviation of each uncertain figure.

First for each condition alone, by a small step of the figure; then for hypotheses, by the rules of coexistence, differentiated.
A slope depends on a hypothesis only by what it holds of the conditions that rows speak of, so it is kept as coefficients of
their subsets (`subsets.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.engine.hypotheses import Array
from service.engine.model import Observable
from service.engine.network import Network
from service.engine.rates import backgrounds
from service.engine.spreads import background_spreads, moved_background, moved_figures, uncertain_figures
from service.engine.subsets import on_sets, set_membership
from service.engine.supports import SetRates, Support, set_rates, support_of
from service.records import dataclass

STEP = 1e-4
PARALLEL = 1.0 - 1e-6  # cosine from which two figures move the rates in one direction


@dataclass(frozen=True, slots=True)
class RateSlopes:
    """Slopes of log P(level | hypothesis) of an observable.

    `coefficients` are (shared, full) x levels x figures x sets of the support.
    """

    support: Support
    coefficients: Array

    def sums(self, level: int, sums: Array, *, leads: bool) -> Array:
        """Slopes times a table, summed over the hypotheses (figures x columns); `sums` is that table's `Subsets.sums`."""
        found: Array = self.coefficients[int(leads), level] @ sums[self.support.places]
        return found

    def on(self, level: int, members: Array, *, leads: bool) -> Array:
        """Slopes on some hypotheses (figures x hypotheses); `members` are their conditions and the coexistence event."""
        support, count = self.support, len(self.support.conditions)
        parts = np.split(self.coefficients[int(leads), level], 2 if support.coexistence else 1, axis=-1)
        values = [on_sets(part, count) for part in parts]
        bits = 2 ** np.arange(count)
        of_set = set_membership(count) @ bits
        order = np.argsort(of_set)
        held = order[np.searchsorted(of_set[order], members[:, list(support.conditions)] @ bits)]
        found: Array = values[0][:, held]
        return found + values[1][:, held] * members[:, -1] if support.coexistence else found


def observable_slopes(network: Network, observable: Observable, *, merged: bool) -> RateSlopes:
    """The slopes of one observable; figures that move its rates in one direction stand as one if `merged`."""
    columns = [condition.id for condition in network.hypotheses.conditions]
    columns.append(network.derived.id if network.derived else "")
    moves, direct = rate_moves(network, observable, columns)
    if merged:
        moves, direct = merged_moves(moves, direct)
    support = support_of(network, observable)
    slopes = _binary_slopes if observable.binary else _level_slopes
    values = slopes(moves[:, :, support.members], direct, set_rates(network, observable, support))
    return RateSlopes(support, support.coefficients(values))


# --- one condition alone --------------------------------------------------------------------------------------------


def rate_moves(network: Network, observable: Observable, columns: Sequence[str]) -> tuple[Array, Array]:
    """How the log rates move per standard deviation of each uncertain figure, by a small finite step.

    Returns figures x levels x columns for the conditions, and figures x levels for the background itself.
    """
    knowledge, plan = network.knowledge, network.rate_table.plans[observable.id]
    base = np.log(np.array(backgrounds(observable)))
    rates = plan.rates()
    resting = _log_rates(rates, columns, backgrounds(observable))
    position = {column: index for index, column in enumerate(columns)}
    moves, direct = [], []
    for index, spread in enumerate(background_spreads(observable)):
        moved = moved_background(observable, index, STEP)
        moves.append((_log_rates(plan.rates(background=moved), columns, moved) - resting) * (spread / STEP))
        direct.append((np.log(np.array(moved)) - base) * (spread / STEP))
    for filling in plan.fillings:
        for use in filling.uses:
            for name, spread in uncertain_figures(use, knowledge):
                move = np.zeros_like(resting)
                figures = moved_figures(use.row, use.figures(), name, STEP)
                for condition_id, moved_row in plan.moved_rates(use, figures, rates).items():
                    index = position[condition_id]
                    move[:, index] = (np.log(np.array(moved_row)) - resting[:, index]) * (spread / STEP)
                moves.append(move)
                direct.append(np.zeros_like(base))
    return np.array(moves), np.array(direct)


def _log_rates(rates: dict[str, tuple[float, ...]], columns: Sequence[str], background: tuple[float, ...]) -> Array:
    """log rates, levels x columns; columns without rows have the background."""
    return np.log(np.array([rates.get(column, background) for column in columns]).T)


def merged_moves(moves: Array, direct: Array) -> tuple[Array, Array]:
    """Moves of the rates and of the background (figures first) with parallel figures as one: sum of squares kept.

    Figures that move nothing are left out, all but the first.
    """
    flat = np.concatenate([moves.reshape(len(moves), -1), direct], axis=1)
    length = np.sqrt(np.square(flat).sum(axis=1))
    kept: list[int] = []
    squares: list[float] = []
    for index in np.flatnonzero(length).tolist():
        along = [abs(flat[index] @ flat[one]) / (length[index] * length[one]) for one in kept]
        same = next((place for place, cosine in enumerate(along) if cosine > PARALLEL), None)
        if same is None:
            kept.append(index)
            squares.append(length[index] ** 2)
        else:
            squares[same] += length[index] ** 2
    if not kept:
        return moves[:1], direct[:1]
    scale = np.sqrt(squares) / length[kept]
    return moves[kept] * scale[:, None, None], direct[kept] * scale[:, None]


# --- sets of conditions ---------------------------------------------------------------------------------------------


def _binary_slopes(moves: Array, direct: Array, on: SetRates) -> Array:
    """Slopes of the log probability of "present" and "absent": (shared, full) x 2 x figures x sets."""
    present = _present_slopes(moves[:, 0], direct[:, 0], on.rates[0], on.background[0], on.sets)
    log_odds = present / (on.full[0] * on.full[1])
    # P' is proportional to b^(1-k) P^k: what moves the background also moves a shared finding directly.
    beside = on.shrink * log_odds + (1.0 - on.shrink) * (direct[:, 0] / (1.0 - on.background[0]))[:, None]
    # d log P(present) = P(absent) d log-odds, and d log P(absent) = -P(present) d log-odds.
    return np.array([[beside * on.shared[1], beside * -on.shared[0]], [log_odds * on.full[1], log_odds * -on.full[0]]])


def _present_slopes(moves: Array, direct: Array, rates: Array, background: float, members: Array) -> Array:
    """Slopes of P(present | set) (figures x sets) of a yes/no observable.

    `moves` is figures x members and `direct` per figure: slopes of log q and log b.
    """
    raiser, lowerer = rates > background, rates < background
    # d log(1-q) = -q/(1-q) d log q, and the same for b.
    raised = np.where(raiser, -moves * (rates / (1.0 - rates)), 0.0)
    raised += np.where(raiser, direct[:, None] * (background / (1.0 - background)), 0.0)
    lowered = np.where(lowerer, moves - direct[:, None], 0.0)
    log_none = np.log1p(-background) + np.where(raiser, np.log1p(-rates) - np.log1p(-background), 0.0) @ members.T
    factor = np.exp(np.where(lowerer, np.log(rates) - np.log(background), 0.0) @ members.T)
    none_slope = -direct[:, None] * (background / (1.0 - background)) + raised @ members.T
    slopes: Array = -np.exp(log_none) * factor * none_slope + (1.0 - np.exp(log_none)) * factor * (lowered @ members.T)
    return slopes


def _level_slopes(moves: Array, direct: Array, on: SetRates) -> Array:
    """Slopes of the log probability of several levels: (shared, full) x levels x figures x sets."""
    base = direct.T[:, :, None]
    log_slope = base + (moves.transpose(1, 0, 2) - base) @ on.sets.T
    slopes = log_slope - np.einsum("lfs,ls->fs", log_slope, on.full)
    # P' is proportional to b^(1-k) P^k, normalised over the levels.
    beside = on.shrink * slopes + (1.0 - on.shrink) * base
    beside -= np.einsum("lfs,ls->fs", beside, on.shared)
    return np.array([beside, slopes])
