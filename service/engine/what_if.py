"""What would change the answer: the best next examination, the results that would put something else first, a robustness label.

One result is looked at for every open finding, exactly; two and three by the beam search of `flips.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from service.engine.flips import LARGEST_SET, Beam, FirstReferral, Flip, flips_of, most_probable
from service.engine.hypotheses import Array
from service.engine.model import PATTERNS, FlipSet, KnowledgeBase, NextFinding, ResultEffect, Robustness, WhatIf
from service.engine.prospects import SMALLEST, Indexes, Outlook

SPLIT_AMONG = 8
NEGLIGIBLE = 1e-30  # its square is still a number


def glance(outlook: Outlook, best: NextFinding | None) -> WhatIf:
    """The part that every answer holds: the best examination, and whether one result would put another pattern first.

    Where single results leave the answer standing, how robust it is takes the whole search.
    """
    knowledge = outlook.prospects.network.knowledge
    alone = most_probable(_flipping_patterns(outlook))
    fragile = alone is not None and alone.expected >= knowledge.constant("flip_result_plausible_from")
    return WhatIf(
        effects=(),
        best=best,
        splits=splits(outlook, best.finding_id) if best else (),
        flip_pattern=_told(alone, outlook),
        flip_referral=None,
        searched=1,
        robustness="fragile" if fragile else None,
    )


def what_if(outlook: Outlook, best: NextFinding | None, target_ids: Sequence[str]) -> WhatIf:
    """All of it. The targets of the outlook are those of `target_ids`: the patterns, then the conditions."""
    knowledge = outlook.prospects.network.knowledge
    pattern, robustness = _pattern(outlook, knowledge)
    return WhatIf(
        effects=effects(outlook),
        best=best,
        splits=splits(outlook, best.finding_id) if best else (),
        flip_pattern=_told(pattern, outlook),
        flip_referral=_told(_referral(outlook, knowledge, target_ids), outlook),
        searched=LARGEST_SET,
        robustness=robustness,
    )


def effects(outlook: Outlook) -> tuple[ResultEffect, ...]:
    """Every open result, in the order of the tables."""
    patterns = outlook.after[:, : len(PATTERNS)]
    leader = outlook.current[: len(PATTERNS)].argmax()
    leading = patterns.argmax(axis=1)
    results = [outlook.result(place) for place in range(len(outlook.open))]
    columns = zip(results, outlook.expected.tolist(), patterns.tolist(), (leading != leader).tolist(), strict=True)
    return tuple(
        ResultEffect(
            finding_id=result.finding_id,
            value=result.value,
            expected=expected,
            patterns=tuple(zip(PATTERNS, after, strict=True)),
            flips=flips,
            bedside=outlook.bedside(result.finding_id),
        )
        for result, expected, after, flips in columns
    )


# --- what it takes to flip ---------------------------------------------------------------------------------------------


def _leading(_: Indexes, after: Array) -> list[str]:
    return [PATTERNS[index] for index in after[:, : len(PATTERNS)].argmax(axis=1).tolist()]


def _flipping_patterns(outlook: Outlook) -> list[Flip]:
    """The single results that would put another pattern first."""
    sets, leader = outlook.open[:, None], PATTERNS[outlook.current[: len(PATTERNS)].argmax()]
    return flips_of(sets, outlook.expected, _leading(sets, outlook.after), leader)


def _pattern(outlook: Outlook, knowledge: KnowledgeBase) -> tuple[Flip | None, Robustness]:
    """The smallest set that puts another pattern first, and how robust the leading pattern is.

    Larger sets are looked for as long as no plausible one is known: an implausible result does not make an answer shaky.
    """
    leader = int(outlook.current[: len(PATTERNS)].argmax())
    smallest = alone = most_probable(_flipping_patterns(outlook))
    if alone is not None and alone.expected >= knowledge.constant("flip_result_plausible_from"):
        return alone, "fragile"
    rivals = [index for index in range(len(PATTERNS)) if index != leader]

    def margins(targets: Array) -> Array:
        logs = np.log(np.maximum(targets[:, : len(PATTERNS)], SMALLEST))
        found: Array = logs[:, rivals] - logs[:, [leader]]
        return found

    if not len(outlook.open):
        return None, "robust"
    beam = Beam(outlook, _leading, PATTERNS[leader], margins)
    for search in (beam.pairs, beam.triples):
        found = most_probable(search())
        smallest = smallest or found
        if found is not None and found.expected >= knowledge.constant("flip_set_plausible_from"):
            return smallest, "moderate"
    return smallest, "robust"


def _referral(outlook: Outlook, knowledge: KnowledgeBase, target_ids: Sequence[str]) -> Flip | None:
    """The smallest set that puts another referral first; None also where there is none yet."""
    if not len(outlook.open):
        return None
    first = FirstReferral(knowledge, outlook, target_ids, len(PATTERNS))
    if not first.present:
        return None
    sets = outlook.open[:, None]
    alone = most_probable(flips_of(sets, outlook.expected, first(sets, outlook.after), first.present))
    if alone is not None:
        return alone
    margins = first.margins()
    beam = Beam(outlook, first, first.present, margins) if margins(outlook.current[None, :]).size else None
    for size, search in ((2, beam.pairs if beam else None), (3, beam.triples if beam else None)):
        found = search() if search else []
        alarming = first.alarming(size)
        if len(alarming):
            after, expected = outlook.together(alarming)
            found += flips_of(alarming, expected, first(alarming, after), first.present)
        if found:
            return most_probable(found)
    return None


def _told(flip: Flip | None, outlook: Outlook) -> FlipSet | None:
    if flip is None:
        return None
    results = [outlook.prospects.results[index] for index in flip.members]
    return FlipSet(tuple((result.finding_id, result.value) for result in results), flip.expected, flip.becomes)


# --- what the best examination tells apart -----------------------------------------------------------------------------


def splits(outlook: Outlook, finding_id: str) -> tuple[str, str] | tuple[()]:
    """The two conditions, or the two source patterns, that the finding is expected to tell apart best.

    What decides is the bits that the result tells of which of the two it is, times how probable it is that it is one of
    them. Compared are the patterns, and the `SPLIT_AMONG` most probable conditions where one is there without the other.
    """
    prospects = outlook.prospects
    conditions = prospects.network.hypotheses.conditions
    members = [index for index in outlook.open.tolist() if prospects.results[index].finding_id == finding_id]
    products, normaliser = outlook.products(np.array(members, dtype=np.int64)[:, None])
    levels = products / normaliser[:, None].astype(np.float32)
    likely = np.argsort(-(outlook.weights @ prospects.membership), kind="stable")[:SPLIT_AMONG]
    membership = prospects.membership[:, likely]
    both = np.stack([(membership.T * level) @ membership for level in levels]).astype(np.float64)
    without = np.einsum("lcc->lc", both)[:, :, None] - both  # the first there, the second not
    patterns = (levels @ prospects.pattern).astype(np.float64)
    one, other = _pairs_of(len(PATTERNS))
    first, second = _pairs_of(len(likely))
    bits = np.concatenate(
        [
            _pair_bits(patterns[:, one], patterns[:, other]),
            _pair_bits(without[:, first, second], without[:, second, first]),
        ]
    )
    best = int(bits.argmax())
    if bits[best] <= 0.0:
        return ()
    if best < len(one):
        return PATTERNS[one[best]], PATTERNS[other[best]]
    best -= len(one)
    return conditions[likely[first[best]]].id, conditions[likely[second[best]]].id


@cache
def _pairs_of(count: int) -> tuple[Indexes, Indexes]:
    """All pairs of so many things: the first and the second of each."""
    first, second = np.triu_indices(count, 1)
    return first, second


def _pair_bits(one: Array, other: Array) -> Array:
    """Bits that the levels (first axis) tell of which of two alternatives holds, times their common probability."""
    table = np.maximum(np.stack([one, other]), NEGLIGIBLE)
    by_level = table.sum(axis=0)
    by_alternative = table.sum(axis=1)
    total = by_alternative.sum(axis=0)
    found: Array = (table * np.log2(table * total / (by_level[None] * by_alternative[:, None]))).sum(axis=(0, 1))
    return found
