"""Which items of a form are enabled by the answers given (R4 Questionnaire.item.enableWhen)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.mapping.form import Form

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
    ">=": lambda left, right: left >= right,
    "<=": lambda left, right: left <= right,
}


def enabled_items(form: Form, answers: Mapping[str, Sequence[Any]]) -> frozenset[str]:
    """The linkIds of the enabled items.

    `answers` are the values given per linkId (a Coding, Quantity, number, text or truth value). An item is disabled with
    any item above it, and what was answered to a disabled item enables nothing. Items that depend on each other in a
    circle count as enabled: the form is at fault then, not the answer.
    """
    known = dict.fromkeys(form.always_enabled, True)
    open_items: set[str] = set()

    def enabled(link_id: str) -> bool:
        if (decided := known.get(link_id)) is not None:
            return decided
        if link_id in open_items or link_id not in form.items:
            return True
        open_items.add(link_id)
        item = form.items[link_id]
        outcome = all(enabled(ancestor) for ancestor in item.ancestors)
        if outcome and item.enable_when:
            met = [condition_met(condition) for condition in item.enable_when]
            outcome = all(met) if item.enable_behavior == "all" else any(met)
        open_items.discard(link_id)
        known[link_id] = outcome
        return outcome

    def condition_met(condition: Mapping[str, Any]) -> bool:
        question = str(condition["question"])
        given = answers.get(question, ()) if enabled(question) else ()
        return holds(str(condition["operator"]), given, _expected(condition))

    return form.always_enabled.union(link_id for link_id in form.sometimes_enabled if enabled(link_id))


def holds(operator: str, given: Sequence[Any], expected: Any) -> bool:
    """Whether one enableWhen condition is true of the answers given to its question.

    ``!=`` is true if no answer is equal, so also without any answer; the orderings need one answer for which they hold.
    """
    if operator == "exists":
        return bool(given) is bool(expected)
    if operator == "=":
        return any(_equal(value, expected) for value in given)
    if operator == "!=":
        return not any(_equal(value, expected) for value in given)
    return any(_ordered(operator, value, expected) for value in given)


def _expected(condition: Mapping[str, Any]) -> Any:
    return next((value for key, value in condition.items() if key.startswith("answer")), None)


def _equal(value: Any, expected: Any) -> bool:
    if isinstance(value, dict) and isinstance(expected, dict):
        if "value" in value or "value" in expected:
            return bool(value.get("value") == expected.get("value") and _same_unit(value, expected))
        systems = value.get("system"), expected.get("system")
        return value.get("code") == expected.get("code") and (systems[0] == systems[1] or None in systems)
    return (type(value) is type(expected) and value == expected) or (_both_numbers(value, expected) and value == expected)


def _ordered(operator: str, value: Any, expected: Any) -> bool:
    if isinstance(value, dict) and isinstance(expected, dict):
        if not _same_unit(value, expected):
            return False
        value, expected = value.get("value"), expected.get("value")
    comparable = _both_numbers(value, expected) or (isinstance(value, str) and isinstance(expected, str))
    return comparable and _ORDER[operator](value, expected)


def _same_unit(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    return left.get("code", left.get("unit")) == right.get("code", right.get("unit"))


def _both_numbers(left: Any, right: Any) -> bool:
    return all(not isinstance(one, bool | str | dict) and one is not None for one in (left, right))
