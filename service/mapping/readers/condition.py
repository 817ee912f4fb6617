"""Findings from a Condition: a problem on the list that is one of our findings (osteoporosis, fever)."""

from __future__ import annotations

from service.engine.model import Recorded
from service.fhir.bundles import Held
from service.fhir.diagnoses import RecordedDiagnosis
from service.fhir.statuses import condition_status
from service.fhir.terminology import FindingMatch
from service.mapping.codes import Meaning, codings_of, findings_of, is_complaint, is_diagnosis, permitted, side_of
from service.mapping.readers.observation import COMPLAINT
from service.mapping.reading import Notebook, ReadingContext, Statement
from service.mapping.times import effective_text, moment

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
    if verification != "refuted" and _recorded(held, verification, clinical, context, notebook) and not matches:
        return
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


def _recorded(held: Held, verification: str, clinical: str, context: ReadingContext, notebook: Notebook) -> bool:
    """Whether it is a diagnosis of the table of those that are dangerous or change what a sign means, and was made use of."""
    codings = codings_of(held.resource.get("code"))
    meanings = [row for row in (context.terminology.diagnoses.meaning(*coding) for coding in codings) if row is not None]
    ids = {finding.id for finding in context.knowledge.findings}
    used = False
    for row in meanings:
        current = clinical in ("", *_CURRENT)
        finding = context.knowledge.finding(row.finding) if row.finding in ids else None
        if finding is not None and (current or finding.lifelong):
            final = verification not in _DOUBTFUL
            notebook.statements.append(Statement(finding.id, True, held, held.path, final=final))
            used = True
        if row.red_flag and current:
            used = _raised(row, held, verification, context, notebook) or used
    return used


def _raised(row: RecordedDiagnosis, held: Held, verification: str, context: ReadingContext, notebook: Notebook) -> bool:
    """Notes the diagnosis as one that raises its red flag, or why it does not."""
    since = moment(effective_text(held))
    old = row.valid_days is not None and since is not None and (context.assessed_at - since).days > row.valid_days
    told = "It raises its red flag by itself."
    if old:
        recorded = effective_text(held)[:10]
        notebook.ignore(held, f"Too old: {row.title}, recorded {recorded}, counts for {row.valid_days} days (judgement).")
        told = "It is too old to raise its red flag by itself: ask whether it is still so."
    elif verification in _DOUBTFUL:
        told = f"It is {verification} and raises no red flag by itself: settle it first."
    else:
        notebook.recorded.append((Recorded(row.red_flag, row.title), held))
    notebook.warn("business-rule", f"On the problem list: {row.title}. {told}", held.path)
    return True


def _answers(match: FindingMatch, refuted: bool, context: ReadingContext) -> bool:
    finding = context.knowledge.finding(match.finding_id)
    return finding.answer_type == "boolean" and permitted(Meaning(not refuted), match, finding)
