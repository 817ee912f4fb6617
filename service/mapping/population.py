"""A form filled in, as far as a patient's record answers it: for a clinician to look over, correct and complete.

Source: https://hl7.org/fhir/uv/sdc/OperationDefinition/Questionnaire-populate
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from service.engine.ages import band_of
from service.engine.model import AnswerValue, Finding
from service.engine.network import AGE_FINDING, SEX_FINDING
from service.fhir.bundles import Resource
from service.mapping.answers import answers_by_code
from service.mapping.case import Reading
from service.mapping.form import FormItem, form_from
from service.mapping.readers.form_choice import finding_of_item
from service.mapping.reading import Notebook, ReadingContext, UsedAnswer
from service.mapping.sides import SIDE_FINDING
from service.records import dataclass

_UCUM = "http://unitsofmeasure.org"


@dataclass(frozen=True, slots=True)
class Populated:
    """The response, and of how many questions it answers how many."""

    response: Resource
    filled: int
    questions: int


def populated_response(
    questionnaire: Mapping[str, Any], reading: Reading, context: ReadingContext, notebook: Notebook
) -> Populated:
    """The QuestionnaireResponse `in-progress` to a form, with every answer that the reading of a record gives.

    The notebook takes where each answer came from, and which known finding the form could not hold.
    """
    known = known_answers(reading, context)
    form = form_from(questionnaire, finding_of_item(questionnaire, context), ours=False)
    filled = 0

    def items(of: Iterable[Mapping[str, Any]]) -> list[Resource]:
        nonlocal filled
        made = []
        for item in of:
            answered: Resource = {"linkId": item["linkId"], **({"text": item["text"]} if item.get("text") else {})}
            if item.get("type") == "group":
                inner = items(item.get("item", ()))
                made.append({**answered, "item": inner} if inner else answered)
                continue
            answer = _answer(form.items[str(item["linkId"])], item, known, context, notebook)
            if answer is not None:
                filled += 1
                answered["answer"] = [answer]
            made.append(answered)
        return made

    version = questionnaire.get("version")
    response: Resource = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{questionnaire['url']}|{version}" if version else questionnaire["url"],
        "status": "in-progress",
        "subject": reading.subject,
        **({"encounter": reading.encounter} if reading.encounter else {}),
        "authored": context.assessed_at.isoformat(timespec="seconds"),
        "item": items(questionnaire.get("item", ())),
    }
    if reading.contained:
        response["contained"] = list(reading.contained)
    return Populated(response, filled, sum(item.is_question for item in form.items.values()))


def known_answers(reading: Reading, context: ReadingContext) -> dict[str, UsedAnswer]:
    """What the record answers, by finding; age and sex of the Patient among it."""
    known = {one.finding_id: one for one in reading.used if one.value is not None}
    patient = tuple(one.reference for one in reading.inputs if one.resource.get("resourceType") == "Patient")
    bands = next((finding for finding in context.knowledge.findings if finding.id == AGE_FINDING), None)
    if bands is not None and reading.case.age_years is not None:
        band = band_of(reading.case.age_years, bands.choices)
        if band is not None:
            known[AGE_FINDING] = UsedAnswer(AGE_FINDING, band, patient)
    if reading.case.sex is not None:
        known[SEX_FINDING] = UsedAnswer(SEX_FINDING, reading.case.sex, patient)
    if reading.case.side is not None and SIDE_FINDING not in known:
        # The answers of the form have no side of their own: the question about it carries the side of all of them.
        side = "both" if reading.case.side == "bilateral" else reading.case.side
        known[SIDE_FINDING] = UsedAnswer(SIDE_FINDING, side, ())
    return known


def _answer(
    item: FormItem, element: Mapping[str, Any], known: Mapping[str, UsedAnswer], context: ReadingContext, notebook: Notebook
) -> Resource | None:
    used = known.get(item.finding_id) if item.finding_id else None
    if used is None or used.value is None:
        return None
    finding = context.knowledge.finding(item.finding_id)
    where = f"QuestionnaireResponse.item.where(linkId = '{item.link_id}')"
    if used.comparator:
        notebook.warn(
            "informational",
            f"Of {finding.label} only a bound is known ({used.comparator} {used.value:g}), which is no answer.",
            where,
            repair="Measure it, or answer by hand.",
            severity="information",
        )
        return None
    answer = _as_answer(used.value, finding, item, element, context)
    if answer is None:
        notebook.warn(
            "not-supported",
            f"{finding.label} is known, but the question takes no such answer.",
            where,
            repair="Answer by hand.",
        )
        return None
    side = f", {used.side} side" if used.side else ""
    since = f" of {used.effective}" if used.effective else ""
    notebook.warn(
        "informational",
        f"{finding.label}: taken from {', '.join(used.inputs) or 'the record'}{since}{side}.",
        where,
        repair="Look it over.",
        severity="information",
    )
    return answer


def _as_answer(
    value: AnswerValue, finding: Finding, item: FormItem, element: Mapping[str, Any], context: ReadingContext
) -> Resource | None:
    """The value in the type the item takes; None if it takes none that says the same."""
    if isinstance(value, bool) and item.type == "boolean":
        return {"valueBoolean": value}
    if finding.answer_type == "quantity":
        return _number(value, finding, item, context)
    if item.type not in ("choice", "open-choice"):
        return None
    code = next((code for code, meant in answers_by_code(finding).items() if meant == value and meant is not None), "")
    system = context.terminology.system("answer")
    for option in item.options:
        if option.get("code") == code and option.get("system") == system:
            return {"valueCoding": option}
        if context.terminology.to_answer(str(option.get("system", "")), str(option.get("code", ""))) == code:
            return {"valueCoding": option}
    # Options kept in a value set of ours are not listed in the item.
    return {"valueCoding": context.terminology.coding("answer", code)} if code and "answerValueSet" in element else None


def _number(value: AnswerValue, finding: Finding, item: FormItem, context: ReadingContext) -> Resource | None:
    number = Decimal(repr(float(value)))
    plain: int | Decimal = int(number) if number == number.to_integral_value() else number
    if item.type == "decimal":
        return {"valueDecimal": plain}
    if item.type == "integer":
        return {"valueInteger": plain} if isinstance(plain, int) else None
    if item.type == "quantity":
        unit = context.terminology.unit_of(finding.id) or finding.unit
        return {"valueQuantity": {"value": plain, "unit": unit, "system": _UCUM, "code": unit}}
    return None
