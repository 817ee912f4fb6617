"""Which form a QuestionnaireResponse answers: ours, in this or another version, or one we can map by its codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from service.engine.model import KnowledgeBase
from service.fhir.bundles import Held
from service.fhir.terminology import Terminology
from service.mapping.codes import finding_asked
from service.mapping.form import Form, form_from
from service.mapping.reading import Notebook, ReadingContext
from service.mapping.references import ReferenceIndex


def find_form(held: Held, index: ReferenceIndex, context: ReadingContext, notebook: Notebook) -> Form | None:
    """The form to check a response against, or None with a fault in the notebook if it answers one we cannot read."""
    ours = context.questionnaire
    canonical = str(held.resource.get("questionnaire", ""))
    where = f"{held.path}.questionnaire"
    url, _, version = canonical.partition("|")
    version = version.partition("#")[0]
    if not canonical:
        notebook.warn(
            "informational",
            "The response does not name its form; it was read as the form of this service.",
            where,
            repair=f"Name the form: {ours['url']}|{ours['version']}.",
        )
        return _our_form(context)
    if url == ours["url"]:
        if version != ours["version"]:
            said = f"answers version {version} of the form" if version else "names the form without a version"
            notebook.warn(
                "informational",
                f"The response {said}; it was read as version {ours['version']}.",
                where,
                repair=f"Name the form with its version: {ours['url']}|{ours['version']}.",
            )
        return _our_form(context)
    return _foreign_form(held, index, context, notebook)


def _our_form(context: ReadingContext) -> Form:
    return context.form or own_form(context.questionnaire, context.knowledge, context.terminology)


def own_form(questionnaire: Mapping[str, Any], knowledge: KnowledgeBase, terminology: Terminology) -> Form:
    """The form of this service, prepared for reading: its linkIds are finding ids, or its items carry a finding's code."""
    return form_from(questionnaire, _finding_of_ours(knowledge, terminology), ours=True)


def finding_of_item(questionnaire: Mapping[str, Any], context: ReadingContext) -> Callable[[Mapping[str, Any]], str]:
    """Gives the finding that an item of the form asks for, empty if none: by linkId in our own form, else by its codes."""
    if questionnaire.get("url") == context.questionnaire["url"]:
        return _finding_of_ours(context.knowledge, context.terminology)
    ids = {finding.id for finding in context.knowledge.findings}
    return lambda item: _finding_by_code(item, ids, context.terminology)


def _finding_of_ours(knowledge: KnowledgeBase, terminology: Terminology) -> Callable[[Mapping[str, Any]], str]:
    ids = {finding.id for finding in knowledge.findings}

    def finding_of(item: Mapping[str, Any]) -> str:
        return str(item["linkId"]) if item["linkId"] in ids else _finding_by_code(item, ids, terminology)

    return finding_of


def _foreign_form(held: Held, index: ReferenceIndex, context: ReadingContext, notebook: Notebook) -> Form | None:
    """Another service's form: with our linkIds, with its Questionnaire in the submission, or with item definitions of ours."""
    where = f"{held.path}.questionnaire"
    answered = list(_answered(held.resource))
    our_form = _our_form(context)
    if answered and all(str(item["linkId"]) in our_form.items for item in answered):
        notebook.warn("not-supported", "The form is not known here; its linkIds are ours, so it was read as our form.", where)
        return Form(our_form.items, ours=True)
    sent = index.canonical(str(held.resource["questionnaire"]), held)
    questionnaire = sent.resource if sent is not None else {"item": [_defined(item) for item in answered]}
    ids = {finding.id for finding in context.knowledge.findings}
    form = form_from(questionnaire, lambda item: _finding_by_code(item, ids, context.terminology), ours=False)
    if any(form.items[str(item["linkId"])].finding_id for item in answered if str(item["linkId"]) in form.items):
        notebook.warn("not-supported", "The form is not known here; its answers were taken where an item code is known.", where)
        return form
    notebook.fault(
        "not-supported",
        "The response answers a form this service does not know.",
        where,
        rule="A response answers our form, or a form sent along whose items carry codes known here.",
        repair=f"Answer {context.questionnaire['url']}, or send the Questionnaire with coded items in the same Bundle.",
    )
    return None


def _answered(element: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = []
    for item in element.get("item", ()):
        if item.get("answer"):
            found.append(item)
        found += _answered(item)
        for answer in item.get("answer", ()):
            found += _answered(answer)
    return found


def _defined(item: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of an item without its form: the definition that the response itself repeats."""
    kept = {key: item[key] for key in ("linkId", "definition") if key in item}
    return {**kept, "type": "", "repeats": True}


def _finding_by_code(item: Mapping[str, Any], ids: AbstractSet[str], terminology: Terminology) -> str:
    """The finding an item asks for by its codes, else by its definition (``[address of a finding code system]#code``)."""
    system, _, code = str(item.get("definition", "")).partition("#")
    codings = [*item.get("code", ()), *([{"system": system, "code": code}] if code else [])]
    return finding_asked({"coding": codings}, ids, terminology)
