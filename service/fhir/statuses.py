"""The status of a Condition, by the coding of the HL7 system wherever it stands among translations of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SYSTEMS = {
    "clinicalStatus": "http://terminology.hl7.org/CodeSystem/condition-clinical",
    "verificationStatus": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
}


def condition_status(resource: Mapping[str, Any], element: str) -> str:
    """The HL7 code of `clinicalStatus` or `verificationStatus`, empty if none is given.

    Both elements have a required binding, so that a code without a system can only be one of it. A code of another system
    alone is given as it is: "refuted" in anybody's system is nearer to a denial than to nothing. Takes resources not yet
    validated, too. Source: https://hl7.org/fhir/R4/condition.html#bnc
    """
    codings = list(_codings(resource.get(element)))
    for wanted in (_SYSTEMS[element], ""):
        for system, code in codings:
            if system == wanted:
                return code
    return codings[0][1] if codings else ""


def _codings(concept: Any) -> Iterator[tuple[str, str]]:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, dict) and isinstance(coding.get("code"), str):
            system = coding.get("system", "")
            yield (system if isinstance(system, str) else ""), coding["code"]
