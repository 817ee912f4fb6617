"""Who the submission is about: exactly one patient, or the reason why that cannot be told.

The rule. A `subject` parameter selects. Without one, two Patient resources or two forms of different people are one too
many. A single Patient resource, else the form's subject, else the one subject all other resources share, is the
subject; what is about somebody else is then left out with its reason.
"""

from __future__ import annotations

from collections.abc import Iterable

from service.fhir.bundles import Held, Resource
from service.fhir.wording import with_article
from service.mapping.reading import Notebook
from service.mapping.references import Reference, ReferenceIndex, must_resolve_inside, name_of, target_type
from service.mapping.submission import Submission
from service.records import dataclass

_ABOUT_SOMEBODY = ("QuestionnaireResponse", "Observation", "Condition")
_SELECT = "Send a Parameters resource with the parameter subject (a reference to the patient), or one patient's data only."
# Observations that state nothing, whoever they are about.
STATELESS = ("registered", "cancelled", "entered-in-error")


@dataclass(frozen=True, slots=True)
class Subject:
    """The patient: a name to compare with, the reference to give back, and the Patient resource where it was sent."""

    name: str
    reference: Reference
    patient: Held | None
    contained: tuple[Resource, ...] = ()
    selected: bool = False


@dataclass(frozen=True, slots=True)
class _Mention:
    name: str
    reference: Reference
    holder: Held


def find_subject(submission: Submission, index: ReferenceIndex, notebook: Notebook) -> Subject | None:
    """The subject, or None with the faults that prevent one in the notebook."""
    mentions = _mentions(submission, index, notebook)
    patients = {name_of(held): held for held in submission.of_type("Patient")}
    if submission.subject is not None:
        return _selected(submission, mentions, patients, index, notebook)
    forms = [mention for mention in mentions if mention.holder.type == "QuestionnaireResponse"]
    if len(patients) > 1:
        second = list(patients.values())[1]
        _too_many(notebook, f"The submission holds {len(patients)} patients.", second.path)
        return None
    if patients:
        name, patient = next(iter(patients.items()))
        candidates = [_Mention(name, _own_reference(patient), patient), *forms]
    else:
        candidates = forms or mentions or _stateless_mentions(submission, index)
    if not candidates:
        if not notebook.faults:
            _nobody(submission, notebook)
        return None
    first = candidates[0]
    other = next((one for one in candidates if not index.same(one.name, first.name)), None)
    if other is not None:
        _too_many(notebook, "The submission is about more than one person.", f"{other.holder.path}.subject")
        return None
    return _subject(first.name, mentions or candidates, patients, index, notebook)


def is_about(held: Held, subject: Subject, index: ReferenceIndex) -> bool:
    """Whether a resource is about the subject; one without a subject is, where the caller selected the subject."""
    reference = held.resource.get("subject")
    if reference is None:
        return subject.selected
    return index.same(index.name(reference, held), subject.name)


def _mentions(submission: Submission, index: ReferenceIndex, notebook: Notebook) -> list[_Mention]:
    mentions = []
    for held in submission.held:
        if held.type not in _ABOUT_SOMEBODY or _is_stateless(held):
            continue
        reference, where = held.resource.get("subject"), f"{held.path}.subject"
        if reference is None:
            _without_subject(submission, held, notebook)
        elif target_type(reference) not in ("", "Patient"):
            if held.type == "QuestionnaireResponse" or not held.bundled:
                notebook.fault(
                    "not-supported",
                    f"The {held.type} is about {with_article(target_type(reference))}.",
                    where,
                    rule="The subject of an assessment is a Patient.",
                    repair="Refer to a Patient.",
                )
        elif must_resolve_inside(reference) and index.resolve(reference, held) is None:
            notebook.fault(
                "not-found",
                "The subject refers to a resource that the submission does not hold.",
                where,
                rule="A reference that starts with # or urn: must be resolved inside the submission.",
                repair="Add the Patient under that address, or refer to it as Patient/[id].",
            )
        elif name := index.name(reference, held):
            mentions.append(_Mention(name, reference, held))
        elif held.type != "Condition":
            _required(notebook, where)
    return mentions


def _stateless_mentions(submission: Submission, index: ReferenceIndex) -> list[_Mention]:
    """Whom observations that state nothing name: enough to know for whom there is nothing to assess."""
    named = ((held, held.resource.get("subject", {})) for held in submission.held if _is_stateless(held))
    mentions = [_Mention(index.name(reference, held), reference, held) for held, reference in named]
    return [one for one in mentions if one.name and target_type(one.reference) in ("", "Patient")]


def _is_stateless(held: Held) -> bool:
    return held.type == "Observation" and held.resource.get("status") in STATELESS


def _without_subject(submission: Submission, held: Held, notebook: Notebook) -> None:
    where = f"{held.path}.subject"
    if submission.subject is None:
        _required(notebook, where)
    else:
        notebook.warn(
            "required",
            f"The {held.type} names no subject; the subject parameter was taken for it.",
            where,
            repair="Name the subject in the resource.",
        )


def _selected(
    submission: Submission, mentions: list[_Mention], patients: dict[str, Held], index: ReferenceIndex, notebook: Notebook
) -> Subject | None:
    selection = submission.subject
    assert selection is not None
    root = Held({"resourceType": "Parameters"}, "Parameters", bundled=True)
    name = index.name(selection.reference, root)
    known = [*patients, *(mention.name for mention in mentions)]
    # Data that name nobody are the selected patient's; otherwise the selection must be one of those named.
    if not name or (known and not any(index.same(name, one) for one in known)):
        notebook.fault(
            "not-found",
            "Nothing in the submission is about the selected subject.",
            selection.path,
            rule="The subject parameter selects one of the patients that the submission is about.",
            repair="Refer to a patient of the submission, as its resources do.",
        )
        return None
    chosen = _Mention(name, selection.reference, root)
    return _subject(name, [chosen, *mentions], patients, index, notebook, selected=True)


def _subject(
    name: str,
    mentions: Iterable[_Mention],
    patients: dict[str, Held],
    index: ReferenceIndex,
    notebook: Notebook,
    *,
    selected: bool = False,
) -> Subject:
    same = [mention for mention in mentions if index.same(mention.name, name)]
    outward = [mention for mention in same if not str(mention.reference.get("reference", "")).startswith("#")]
    chosen = next(iter(outward or same), None) or _Mention(name, _own_reference(patients[name]), patients[name])
    patient = next((held for other, held in patients.items() if index.same(other, name)), None)
    patient = patient or index.resolve(chosen.reference, chosen.holder)
    reference, contained = _outward(chosen.reference, patient)
    return Subject(name, reference, patient, contained, selected)


def _outward(reference: Reference, patient: Held | None) -> tuple[Reference, tuple[Resource, ...]]:
    """The reference as it may stand in another resource, and what that resource must contain for it."""
    literal = str(reference.get("reference", ""))
    if not literal.startswith("#") or patient is None:
        return reference, ()
    identifier = next((one for one in patient.resource.get("identifier", ()) if one.get("value")), None)
    if identifier is not None:
        return {"type": "Patient", "identifier": identifier}, ()
    return {"reference": "#subject"}, ({**patient.resource, "id": "subject"},)


def _own_reference(patient: Held) -> Reference:
    if patient.id:
        return {"reference": f"Patient/{patient.id}"}
    if patient.full_url:
        return {"reference": patient.full_url}
    identifier = next((one for one in patient.resource.get("identifier", ()) if one.get("value")), None)
    return {"type": "Patient", "identifier": identifier} if identifier else {"reference": "#subject"}


def _too_many(notebook: Notebook, message: str, where: str) -> None:
    notebook.fault("multiple-matches", message, where, rule="One assessment is about one patient.", repair=_SELECT)


def _required(notebook: Notebook, where: str) -> None:
    notebook.fault(
        "required",
        "The subject is missing.",
        where,
        rule="The assessment needs to know whom it is about.",
        repair="Add the subject as a reference to a Patient.",
    )


def _nobody(submission: Submission, notebook: Notebook) -> None:
    first = submission.held[0] if submission.held else None
    where = "" if first is None else first.path if first.bundled else f"{first.path}.subject"
    notebook.fault(
        "required",
        "Nothing in the submission says which patient it is about.",
        where,
        rule="The assessment needs a subject.",
        repair="Send a QuestionnaireResponse or Observation with a subject, or the Patient.",
    )
