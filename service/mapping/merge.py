"""From statements to one answer per finding.

The rule for several statements about one finding. A known answer goes before "unknown". Of known answers the one with
the newer effective time counts; where none is newer (equal times, or a date and a time of the same day) the one that by
itself states a red flag, then the final one before the preliminary one, and then the later one of the submission. What has
no date is older than what has one, unless it states a red flag. Statements that agree with it count as one answer
with several inputs; those that do not are left out, and a warning says so. What an earlier assessment knew counts only
where nothing new is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from service.engine.model import AnswerValue, Finding, KnowledgeBase, Side
from service.errors import Fault
from service.mapping.dangers import states_danger
from service.mapping.reading import Notebook, ReadingContext, Statement, named
from service.mapping.sides import outdone, speaks_of_other_side, symmetrical, symptomatic_side, told_side
from service.mapping.times import is_newer, moment

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


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
    side = _side(notebook, context.knowledge)
    kept = _of_side(notebook, side, context)
    by_finding: dict[str, list[Statement]] = {}
    for statement in kept:
        by_finding.setdefault(statement.finding_id, []).append(statement)
    findings = [finding for finding in context.knowledge.findings if finding.id in by_finding]
    return tuple(_one(by_finding[finding.id], finding, context.knowledge, notebook) for finding in findings), side


def _side(notebook: Notebook, knowledge: KnowledgeBase) -> Side | None:
    """The side that hurts now; the one of the earlier assessment only where nothing new tells one."""
    new = [one for one in notebook.statements if not one.carried]
    side = symptomatic_side(new, _complaint(new, notebook, knowledge), knowledge)
    if side is not None or len(new) == len(notebook.statements) or any(one.side for one in new):
        return side
    return symptomatic_side(notebook.statements, _complaint(notebook.statements, notebook, knowledge), knowledge)


def _complaint(statements: Sequence[Statement], notebook: Notebook, knowledge: KnowledgeBase) -> list[Side]:
    """The sides on which the complaint was stated; of several answers to the question about it the one that counts."""
    told = [one for one in statements if told_side(one)]
    side = told_side(_in_order(told, knowledge)[0]) if told else None
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
        label = f" ({context.knowledge.finding(statement.finding_id).label})" if statement.side is None else ""
        said = f"It{label} is about the {statement.side or statement.implied_side} side; {told}."
        notebook.ignore(statement.source, f"Not carried. {said}" if statement.carried else said, statement.where)
    if any(not statement.carried for statement in left_out):
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


def _one(statements: Sequence[Statement], finding: Finding, knowledge: KnowledgeBase, notebook: Notebook) -> Merged:
    if len(statements) == 1:
        return Merged((statements[0],))
    order = _in_order(statements, knowledge)
    decisive = order[0]
    agreeing = tuple(one for one in order if _same(one, decisive))
    for one in order:
        if one in agreeing or one.value is None or (one.carried and not decisive.carried):
            continue  # what was so at an earlier assessment is not in conflict with what is so now
        why = _why(decisive, one, knowledge)
        notebook.ignore(one.source, f"Another answer to {one.finding_id} counts: {why}.", one.where)
        notebook.contradicted.append(finding.id)
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


def _in_order(statements: Sequence[Statement], knowledge: KnowledgeBase) -> list[Statement]:
    """The statements of one finding, the one that counts first, the others from the newest to the oldest."""
    if len(statements) == 1:
        return list(statements)
    known = [one for one in statements if one.value is not None] or list(statements)
    told_now = [one for one in known if not one.carried] or known
    # Overlapping dates have no order, so that the newest are those which nothing is newer than.
    newest = [one for one in told_now if not any(_outdates(other, one, knowledge) for other in told_now)]
    decisive = max(enumerate(newest), key=lambda pair: (states_danger(pair[1], knowledge), pair[1].final, pair[0]))[1]
    ranked = sorted(enumerate(statements), key=lambda pair: (_moment(pair[1]), pair[1].final, pair[0]), reverse=True)
    return [decisive, *(one for _, one in ranked if one is not decisive)]


def _outdates(newer: Statement, older: Statement, knowledge: KnowledgeBase) -> bool:
    dated, other = _date(newer), _date(older)
    if moment(other) is None:
        return moment(dated) is not None and not states_danger(older, knowledge)
    return is_newer(dated, other)


def _moment(statement: Statement) -> datetime:
    return moment(_date(statement)) or _BEFORE_ALL


def _date(statement: Statement) -> str:
    return "" if statement.ahead else statement.effective


def _why(decisive: Statement, other: Statement, knowledge: KnowledgeBase) -> str:
    if _outdates(decisive, other, knowledge):
        return "it is newer" if _moment(other) > _BEFORE_ALL else "the other has no date"
    if states_danger(decisive, knowledge) and not states_danger(other, knowledge):
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
