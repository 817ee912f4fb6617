"""Safety rules on findings, and diagnoses on record, in three states: true, false, unknown. They run apart from the differential.

What nobody answered is unknown, never absent (`rules.py`).
"""

from __future__ import annotations

from service.engine.model import URGENCY_ORDER, Case, RedFlag, RedFlagRule, RedFlagScreen, Urgency
from service.engine.rules import Facts, evaluate


def screen(case: Case, rules: tuple[RedFlagRule, ...]) -> RedFlagScreen:
    """All rules, sorted into raised (most urgent first), absent and not screened.

    A rule on images or tests that nobody did is none of the three: they are not owed, and not done is not absent.
    """
    facts = Facts.of(case)
    raised: list[RedFlag] = []
    absent: list[RedFlagRule] = []
    open_rules: list[RedFlagRule] = []
    missing: dict[str, tuple[str, ...]] = {}
    for rule in rules:
        truth = evaluate(rule.when, facts)
        diagnoses = tuple(dict.fromkeys(one.title for one in case.recorded if one.red_flag == rule.id))
        if truth.state is True or diagnoses:
            raised.append(RedFlag(rule, _urgency(rule), truth.because if truth.state else (), diagnoses))
        elif truth.state is None:
            open_rules.append(rule)
            missing[rule.id] = tuple(dict.fromkeys(truth.missing))
        elif truth.answered:
            absent.append(rule)
    raised.sort(key=lambda flag: URGENCY_ORDER.index(flag.urgency))
    return RedFlagScreen(tuple(raised), tuple(absent), tuple(open_rules), missing)


def _urgency(rule: RedFlagRule) -> Urgency:
    """The rule's urgency; a weak flag is at most ``urgent``."""
    return "urgent" if rule.weak and rule.urgency == "emergency" else rule.urgency
