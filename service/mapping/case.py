"""A submission (form, observations, Bundle, Parameters) read into one case for the engine.

Every fault of the submission is collected before one InvalidInput carries them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from service.engine.model import Answer, Case
from service.errors import InvalidInput
from service.fhir.bundles import Held, Resource
from service.mapping.contradictions import without_contradictions
from service.mapping.demographics import settle_demographics
from service.mapping.encounter import find_encounter
from service.mapping.merge import Merged, merge
from service.mapping.readers.condition import read_condition
from service.mapping.readers.earlier_assessment import read_earlier_assessment
from service.mapping.readers.observation import read_observation
from service.mapping.readers.patient import Demographics, read_patient
from service.mapping.readers.questionnaire_response import read_questionnaire_response
from service.mapping.reading import Ignored, Input, Notebook, Reading, ReadingContext, Statement, UsedAnswer, named
from service.mapping.references import Reference, ReferenceIndex, name_of, references_in
from service.mapping.subject import STATELESS, Subject, find_subject, is_about
from service.mapping.submission import Submission, unpack
from service.mapping.validity import in_time

__all__ = ["Ignored", "Input", "Reading", "ReadingContext", "UsedAnswer", "read_submission"]

Reader = Callable[[Held, ReferenceIndex, ReadingContext, Notebook], None]

READERS: dict[str, Reader] = {
    "QuestionnaireResponse": read_questionnaire_response,
    "Observation": lambda held, _, context, notebook: read_observation(held, context, notebook),
    "Condition": lambda held, _, context, notebook: read_condition(held, context, notebook),
    "RiskAssessment": lambda held, _, context, notebook: read_earlier_assessment(held, context, notebook),
}
# Resources that serve the reading without stating findings themselves.
_SERVING = ("Questionnaire", "Encounter", "Patient")


def read_submission(resource: Resource, *, context: ReadingContext) -> Reading:
    """The case and everything to say about how it was read; InvalidInput with every fault if it cannot be read."""
    notebook = Notebook()
    submission = unpack(resource, notebook, context.stored)
    index = ReferenceIndex(submission.held, own_base=context.base_url)
    subject = find_subject(submission, index, notebook)
    _read_all(submission, subject, index, context, notebook)
    if notebook.faults or subject is None:
        raise InvalidInput(notebook.faults)
    patient = read_patient(subject.patient, context.assessed_at, notebook) if subject.patient is not None else Demographics()
    encounter = find_encounter(submission, subject, index, notebook)
    in_time(notebook, _held_encounters(encounter, submission, index), context)
    merged, side = merge(context, notebook)
    merged = settle_demographics(merged, patient, context, notebook)
    merged = without_contradictions(merged, context, notebook)
    inputs = _inputs(merged, [held for _, held in notebook.recorded])
    demographic = _patient_input(subject, patient)
    _note_unresolved(submission, index, notebook)
    known = [one.decisive for one in merged if one.decisive.value is not None]
    case = Case(
        answers=tuple(_answer(statement) for statement in known),
        age_years=patient.age_years,
        sex=patient.sex,
        side=side,
        asked_unknown=tuple(one.decisive.finding_id for one in merged if one.decisive.value is None),
        recorded=tuple(dict.fromkeys(one for one, _ in notebook.recorded)),
    )
    return Reading(
        case=case,
        subject=subject.reference,
        encounter=encounter,
        used=tuple(_used(one, inputs) for one in merged),
        ignored=tuple(notebook.ignored),
        warnings=tuple(notebook.warnings),
        inputs=(*inputs.values(), *demographic),
        preliminary=notebook.preliminary or any(not statement.final for statement in known),
        contained=subject.contained,
        options=submission.options,
        earlier=notebook.earlier,
        contradicted=tuple(dict.fromkeys(notebook.contradicted)),
    )


def _read_all(
    submission: Submission, subject: Subject | None, index: ReferenceIndex, context: ReadingContext, notebook: Notebook
) -> None:
    """Reads everything into the notebook; a form that nobody can read is a fault only if there is nothing else to read."""
    unreadable: list[tuple[Held, Notebook]] = []
    readable = False
    for held in submission.held:
        if held.type != "QuestionnaireResponse":
            _read(held, subject, index, context, notebook)
            continue
        page = Notebook()
        _read(held, subject, index, context, page)
        if page.faults and held.bundled and _may_be_left_out(held, context):
            unreadable.append((held, page))
            continue
        readable = readable or not page.faults
        notebook.add(page)
    readable = readable or any(not one.carried for one in notebook.statements)
    for held, page in unreadable:
        if not readable:
            notebook.add(page)
            continue
        fault = page.faults[0]
        notebook.ignore(held, f"The form was left out. {fault.message}", not_understood=True)
        notebook.warn(
            fault.kind, f"{named(held)} was left out. {fault.message}", fault.where, rule=fault.rule, repair=fault.repair
        )


def _may_be_left_out(held: Held, context: ReadingContext) -> bool:
    """Whether a form with faults is one that nobody is going to mend for this: not our form in force, sent by a caller."""
    if held.resource.get("status") == "entered-in-error" or carries_modifier(held.resource) or context.record:
        return True
    form = context.questionnaire
    return held.resource.get("questionnaire", form["url"]) not in (form["url"], f"{form['url']}|{form['version']}")


def _held_encounters(encounter: Reference | None, submission: Submission, index: ReferenceIndex) -> list[Held]:
    """The Encounter that the assessment belongs to, if it was sent along."""
    if encounter is None:
        return []
    meant = str(encounter.get("reference", ""))
    return [held for held in submission.of_type("Encounter") if index.same(name_of(held), meant)]


def _read(held: Held, subject: Subject | None, index: ReferenceIndex, context: ReadingContext, notebook: Notebook) -> None:
    reader = READERS.get(held.type)
    if reader is None:
        if held.type not in _SERVING:
            notebook.ignore(held, f"{held.type} is not read by this service.")
        elif held.type == "Patient" and subject is not None and not index.same(name_of(held), subject.name):
            notebook.ignore(held, "It is another patient.")
        return
    # Without a subject the resources are read all the same, so that the caller learns of every fault at once.
    if subject is not None and held.resource.get("status") not in STATELESS:
        if not is_about(held, subject, index):
            notebook.ignore(held, "It is about another subject.")
            return
        if not _focus_is_subject(held, subject, index):
            notebook.ignore(held, "Its focus is somebody or something else than the subject.")
            return
    if carries_modifier(held.resource):
        _refuse_modified(held, notebook)
        return
    reader(held, index, context, notebook)


def carries_modifier(element: Any) -> bool:
    """Whether anything in it carries a modifier, which may turn its meaning round (negate it, say)."""
    if isinstance(element, dict):
        if "modifierExtension" in element or "implicitRules" in element:
            return True
        element = element.values()
    # Texts and numbers are passed over here: a call for each of them takes longer than all the rest.
    return any(carries_modifier(inner) for inner in element if isinstance(inner, dict | list))


def _refuse_modified(held: Held, notebook: Notebook) -> None:
    """A form is the heart of a submission, so that it is refused; anything else is left out with a warning."""
    message = "It carries modifierExtension or implicitRules, whose meaning this service does not know."
    rule = "What a receiver does not understand there may change the meaning, so it must not be ignored."
    repair = "Send the resource without them, with their meaning in its own elements."
    if held.type == "QuestionnaireResponse":
        notebook.fault("not-supported", message, held.path, rule=rule, repair=repair)
        return
    notebook.ignore(held, message, not_understood=True)
    notebook.warn("not-supported", f"{named(held)} was left out. {message}", held.path, rule=rule, repair=repair)


def _focus_is_subject(held: Held, subject: Subject, index: ReferenceIndex) -> bool:
    return all(index.same(index.name(focus, held), subject.name) for focus in held.resource.get("focus", ()))


def _answer(statement: Statement) -> Answer:
    assert statement.value is not None
    return Answer(statement.finding_id, statement.value, statement.comparator, statement.side)


def _inputs(merged: tuple[Merged, ...], recorded: Sequence[Held]) -> dict[int, Input]:
    """The resources behind the known answers and of the diagnoses on record, in the order of the submission, by identity."""
    known = [statement for one in merged for statement in one.statements if statement.value is not None]
    sources = {id(held): held for held in (*(statement.source for statement in known), *recorded)}
    inputs: dict[int, Input] = {}
    nameless = 0
    for key, held in sorted(sources.items(), key=lambda pair: _place(pair[1])):
        if held.id:
            reference = held.reference
        elif held.full_url:
            reference = held.full_url
        else:
            nameless += 1
            reference = f"#input-{nameless}"
        inputs[key] = Input(held.resource, reference, held.path)
    return inputs


def _patient_input(subject: Subject, demographics: Demographics) -> tuple[Input, ...]:
    """The Patient resource, where age or sex was taken from it and there is a reference to give."""
    patient = subject.patient
    if patient is None or (demographics.age_years is None and demographics.sex is None):
        return ()
    reference = patient.reference if patient.version else str(subject.reference.get("reference", ""))
    if not reference and patient.bundled:  # the subject is given by an identifier
        reference = f"Patient/{patient.id}" if patient.id else patient.full_url
    return (Input(patient.resource, reference, patient.path),) if reference else ()


def _place(held: Held) -> list[int]:
    return [int(part) for part in held.path.replace("]", "[").split("[") if part.isdigit()]


def _used(one: Merged, inputs: dict[int, Input]) -> UsedAnswer:
    statement = one.decisive
    sources = [id(other.source) for other in one.statements]
    references = dict.fromkeys(inputs[source].reference for source in sources if source in inputs)
    return UsedAnswer(
        statement.finding_id,
        statement.value,
        tuple(references),
        statement.effective,
        statement.comparator,
        statement.side,
    )


def _note_unresolved(submission: Submission, index: ReferenceIndex, notebook: Notebook) -> None:
    """Lists references that nothing in a Bundle or Parameters answers to; they are never fetched."""
    seen: set[str] = set()
    for held in submission.held:
        for reference, path in references_in(held.resource, held.path):
            literal = str(reference.get("reference", ""))
            # What a single resource refers to lies with the caller's server and is not worth a remark.
            expected_here = held.bundled or literal.startswith("#")
            if not expected_here or literal in seen or index.resolve(reference, held) is not None:
                continue
            seen.add(literal)
            notebook.warn(
                "not-found",
                f"A reference of {named(held)} is not resolved inside the submission; it was not followed.",
                path,
                severity="information",
            )
