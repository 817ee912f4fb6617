"""The encounter to which the assessment belongs."""

from __future__ import annotations

from service.mapping.reading import Notebook
from service.mapping.references import Reference, ReferenceIndex, name_of
from service.mapping.subject import Subject, is_about
from service.mapping.submission import Submission


def find_encounter(submission: Submission, subject: Subject, index: ReferenceIndex, notebook: Notebook) -> Reference | None:
    """The caller's choice, else the form's, else the one that all observations share, else the only one sent; or None."""
    if submission.encounter is not None:
        return submission.encounter.reference
    for resource_type in ("QuestionnaireResponse", "Observation"):
        mentioned: dict[str, Reference] = {}
        for held in submission.of_type(resource_type):
            reference = held.resource.get("encounter")
            if reference is not None and is_about(held, subject, index):
                mentioned.setdefault(index.name(reference, held), _outward(reference))
        if len(mentioned) == 1:
            return next(iter(mentioned.values())) or None
        if mentioned:
            notebook.warn(
                "multiple-matches",
                "The submission speaks of several encounters; the assessment names none.",
                "",
                repair="Name the encounter with the parameter encounter.",
                severity="information",
            )
            return None
    sent = [held for held in submission.of_type("Encounter") if is_about(held, subject, index)]
    if len(sent) != 1 or not (sent[0].id or sent[0].full_url):
        return None
    return {"reference": f"Encounter/{sent[0].id}" if sent[0].id else name_of(sent[0])}


def _outward(reference: Reference) -> Reference:
    # A contained Encounter cannot be referred to from another resource.
    return {} if str(reference.get("reference", "")).startswith("#") else reference
