"""The one rule of dependence: of findings that measure the same thing only one counts in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.engine.model import Observable


def leading(observables: Sequence[Observable], groups: Mapping[str, str], separation: Mapping[str, float]) -> set[str]:
    """Of each dependency group, the id of the observable that separates single conditions best (ties: the first given).

    `groups` is finding id -> dependency group, `separation` observable id -> bits.
    """
    best: dict[str, Observable] = {}
    for observable in observables:
        group = groups[observable.finding_id]
        holder = best.get(group)
        if holder is None or separation[observable.id] > separation[holder.id]:
            best[group] = observable
    return {observable.id for observable in best.values()}
