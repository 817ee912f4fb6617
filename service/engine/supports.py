"""What the rows of an observable speak of: its support, and its rates on all sets of that.

See `subsets.py` for why a sum over a few sets stands for one over all hypotheses.
"""

from __future__ import annotations

import numpy as np

from service.engine.hypotheses import Array
from service.engine.model import Observable
from service.engine.network import Network, combine
from service.engine.rates import backgrounds
from service.engine.subsets import Places, coefficients, set_membership
from service.records import dataclass


@dataclass(frozen=True, slots=True)
class Support:
    """The conditions (by index) that rows of an observable speak of, and whether any speaks of hip and spine together.

    `members` are the same as columns of the network's member matrix, `sets` all sets of them (sets x members), and `places`
    where these stand in `Subsets.sums`.
    """

    conditions: tuple[int, ...]
    coexistence: bool
    members: list[int]
    sets: Array
    places: Places

    def coefficients(self, values: Array) -> Array:
        """Of a function given on the sets (last axis), the coefficients by which it is summed over the hypotheses."""
        plain, *with_event = np.split(values, 2 if self.coexistence else 1, axis=-1)
        count = len(self.conditions)
        found = [coefficients(plain, count), *(coefficients(part - plain, count) for part in with_event)]
        return np.concatenate(found, axis=-1) if with_event else found[0]


@dataclass(frozen=True, slots=True)
class SetRates:
    """Rates of one observable: of the levels without a condition, of each member alone (levels x members), and on sets.

    `full` and `shared` are levels x sets.
    """

    background: tuple[float, ...]
    rates: Array
    sets: Array
    full: Array
    shared: Array
    shrink: float


def support_of(network: Network, observable: Observable) -> Support:
    """The support of one observable."""
    spoken_of = network.rate_table.compiled[observable.id]
    conditions = tuple(index for index, one in enumerate(network.hypotheses.conditions) if one.id in spoken_of)
    coexistence = network.derived is not None and network.derived.id in spoken_of
    members, sets = list(conditions), set_membership(len(conditions))
    if coexistence:
        sets = np.concatenate([np.column_stack([sets, np.full(len(sets), flag)]) for flag in (0.0, 1.0)])
        members.append(len(network.hypotheses.conditions))
    places = network.subsets.of_support(conditions, coexistence=coexistence)
    return Support(conditions, coexistence, members, sets, places)


def set_rates(network: Network, observable: Observable, support: Support) -> SetRates:
    """The rates of one observable on the sets of its support, as the network combines them."""
    first = network.start[observable.id]
    rates = network.level_rates[first : first + len(observable.levels), support.members]
    shrink = network.knowledge.constant("dependence_shrink")
    full, shared = (np.exp(logs) for logs in combine((observable,), [rates], support.sets, shrink))
    return SetRates(backgrounds(observable), rates, support.sets, full, shared, shrink)
