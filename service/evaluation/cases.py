"""The published cases inside this process: the same submissions, read and assessed without a server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from service.assessment.run import Parts, assess_subject
from service.engine.model import Case
from service.evaluation.vignettes import published_cases, submission
from service.fhir import r4

Resource = dict[str, Any]


def engine_cases(parts: Parts, now: datetime | None = None) -> list[Case]:
    """What the engine sees of every published case, in file order."""
    found = []
    for case in published_cases():
        raw = r4.serialise(submission(case, dict(parts.questionnaire), now))
        found.append(assess_subject(r4.parse(raw, limits=r4.Limits()).resource, parts=parts).reading.case)
    return found
