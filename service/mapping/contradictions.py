"""Answers to different questions that cannot both be true: a full and painless hip whose rotation is limited.

Which they are is a table (`incompatible.csv`). A warning names both; of the two the one that states a red flag counts alone, and
where neither or both do, both stay as they were given, for who reads them to settle.
"""

from __future__ import annotations

from service.engine.model import Finding
from service.mapping.dangers import states_danger
from service.mapping.merge import Merged
from service.mapping.reading import Notebook, ReadingContext, Statement


def without_contradictions(merged: tuple[Merged, ...], context: ReadingContext, notebook: Notebook) -> tuple[Merged, ...]:
    """The answers without those that deny what another states as a red flag; a warning for each pair that does not fit."""
    given = {one.decisive.finding_id: one.decisive for one in merged if one.decisive.value is not None}
    outweighed: set[str] = set()
    for pair in context.knowledge.incompatible:
        one, other = given.get(pair.finding_id), given.get(pair.other_id)
        if one is None or other is None or one.value is None or other.value is None:
            continue
        if not (pair.when.decides(one.value, one.comparator) and pair.other_when.decides(other.value, other.comparator)):
            continue
        if {one.side, other.side} == {"left", "right"}:
            continue  # of two legs both may be true
        first, second = context.knowledge.finding(pair.finding_id), context.knowledge.finding(pair.other_id)
        danger, other_danger = states_danger(one, context.knowledge), states_danger(other, context.knowledge)
        counts = ""
        if danger != other_danger:
            weaker, stronger = (other, first) if danger else (one, second)
            outweighed.add(weaker.finding_id)
            counts = f" {stronger.label} counts, as it states a red flag."
            notebook.ignore(weaker.source, f"It contradicts {stronger.label}, which states a red flag.", weaker.where)
        _warn(one, (first, second), counts, notebook)
    return tuple(one for one in merged if one.decisive.finding_id not in outweighed)


def _warn(one: Statement, findings: tuple[Finding, Finding], counts: str, notebook: Notebook) -> None:
    first, second = findings
    notebook.warn(
        "conflict",
        f"The answers to {first.id} ({first.label}) and {second.id} ({second.label}) cannot both be true.{counts}",
        one.where,
        rule="What one answer states another does not deny.",
        repair="Correct the answer that is wrong.",
    )
