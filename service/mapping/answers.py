"""The codes an answer to a finding may have, and the value each stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from service.engine.model import AnswerValue, Finding

PRESENT, ABSENT, UNKNOWN = "present", "absent", "unknown"

_OTHER_CHARACTERS = re.compile(r"[^a-z0-9]+")


def answer_code(choice: str) -> str:
    """The code of a choice of the findings table: lower case, with a hyphen for every run of other characters.

    >>> answer_code("groin or anterior pain"), answer_code("50-79%")
    ('groin-or-anterior-pain', '50-79')
    """
    return _OTHER_CHARACTERS.sub("-", choice.lower()).strip("-")


def answers_by_code(finding: Finding) -> Mapping[str, AnswerValue | None]:
    """The value of each answer code of a yes/no or choice finding in the order of the table; None for "unknown".

    Empty for a quantity, which has no coded answers.
    """
    if finding.answer_type == "boolean":
        return {PRESENT: True, ABSENT: False, UNKNOWN: None}
    if finding.answer_type == "choice":
        return {**{answer_code(choice): choice for choice in finding.choices}, UNKNOWN: None}
    return {}
