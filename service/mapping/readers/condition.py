"""Findings from a Condition: a problem on the list that is one of our findings (osteoporosis, fever)."""

from __future__ import annotations

from service.fhir.bundles import Held
from service.fhir.statuses import condition_status
from service.fhir.terminology import FindingMatch
from service.mapping.codes import Meaning, findings_of, is_complaint, is_diagnosis, permitted, side_of
from service.mapping.readers.observation import COMPLAINT
from service.mapping.reading import Notebook, ReadingContext, Statement

_CURRENT = ("active", "recurrence", "relapse")
_DOUBTFUL = ("unconfirmed", "provisional", "differential")


def read_condition(held: Held, context: ReadingContext, notebook: Notebook) -> None:
    """Writes the statement of one Condition into the notebook, or the reason why it makes none."""
    resource = held.resource
    verification = condition_status(resource, "verificationStatus")
    clinical = condition_status(resource, "clinicalStatus")
    if verification == "entered-in-error":
        notebook.ignore(held, "It was entered in error.")
        return
    matches = findings_of(resource.get("code"), context)
    refuted = verification == "refuted"
    side = side_of([*resource.get("bodySite", ()), resource.get("code")], context)
    if not matches and is_complaint(resource.get("code"), context):
        if side is not None and not refuted and clinical in ("", *_CURRENT):
            notebook.complaint_sides.append(side)
        notebook.ignore(held, COMPLAINT)
        return
    if not matches:
        diagnosis = is_diagnosis(resource.get("code"), context)
        known = "It is a diagnosis, and a diagnosis is not a finding."
        notebook.ignore(held, known if diagnosis else "No code of it is known here as a finding.")
        return
    past = not refuted and clinical not in ("", *_CURRENT)
    told = [match for match in matches if not past or context.knowledge.finding(match.finding_id).lifelong]
    if not told:
        notebook.ignore(held, f"Its clinical status is {clinical}.")
        return
    usable = [match for match in told if _answers(match, refuted, context)]
    for match in usable:
        final = verification not in _DOUBTFUL
        notebook.statements.append(Statement(match.finding_id, not refuted, held, held.path, side=side, final=final))
    if not usable:
        notebook.ignore(held, f"Its code does not mean just the same as {told[0].finding_id}, so it says nothing of it.")


def _answers(match: FindingMatch, refuted: bool, context: ReadingContext) -> bool:
    finding = context.knowledge.finding(match.finding_id)
    return finding.answer_type == "boolean" and permitted(Meaning(not refuted), match, finding)
