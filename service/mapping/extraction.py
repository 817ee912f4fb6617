"""Observations from the answers of a form, one per answer (observation-based extraction of Structured Data Capture).

Which items: those that the Questionnaire marks with observationExtract, the mark of a group or of the whole form holding for
what is below it until something below says otherwise. An answer is never dropped for what it says: "absent" is an answer.
Source: https://hl7.org/fhir/uv/sdc/extraction.html#observation-based-extraction
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.fhir.bundles import Held, Resource
from service.mapping.form import Form, form_from
from service.mapping.readers.enable_when import enabled_items
from service.mapping.readers.form_answers import stated_value
from service.mapping.readers.form_choice import find_form
from service.mapping.readers.questionnaire_response import UNFINISHED, items_of, read_questionnaire_response
from service.mapping.reading import Notebook, ReadingContext
from service.mapping.references import ReferenceIndex, target_type
from service.mapping.sides import SIDE_FINDING, TOLD, takes_side
from service.records import dataclass

EXTRACT = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-observationExtract"
CATEGORY = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-observation-extract-category"
PROFILE = "exam-finding"
_UNIT = "http://hl7.org/fhir/StructureDefinition/questionnaire-unit"

# Who may have observed, by the types R4 allows in Observation.performer; a Device that filled in a form goes elsewhere.
_PERFORMERS = ("Practitioner", "PractitionerRole", "Organization", "CareTeam", "Patient", "RelatedPerson")
# Answer element -> element of the Observation that takes it as it is.
_AS_IT_IS: Mapping[str, str] = {
    "valueBoolean": "valueBoolean",
    "valueInteger": "valueInteger",
    "valueString": "valueString",
    "valueTime": "valueTime",
    "valueDateTime": "valueDateTime",
    "valueDate": "valueDateTime",
    "valueQuantity": "valueQuantity",
    "valueUri": "valueString",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One item of a form as extraction needs it; without `codes` nothing can be extracted."""

    codes: tuple[Resource, ...]
    extracted: bool
    categories: tuple[Resource, ...]
    unit: Resource | None


def extract_observations(held: Held, index: ReferenceIndex, context: ReadingContext, notebook: Notebook) -> tuple[Resource, ...]:
    """The Observations of one QuestionnaireResponse in the order of its answers, without ids.

    Faults and remarks go to the notebook; with a fault the Observations mean nothing.
    """
    questionnaire = _questionnaire_of(held, index, context, notebook)
    if questionnaire is None:
        return ()
    form = _checked_form(questionnaire, held, index, context, notebook)
    questions = questions_of(questionnaire)
    answers = {
        str(element["linkId"]): [_value(answer)[1] for answer in element["answer"]]
        for element, _ in items_of(held.resource, held.path)
        if element.get("answer")
    }
    enabled = enabled_items(form, answers)
    common = _common(held, notebook)
    if questionnaire is context.questionnaire:  # of another form we know neither codes nor answers
        profile = f"{context.base_url}/StructureDefinition/{PROFILE}|{questionnaire['version']}"
        common = {"resourceType": common["resourceType"], "meta": {"profile": [profile]}} | common
    side = _side_told(answers.get(SIDE_FINDING, ()), context) if form.ours else {}
    return tuple(
        {**common, **(side if _takes_side(form, element, context) else {}), **made}
        for element, path in items_of(held.resource, held.path)
        if str(element["linkId"]) in enabled
        for made in _observations(element, path, questions, form, notebook)
    )


def _side_told(answers: Sequence[Any], context: ReadingContext) -> Resource:
    """The body site of all answers that have a side, by the answer to the question about it; empty if it was not told."""
    finding = next((one for one in context.knowledge.findings if one.id == SIDE_FINDING), None)
    if finding is None or not answers:
        return {}
    side = TOLD.get(stated_value(answers[0], finding, context).value)
    if side is None:
        return {}
    terminology = context.terminology
    return {"bodySite": {"coding": [terminology.coding("side", side), *terminology.outbound_side(side)]}}


def _takes_side(form: Form, element: Mapping[str, Any], context: ReadingContext) -> bool:
    item = form.items.get(str(element["linkId"]))
    return item is not None and bool(item.finding_id) and takes_side(context.knowledge.finding(item.finding_id))


def questions_of(questionnaire: Mapping[str, Any]) -> dict[str, Question]:
    """The items of a Questionnaire by linkId, with what they inherit from the groups and the form around them."""
    found: dict[str, Question] = {}

    def add(item: Mapping[str, Any], inherited: bool, categories: tuple[Resource, ...]) -> None:
        marked = _mark(item)
        extracted = inherited if marked is None else marked
        own = tuple(one["valueCodeableConcept"] for one in _extensions(item, CATEGORY) if "valueCodeableConcept" in one)
        codes = tuple(item.get("code", ()))
        tagged = tuple(code for code in codes if _mark(code))
        # A mark on a code chooses that code; the item is then extracted even where nothing above it says so.
        found[str(item["linkId"])] = Question(
            codes=tuple(_plain(code) for code in tagged or codes),
            extracted=(extracted or bool(tagged)) and marked is not False,
            categories=own or categories,
            unit=next((one.get("valueCoding") for one in _extensions(item, _UNIT)), None),
        )
        for child in item.get("item", ()):
            add(child, extracted, own or categories)

    root = tuple(one["valueCodeableConcept"] for one in _extensions(questionnaire, CATEGORY) if "valueCodeableConcept" in one)
    for item in questionnaire.get("item", ()):
        add(item, _mark(questionnaire) is True, root)
    return found


def _questionnaire_of(
    held: Held, index: ReferenceIndex, context: ReadingContext, notebook: Notebook
) -> Mapping[str, Any] | None:
    canonical = str(held.resource.get("questionnaire", ""))
    url = canonical.partition("|")[0]
    if url in ("", context.questionnaire["url"]):
        return context.questionnaire
    sent = index.canonical(canonical, held)
    if sent is None:
        notebook.fault(
            "not-found",
            "The form that the response answers is not known here.",
            f"{held.path}.questionnaire",
            rule="What to extract is said by the Questionnaire.",
            repair=f"Answer {context.questionnaire['url']}, or send the Questionnaire along in the parameter questionnaire.",
        )
        return None
    return sent.resource


def _checked_form(
    questionnaire: Mapping[str, Any], held: Held, index: ReferenceIndex, context: ReadingContext, notebook: Notebook
) -> Form:
    """The form, its response checked: by the rules of assessment where it is ours, else for its status alone."""
    status = str(held.resource.get("status", ""))
    if questionnaire is context.questionnaire:
        read_questionnaire_response(held, index, context, notebook)
        return find_form(held, index, context, Notebook()) or form_from(questionnaire, lambda item: "", ours=True)
    if status == "entered-in-error":
        notebook.fault(
            "business-rule",
            "The form was entered in error.",
            f"{held.path}.status",
            rule="A form that was entered in error states nothing about the patient.",
            repair="Send the corrected form.",
        )
    elif status in UNFINISHED:
        notebook.warn(
            "informational",
            f"The form is {status}, so the Observations are preliminary.",
            f"{held.path}.status",
            repair="Extract again when the form is completed.",
        )
    return form_from(questionnaire, lambda item: "", ours=False)


def _common(held: Held, notebook: Notebook) -> Resource:
    """What all Observations of a response share."""
    response = held.resource
    made: Resource = {"resourceType": "Observation"}
    for name in ("basedOn", "partOf"):
        if name in response:
            made[name] = response[name]
    made["status"] = "preliminary" if response.get("status") in UNFINISHED else "final"
    for name in ("subject", "encounter"):
        if name in response:
            made[name] = response[name]
    authored = str(response.get("authored", ""))
    if authored:
        made["effectiveDateTime"] = authored
    else:
        notebook.warn(
            "informational",
            "The response says not when it was authored, so the Observations have no time.",
            f"{held.path}.authored",
            repair="Give authored.",
        )
    if "T" in authored:
        made["issued"] = authored
    author = response.get("author")
    if author is not None and target_type(author) == "Device":
        made["device"] = author
    elif author is not None and target_type(author) in ("", *_PERFORMERS):
        made["performer"] = [author]
    made["derivedFrom"] = [_reference_to(held, notebook)]
    return made


def _reference_to(held: Held, notebook: Notebook) -> Resource:
    if held.id:
        return {"reference": f"QuestionnaireResponse/{held.id}"}
    identifier = held.resource.get("identifier")
    if identifier:
        return {"type": "QuestionnaireResponse", "identifier": identifier}
    if held.full_url:
        return {"reference": held.full_url}
    notebook.warn(
        "informational",
        "The response has neither id nor identifier, so the Observations can name it in words only.",
        f"{held.path}.id",
        repair="Store the response first, or give it an identifier.",
        severity="information",
    )
    return {"type": "QuestionnaireResponse", "display": "The form these answers were given in"}


def _observations(
    element: Mapping[str, Any], path: str, questions: Mapping[str, Question], form: Form, notebook: Notebook
) -> Iterator[Resource]:
    question = questions.get(str(element["linkId"]))
    if question is None or not question.extracted or not element.get("answer"):
        return
    if not question.codes:
        notebook.warn(
            "informational",
            "The question has no code, so nothing was extracted from its answer.",
            path,
            rule="An Observation takes its code from the item.",
            severity="information",
        )
        return
    options = form.items[str(element["linkId"])].options
    for number, answer in enumerate(element["answer"]):
        value = _observed(answer, question, options)
        if value is None:
            notebook.warn(
                "not-supported",
                "An Observation cannot hold an answer of this type, so it was not extracted.",
                f"{path}.answer[{number}].value",
                rule="Attachments and references are no values of an Observation.",
            )
            continue
        categories = {"category": list(question.categories)} if question.categories else {}
        concept: Resource = {"coding": list(question.codes)}
        if element.get("text"):
            concept["text"] = element["text"]
        yield {**categories, "code": concept, **value}


def _observed(answer: Mapping[str, Any], question: Question, options: Sequence[Resource]) -> Resource | None:
    """The value as an element of an Observation, None for a type it has no place for."""
    name, value = _value(answer)
    if name == "valueCoding":
        # An answer without its system was understood as the option of that code; outside the form it needs the system.
        full = next((one for one in options if one.get("code") == value.get("code")), value) if "system" not in value else value
        return {"valueCodeableConcept": {"coding": [full]}}
    if name == "valueDecimal" or (name == "valueInteger" and question.unit is not None):
        unit = question.unit or {}
        named = {"unit": unit.get("display") or unit.get("code")} if unit else {}
        return {"valueQuantity": {"value": value, **named, **{key: unit[key] for key in ("system", "code") if key in unit}}}
    return {_AS_IT_IS[name]: value} if name in _AS_IT_IS else None


def _value(answer: Mapping[str, Any]) -> tuple[str, Any]:
    return next(((name, value) for name, value in answer.items() if name.startswith("value")), ("", None))


def _mark(element: Mapping[str, Any]) -> bool | None:
    """What observationExtract says here; None if it says nothing. A relationship code asks for extraction too.

    Members and components are extracted as Observations of their own: each finding stands for itself.
    """
    for extension in _extensions(element, EXTRACT):
        if "valueBoolean" in extension:
            return bool(extension["valueBoolean"])
        if "valueCode" in extension:
            return True
    return None


def _extensions(element: Mapping[str, Any], url: str) -> list[Resource]:
    return [one for one in element.get("extension", ()) if one.get("url") == url]


def _plain(code: Resource) -> Resource:
    kept = [one for one in code.get("extension", ()) if one.get("url") != EXTRACT]
    rest = {key: value for key, value in code.items() if key != "extension"}
    return {**rest, "extension": kept} if kept else rest
