"""Whether one statement is enough to raise a red flag, so that no equally recent denial may hide it."""

from __future__ import annotations

from service.engine.model import Answer, KnowledgeBase
from service.engine.rules import Facts, evaluate
from service.mapping.reading import Statement

_RED_FLAG = "red-flag"


def states_danger(statement: Statement, knowledge: KnowledgeBase) -> bool:
    """Whether it states a sign of danger, or raises a red flag by itself whatever else is known or not."""
    value = statement.value
    if value is None or value is False:
        return False
    if value is True and knowledge.finding(statement.finding_id).kind == _RED_FLAG:
        return True
    answer = Answer(statement.finding_id, value, statement.comparator, statement.side)
    facts = Facts({statement.finding_id: answer}, None, None)
    return any(evaluate(rule.when, facts).state is True for rule in knowledge.red_flags)
