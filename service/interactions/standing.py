"""Which answers of an earlier assessment no longer stand, as what they rest on was deleted, retracted or changed since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from service.assessment.run import Parts
from service.fhir.r4 import read_stored
from service.fhir.references import read_reference
from service.mapping.readers.earlier_assessment import UsedFinding, used_findings
from service.mapping.reading import ReadingContext
from service.mapping.standing import stated_by
from service.storage.store import Reader

Resource = dict[str, Any]

IN_GOOD_STANDING = ("final", "preliminary", "amended", "corrected")
_MOST_STEPS = 100  # back from one assessment to the one before it


def withdrawn_answers(earlier: Resource, reader: Reader, parts: Parts) -> frozenset[str]:
    """Ids of the findings whose answers must not be carried on from a stored assessment.

    An answer stands if one of its inputs still says it, of the same patient; an input that is an assessment says what still
    stands in it. What was never stored here cannot be looked up and is believed.
    """
    patient = _reference(earlier.get("subject"))
    context = replace(parts.reading_context(parts.now()), of_today=False)
    return frozenset(
        used.answer.finding_id
        for used in used_findings(earlier, context)
        if not _stands(used, earlier, patient, reader, context, steps=0)
    )


def _stands(
    used: UsedFinding, assessment: Resource, patient: str, reader: Reader, context: ReadingContext, *, steps: int
) -> bool:
    if steps > _MOST_STEPS:
        return False
    known = False
    for kind, resource_id in _inputs(used, assessment):
        version = reader.read(kind, resource_id)
        if version is None:
            continue
        known = True
        if version.deleted or version.body is None:
            continue
        resource = read_stored(version.body)
        if _reference(resource.get("subject")) != patient:
            continue
        if kind != "RiskAssessment":
            if (used.answer.finding_id, used.answer.value) in stated_by(resource, context):
                return True
        elif resource.get("status") in IN_GOOD_STANDING:
            for before in used_findings(resource, context):
                same = (before.answer.finding_id, before.answer.value) == (used.answer.finding_id, used.answer.value)
                if same and _stands(before, resource, patient, reader, context, steps=steps + 1):
                    return True
    return not known


def _inputs(used: UsedFinding, assessment: Resource) -> Iterator[tuple[str, str]]:
    """Type and id of what the answer was read from; of a single input only the basis tells."""
    for reference in used.inputs or [_reference(one) for one in assessment.get("basis", ())]:
        target = read_reference(reference.partition("/_history/")[0])
        if target.form == "relative" and target.type != "Patient":
            yield target.type, target.id


def _reference(element: Mapping[str, Any] | None) -> str:
    return str((element or {}).get("reference", "")).partition("/_history/")[0]
