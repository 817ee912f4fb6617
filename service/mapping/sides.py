"""Which side hurts, and which statements speak of the other one.

The rule. Answers without a side, and those for both sides, always count. The side that hurts is the one on which the
complaint itself is stated (hip pain on the left, or the form's question about the side). Where that is not stated, and
answers speak of left and of right:
1. the one side on which symptoms (history) are stated present is the side that hurts;
2. else the one side on which anything is stated present;
3. else the side with more answers; with equally many the side cannot be told.
What speaks of the other side, or of either where the side cannot be told, is left out, so that a hip on the left and a
spine on the right never make one case. Where the side cannot be told, what is the same on both sides counts all the same.
Answers of a form without a side are about the one that its question about the side names, and so are those carried from an
earlier assessment: they do not count for the other side. What holds of the whole person (age, blood, history) has no side.
Red flags always count: a danger on the other side is a danger. So does any other finding that by itself raises one
(weakness of the other leg, or of both), when it is present.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from service.engine.model import Finding, KnowledgeBase, Side
from service.mapping.reading import Statement

_EXEMPT = "red-flag"
_SYMPTOM = "history"
_OTHER: dict[Side | None, Side] = {"left": "right", "right": "left"}
SIDE_FINDING = "symptom_side"  # the question of the form that tells the side of all answers without one
_GENERAL = ("demographic", "laboratory", _EXEMPT)  # kinds of finding that no side has
TOLD: dict[object, Side] = {"left": "left", "right": "right", "both": "bilateral"}


def symptomatic_side(statements: Sequence[Statement], complaint: Sequence[Side], knowledge: KnowledgeBase) -> Side | None:
    """The side that hurts, by the rule above; None where it is not told.

    `complaint` are the sides on which the complaint itself was stated.
    """
    if len(set(complaint)) == 1 and complaint[0] != "bilateral":
        return complaint[0]
    kinds = {finding.id: finding.kind for finding in knowledge.findings}
    sided = [one for one in statements if one.side in ("left", "right") and one.value is not None]
    named = _sides(sided, lambda one: True)
    if len(named) < 2:
        if complaint:
            return "bilateral"
        return next(iter(named), "bilateral" if any(one.side == "bilateral" for one in statements) else None)
    by_symptom = _sides(sided, lambda one: one.value is True and kinds[one.finding_id] == _SYMPTOM)
    if len(by_symptom) == 1:
        return by_symptom[0]
    by_presence = _sides(sided, lambda one: one.value is True)
    if len(by_presence) == 1:
        return by_presence[0]
    left = len({one.finding_id for one in sided if one.side == "left"})
    right = len({one.finding_id for one in sided if one.side == "right"})
    return None if left == right else "left" if left > right else "right"


def told_side(statement: Statement) -> Side | None:
    """The side that the answer to the question about the side names; None for any other statement."""
    return TOLD.get(statement.value) if statement.finding_id == SIDE_FINDING else None


def takes_side(finding: Finding) -> bool:
    """Whether an answer to it that has no side is about the side that hurts."""
    return finding.kind not in _GENERAL and not finding.lifelong and finding.id != SIDE_FINDING


def speaks_of_other_side(statement: Statement, side: Side | None, knowledge: KnowledgeBase) -> bool:
    """Whether a statement has to be left out because of its side."""
    about = statement.side or statement.implied_side
    if about in (None, "bilateral") or side in (about, "bilateral") or (side is None and statement.side is None):
        return False
    if knowledge.finding(statement.finding_id).kind == _EXEMPT:
        return False
    return not (statement.value is True and any(_raised_by(statement.finding_id, rule.when) for rule in knowledge.red_flags))


def symmetrical(statements: Sequence[Statement]) -> set[str]:
    """Ids of the findings that are the same on the left and on the right: true of the side that hurts, whichever it is."""
    answers: dict[str, set[tuple[object, str]]] = {}
    sides: dict[str, set[Side | None]] = {}
    for one in statements:
        if one.side in _OTHER and one.value is not None:
            answers.setdefault(one.finding_id, set()).add((one.value, one.comparator))
            sides.setdefault(one.finding_id, set()).add(one.side)
    return {finding_id for finding_id, given in answers.items() if len(given) == 1 and len(sides[finding_id]) == 2}


def outdone(statements: Sequence[Statement]) -> list[Statement]:
    """What is denied on one side and present on the other, so that the denial must not stand against it."""
    present = {(one.finding_id, one.side) for one in statements if one.value is True}
    return [
        one for one in statements if one.value is False and one.side in _OTHER and (one.finding_id, _OTHER[one.side]) in present
    ]


def _raised_by(finding_id: str, expression: Mapping[str, object]) -> bool:
    """Whether the presence of this one finding is enough to make the expression true."""
    alternatives = expression.get("any", ())
    if isinstance(alternatives, list | tuple) and any(_raised_by(finding_id, one) for one in alternatives):
        return True
    return expression.get("finding") == finding_id and expression.get("is") == "true"


def _sides(statements: Sequence[Statement], counts: Callable[[Statement], bool]) -> list[Side]:
    return sorted({one.side for one in statements if one.side is not None and counts(one)})
