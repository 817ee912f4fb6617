"""Three-valued safety rules: unknown is not absent, and nothing outvotes a flag."""

from __future__ import annotations

import pytest

from service.engine.model import Answer, Case, RedFlagRule
from service.engine.red_flags import screen

FEVER = {"finding": "fever", "is": "true"}
ROLL = {"finding": "log_roll", "is": "true"}
OLD = {"age": ">=65"}


def rule(when, *, weak=False, urgency="emergency"):
    return RedFlagRule("flag", "flag", "infection", urgency, when, "message", "action", weak=weak)


def state(when, *, age=None, **answers):
    case = Case(tuple(Answer(finding, value) for finding, value in answers.items()), age_years=age)
    result = screen(case, (rule(when),))
    return "raised" if result.raised else "absent" if result.absent else "open"


@pytest.mark.parametrize(
    ("when", "answers", "expected"),
    [
        (FEVER, {}, "open"),
        (FEVER, {"fever": True}, "raised"),
        (FEVER, {"fever": False}, "absent"),
        ({"all": [FEVER, ROLL]}, {"fever": True}, "open"),
        ({"all": [FEVER, ROLL]}, {"fever": False}, "absent"),
        ({"all": [FEVER, ROLL]}, {"fever": True, "log_roll": True}, "raised"),
        ({"any": [FEVER, ROLL]}, {"fever": False}, "open"),
        ({"any": [FEVER, ROLL]}, {"fever": True}, "raised"),
        ({"any": [FEVER, ROLL]}, {"fever": False, "log_roll": False}, "absent"),
        ({"all": [FEVER, OLD]}, {"fever": True, "age": 70.0}, "raised"),
        ({"all": [FEVER, OLD]}, {"fever": True, "age": 40.0}, "absent"),
        ({"all": [FEVER, OLD]}, {"fever": True}, "open"),
        ({"all": [FEVER, OLD]}, {"fever": True, "age_band": "70 and over"}, "raised"),
        ({"all": [FEVER, OLD]}, {"fever": True, "age_band": "60-69"}, "open"),
        ({"all": [FEVER, OLD]}, {"fever": True, "age_band": "18-39"}, "absent"),
    ],
)
def test_a_rule_is_true_false_or_unknown(when, answers, expected):
    assert state(when, **answers) == expected


def test_clear_is_said_only_when_every_rule_was_answered():
    rules = (rule(FEVER), rule(ROLL))
    assert screen(Case((Answer("fever", False), Answer("log_roll", False))), rules).clear
    assert not screen(Case((Answer("fever", False),)), rules).clear
    assert not screen(Case(), rules).clear


@pytest.mark.parametrize(
    ("value", "comparator", "expected"),
    [
        (8.0, ">=", "raised"), (8.0, ">", "raised"), (7.0, ">", "open"), (9.0, "<", "open"), (8.0, "<", "absent"),
        (7.0, "<=", "absent"),
    ],
)
def test_a_bound_raises_or_clears_a_rule_only_if_it_decides_the_threshold(value, comparator, expected):
    """C9: "pain above 7" is not 7, and "below 9" is not 9."""
    case = Case((Answer("pain_intensity", value, comparator),))
    result = screen(case, (rule({"finding": "pain_intensity", "is": ">=8"}),))
    found = "raised" if result.raised else "absent" if result.absent else "open"
    assert found == expected
    assert result.missing == ({"flag": ("pain_intensity",)} if expected == "open" else {})


def test_an_examination_done_only_on_suspicion_raises_but_is_not_owed():
    internal = {"finding": "anal_tone_reduced", "is": "true", "if_done": True}
    assert state({"any": [FEVER, internal]}, fever=False) == "absent"
    assert state({"any": [FEVER, internal]}, fever=False, anal_tone_reduced=True) == "raised"
    assert state({"any": [FEVER, internal]}) == "open"


def test_a_weak_flag_is_at_most_urgent():
    flags = screen(Case((Answer("fever", True),)), (rule(FEVER, weak=True),))
    assert [flag.urgency for flag in flags.raised] == ["urgent"]


def test_the_missing_answers_of_an_open_rule_are_named():
    result = screen(Case((Answer("fever", True),)), (rule({"all": [FEVER, ROLL, OLD]}),))
    assert result.missing == {"flag": ("log_roll", "age_band")}
