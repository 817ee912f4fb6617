"""Findings from a QuestionnaireResponse, checked against its form: ours, or another whose items carry codes we know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from service.errors import FaultKind
from service.fhir.bundles import Held
from service.mapping.form import Form
from service.mapping.readers.enable_when import enabled_items
from service.mapping.readers.form_answers import Given, read_answers, stated_value
from service.mapping.readers.form_choice import find_form
from service.mapping.reading import Notebook, ReadingContext, Statement
from service.mapping.references import ReferenceIndex
from service.mapping.sides import takes_side, told_side

UNFINISHED = ("in-progress", "stopped")

# The issue type R4 prescribes for a linkId that is not in the form; to be listed among the kinds of fault.
_INVALID: FaultKind = "invalid"


def read_questionnaire_response(held: Held, index: ReferenceIndex, context: ReadingContext, notebook: Notebook) -> None:
    """Writes the statements of one response into the notebook, with every fault of it."""
    status = str(held.resource.get("status", ""))
    if status == "entered-in-error":
        notebook.fault(
            "business-rule",
            "The form was entered in error.",
            f"{held.path}.status",
            rule="A form that was entered in error states nothing about the patient.",
            repair="Send the corrected form.",
        )
        return
    form = find_form(held, index, context, notebook)
    if form is None:
        return
    unfinished = status in UNFINISHED
    if unfinished:
        notebook.preliminary = True
        notebook.warn(
            "informational",
            f"The form is {status}, so the assessment is preliminary.",
            f"{held.path}.status",
            repair="Send the form again when it is completed.",
        )
    before = len(notebook.statements)
    given = _given(held, form, context, notebook)
    enabled = enabled_items(form, {link_id: one.values for link_id, one in given.items()})
    _require(form, given, enabled, held, notebook, unfinished=unfinished)
    for link_id, one in given.items():
        if link_id in enabled:
            _state(one, held, form, context, notebook, final=not unfinished)
            continue
        notebook.ignore(held, f"After the other answers the form does not ask {link_id}.", one.path)
        notebook.warn(
            "business-rule",
            f"The answer to {link_id} was ignored, because after the other answers the form does not ask it.",
            one.path,
            rule="Only enabled items are answered (enableWhen).",
            repair="Remove the answer, or correct the answers that the question depends on.",
        )
    notebook.statements[before:] = _with_side(notebook.statements[before:], context)


def _with_side(statements: Sequence[Statement], context: ReadingContext) -> list[Statement]:
    """The answers of one form, about the side that its question about the side names, as the text of that question says."""
    side = next((told for one in statements if (told := told_side(one))), None)
    if side is None:
        return list(statements)
    return [
        replace(one, implied_side=side) if takes_side(context.knowledge.finding(one.finding_id)) else one for one in statements
    ]


def _given(held: Held, form: Form, context: ReadingContext, notebook: Notebook) -> dict[str, Given]:
    """The answers by linkId, wherever in the response they stand: a flat list is as good as the groups of the form."""
    given: dict[str, Given] = {}
    for element, path in items_of(held.resource, held.path):
        link_id = str(element.get("linkId", ""))
        item = form.items.get(link_id)
        if item is None:
            _unknown_item(element, path, form, held, context, notebook)
        elif element.get("answer"):
            one = read_answers(element, path, item, ours=form.ours, context=context, notebook=notebook)
            if link_id not in given:
                given[link_id] = one
            elif item.repeats:
                given[link_id] = given[link_id].and_also(one)
            else:
                notebook.fault(
                    "conflict",
                    f"The item {link_id} is answered more than once.",
                    f"{path}.linkId",
                    rule="A question that does not repeat has one item in the response.",
                    repair="Keep the item that holds the right answer.",
                )
    return given


def items_of(element: Mapping[str, Any], path: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every item below an element, each before the items inside it, those below answers included."""
    for number, item in enumerate(element.get("item", ())):
        at = f"{path}.item[{number}]"
        yield item, at
        yield from items_of(item, at)
        for place, answer in enumerate(item.get("answer", ())):
            yield from items_of(answer, f"{at}.answer[{place}]")


def _unknown_item(
    element: Mapping[str, Any], path: str, form: Form, held: Held, context: ReadingContext, notebook: Notebook
) -> None:
    if form.ours:
        notebook.fault(
            _INVALID,
            "The form has no item of this linkId.",
            f"{path}.linkId",
            rule="Every linkId of a response is one of its Questionnaire's.",
            repair=f"Use the linkIds of {context.questionnaire.get('url', 'the Questionnaire')}.",
        )
    elif element.get("answer"):
        notebook.ignore(held, "The form sent along has no item of this linkId.", path)


def _require(
    form: Form, given: Mapping[str, Given], enabled: frozenset[str], held: Held, notebook: Notebook, *, unfinished: bool
) -> None:
    for item in form.required:
        link_id = item.link_id
        if link_id not in enabled:
            continue
        # A required group needs an answer somewhere below it, a required question one of its own.
        if any(one in given for one in ((link_id,) if item.is_question else item.descendants)):
            continue
        note = notebook.warn if unfinished else notebook.fault
        note(
            "required",
            f"The required item {link_id} has no answer.",
            f"{held.path}.item",
            rule="A completed response answers every required item that is enabled.",
            repair=f"Answer {link_id}, or send the response as in-progress.",
        )


def _state(one: Given, held: Held, form: Form, context: ReadingContext, notebook: Notebook, *, final: bool) -> None:
    """One statement per sound value; a form of ours was checked before, in another's form what does not map is left out."""
    if not one.item.finding_id:
        if not form.ours:
            notebook.ignore(held, f"No code of the item {one.item.link_id} is known here.", one.path)
        return
    finding = context.knowledge.finding(one.item.finding_id)
    for value, path in zip(one.values, one.paths, strict=True):
        stated = stated_value(value, finding, context)
        if stated.known:
            notebook.statements.append(Statement(finding.id, stated.value, held, path, final=final))
        else:
            reason = f"The answer does not say anything that {finding.id} can take."
            notebook.ignore(held, reason, path, not_understood=True)
