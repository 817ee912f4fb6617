"""The answers of one item of a response: their type and code checked, then as the value of a finding."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from service.engine.model import AnswerValue, Finding
from service.mapping.answers import ABSENT, PRESENT, answers_by_code
from service.mapping.codes import option_code
from service.mapping.form import ANSWER_ELEMENTS, Coding, FormItem
from service.mapping.reading import Notebook, ReadingContext
from service.records import dataclass

_NUMBERS = ("decimal", "integer")


@dataclass(frozen=True, slots=True)
class Given:
    """The sound answers to one item; `path` is the item's place in the response, `paths` those of the values."""

    item: FormItem
    path: str
    values: tuple[Any, ...]
    paths: tuple[str, ...]

    def and_also(self, other: Given) -> Given:
        return Given(self.item, self.path, self.values + other.values, self.paths + other.paths)


@dataclass(frozen=True, slots=True)
class Stated:
    """What an answer says of a finding; `known` false: nothing that fits it. A known None is "asked, and unknown"."""

    known: bool
    value: AnswerValue | None = None


def read_answers(
    element: Mapping[str, Any], path: str, item: FormItem, *, ours: bool, context: ReadingContext, notebook: Notebook
) -> Given:
    """The sound answers; the faults of the others, and of their number, go to the notebook.

    With a form that is not ours nothing is a fault: what cannot be read is left out later.
    """
    answers = element["answer"]
    if len(answers) > 1 and not item.repeats and ours:
        notebook.fault(
            "value",
            f"The item {item.link_id} has {len(answers)} answers.",
            f"{path}.answer",
            rule="This question takes one answer.",
            repair="Keep the right one.",
        )
    values, paths = [], []
    for number, answer in enumerate(answers):
        at = f"{path}.answer[{number}].value"
        element_name = next((key for key in answer if key.startswith("value")), "")
        if not element_name:
            continue
        value = answer[element_name]
        if ours:
            value = _checked(element_name, value, at, item, context, notebook)
        if value is not None:
            values.append(value)
            paths.append(at)
    return Given(item, path, tuple(values), tuple(paths))


def stated_value(value: Any, finding: Finding, context: ReadingContext) -> Stated:
    """What one sound answer says of the finding."""
    codes = answers_by_code(finding)
    if isinstance(value, bool):
        # Only a form that is not ours has yes/no items of type boolean.
        return Stated(True, value) if finding.answer_type == "boolean" else Stated(False)
    if isinstance(value, dict) and "code" in value and codes:
        code = str(value["code"]) if str(value["code"]) in codes else ""
        if value.get("system") not in (None, context.terminology.system("answer")):
            code = option_code(value, finding, context)
        return Stated(code in codes, codes.get(code))
    if isinstance(value, int | Decimal | float) and finding.answer_type == "quantity":
        return Stated(True, float(value))
    return Stated(False)


def _checked(element_name: str, value: Any, path: str, item: FormItem, context: ReadingContext, notebook: Notebook) -> Any:
    """The value, a Coding replaced by the option it means; None with a fault in the notebook if it is not sound."""
    if item.type in _NUMBERS and isinstance(value, str) and element_name in ANSWER_ELEMENTS[item.type]:
        value = _number(value)
    takes = ANSWER_ELEMENTS.get(item.type, ())
    if element_name not in takes or value is None:
        notebook.fault(
            "value",
            f"The answer to {item.link_id} is a {element_name}.",
            path,
            rule=f"An item of type {item.type} takes {' or '.join(takes) or 'no answer'}.",
            repair=_repair(element_name, value, item),
        )
        return None
    if element_name == "valueCoding":
        return _option(value, path, item, context, notebook)
    if item.type in _NUMBERS and not _within(value, item):
        notebook.fault(
            "value",
            f"The answer to {item.link_id} is out of range.",
            path,
            rule=f"The value lies between {_plain(item.minimum)} and {_plain(item.maximum)}.",
            repair="Correct the number, or leave the item out if it is not known.",
        )
        return None
    if item.type in _NUMBERS and item.finding_id and context.knowledge.finding(item.finding_id).counted and value % 1:
        notebook.fault(
            "value",
            f"The answer to {item.link_id} is not a whole number.",
            path,
            rule="It is a count.",
            repair="Correct the number, or leave the item out if it is not known.",
        )
        return None
    return value


def _option(coding: Coding, path: str, item: FormItem, context: ReadingContext, notebook: Notebook) -> Coding | None:
    for option in item.options:
        if coding.get("code") == option.get("code") and coding.get("system") in (None, option.get("system")):
            return option
    if item.finding_id:
        meant = option_code(coding, context.knowledge.finding(item.finding_id), context)
        for option in item.options:
            if meant and meant == option.get("code"):
                return option
    elif not item.options or item.type == "open-choice":
        return coding
    notebook.fault(
        "code-invalid",
        f"The answer to {item.link_id} is not one of its options.",
        path,
        rule=f"The options are: {_listed(item)}.",
        repair="Answer with the code of an option" + (f" (system {item.options[0].get('system')})." if item.options else "."),
    )
    return None


def _repair(element_name: str, value: Any, item: FormItem) -> str:
    if element_name == "valueBoolean" and item.type == "choice":
        codes = [str(option.get("code")) for option in item.options]
        wanted = PRESENT if value else ABSENT
        if wanted in codes:
            return f"Send valueCoding with the code {wanted} (system {item.options[0].get('system')})."
    if item.options:
        return f"Send valueCoding with one of: {_listed(item)}."
    return f"Send {' or '.join(ANSWER_ELEMENTS.get(item.type, ())) or 'no answer'}."


def _listed(item: FormItem) -> str:
    return ", ".join(str(option.get("code")) for option in item.options) or "none"


def _number(text: str) -> int | Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _within(value: Any, item: FormItem) -> bool:
    return (item.minimum is None or value >= item.minimum) and (item.maximum is None or value <= item.maximum)


def _plain(bound: float | None) -> str:
    return "any" if bound is None else f"{bound:g}"
