"""From statements to one answer per finding.

The rule for several statements about one finding. A known answer goes before "unknown". Of known answers the one with
the newer effective time counts; with equal or missing times, of a red flag the one that states it, then the final one
before the preliminary one, and then the later one of the submission. Statements that agree with it count as one answer
with several inputs; those that do not are left out, and a warning says so. What an earlier assessment knew counts only
where nothing new is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from service.engine.model import AnswerValue, Finding, Side
from service.errors import Fault
from service.mapping.reading import Notebook, ReadingContext, Statement, named
from service.mapping.sides import outdone, speaks_of_other_side, symmetrical, symptomatic_side, told_side
from service.mapping.times import effective_text, moment

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
_DANGER = "red-flag"  # the kind of finding whose denial never hides an equally recent statement


class Merged:
    """One finding with its decisive statement first, followed by those that agree with it."""

    __slots__ = ("statements",)

    def __init__(self, statements: tuple[Statement, ...]) -> None:
        self.statements = statements

    @property
    def decisive(self) -> Statement:
        return self.statements[0]


def merge(context: ReadingContext, notebook: Notebook) -> tuple[tuple[Merged, ...], Side | None]:
    """One answer per finding, in the order of the findings table, and the side that hurts."""
    side = symptomatic_side(notebook.statements, _complaint(notebook), context.knowledge)
    kept = _of_side(notebook, side, context)
    by_finding: dict[str, list[Statement]] = {}
    for statement in kept:
        by_finding.setdefault(statement.finding_id, []).append(statement)
    findings = [finding for finding in context.knowledge.findings if finding.id in by_finding]
    return tuple(_one(by_finding[finding.id], finding, notebook) for finding in findings), side


def _complaint(notebook: Notebook) -> list[Side]:
    """The sides on which the complaint was stated; of several answers to the question about it the one that counts."""
    told = [(*_rank(one, danger=False), place) for place, one in enumerate(notebook.statements) if told_side(one)]
    side = told_side(notebook.statements[max(told)[-1]]) if told else None
    return [*notebook.complaint_sides, *([side] if side else [])]


def _of_side(notebook: Notebook, side: Side | None, context: ReadingContext) -> list[Statement]:
    kept: list[Statement] = []
    left_out: list[Statement] = []
    same = symmetrical(notebook.statements) if side is None else set()
    for statement in notebook.statements:
        other = statement.finding_id not in same and speaks_of_other_side(statement, side, context.knowledge)
        (left_out if other else kept).append(statement)
    for statement in left_out:
        told = f"the pain is on the {side}" if side else "the submission does not tell which side hurts"
        notebook.ignore(statement.source, f"It is about the {statement.side} side; {told}.", statement.where)
    if left_out:
        chosen = f"the {side} side was assessed" if side else "findings tied to a side were left out"
        notebook.warn(
            "business-rule",
            f"The submission speaks of both sides; {chosen}.",
            left_out[0].where,
            rule="Findings of the left and of the right side are not merged into one case.",
            repair="Send each side by itself, or state the symptoms with their side.",
        )
    denials = outdone(kept)
    for statement in denials:
        notebook.ignore(statement.source, "It denies on one side what is present on the other.", statement.where)
    dropped = {id(statement) for statement in denials}
    return [one for one in kept if id(one) not in dropped]


def _one(statements: Sequence[Statement], finding: Finding, notebook: Notebook) -> Merged:
    danger = finding.kind == _DANGER
    ranked = sorted(enumerate(statements), key=lambda pair: (*_rank(pair[1], danger), pair[0]), reverse=True)
    order = [statement for _, statement in ranked]
    decisive = order[0]
    agreeing = tuple(one for one in order if _same(one, decisive))
    for one in order:
        if one in agreeing or one.value is None or (one.carried and not decisive.carried):
            continue  # what was so at an earlier assessment is not in conflict with what is so now
        why = _why(decisive, one, danger)
        notebook.ignore(one.source, f"Another answer to {one.finding_id} counts: {why}.", one.where)
        notebook.warnings.append(
            Fault(
                "conflict",
                f"Two answers to {one.finding_id} ({finding.label}) differ; the one of {named(decisive.source)} counts: {why}.",
                one.where,
                rule="The newer answer counts; at equal times what states a red flag, then the final one, then the later one.",
                repair="Correct the answer that is wrong.",
                severity="warning",
            )
        )
    return Merged(agreeing)


def _rank(statement: Statement, danger: bool) -> tuple[bool, bool, datetime, bool, bool]:
    stated = danger and statement.value is True
    return statement.value is not None, not statement.carried, _moment(statement), stated, statement.final


def _moment(statement: Statement) -> datetime:
    return moment(effective_text(statement.source)) or _BEFORE_ALL


def _why(decisive: Statement, other: Statement, danger: bool) -> str:
    if _moment(decisive) > _moment(other):
        return "it is newer" if _moment(other) > _BEFORE_ALL else "the other has no date"
    if danger and decisive.value is True and other.value is not True:
        return "it states a red flag"
    if decisive.final and not other.final:
        return "it is final"
    return "it comes later in the submission"


def _same(left: Statement, right: Statement) -> bool:
    return left.comparator == right.comparator and _equal(left.value, right.value)


def _equal(left: AnswerValue | None, right: AnswerValue | None) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right)
    return left == right
