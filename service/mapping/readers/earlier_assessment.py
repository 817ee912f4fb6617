"""An earlier RiskAssessment of this service: what was known then, as the start of a re-assessment.

Its answers count where the new submission says nothing about a finding; a new answer always goes before them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service.engine.model import Answer, AnswerValue, Finding
from service.fhir.bundles import Held, Resource
from service.mapping.answers import answers_by_code
from service.mapping.reading import EarlierAssessment, Notebook, ReadingContext, Statement
from service.mapping.times import effective_text, moment

PROFILE = "spine-hip-risk-assessment"


def read_earlier_assessment(held: Held, context: ReadingContext, notebook: Notebook) -> None:
    """Takes the answers of an earlier assessment into the notebook; of several, the newest is the one that counts."""
    if not _is_ours(held.resource, context.base_url):
        notebook.ignore(held, "It is a RiskAssessment of another service or profile.")
        return
    if held.resource.get("status") in ("entered-in-error", "cancelled"):
        notebook.ignore(held, f"Its status is {held.resource['status']}.")
        return
    before = notebook.earlier
    if before is not None:
        if not _newer(held, before.held):
            notebook.ignore(held, "A newer assessment is the one to compare with.")
            return
        notebook.ignore(before.held, "A newer assessment is the one to compare with.")
        notebook.statements = [statement for statement in notebook.statements if statement.source is not before.held]
    answers = tuple(_answers(held.resource, context))
    earlier = EarlierAssessment(
        held, tuple(answer for answer, _ in answers), _patterns(held.resource, context.base_url), effective_text(held)
    )
    notebook.earlier = earlier
    notebook.statements += [
        Statement(
            answer.finding_id,
            answer.value,
            held,
            held.path,
            answer.comparator,
            answer.side,
            carried=True,
            dated=effective or earlier.assessed,
        )
        for answer, effective in answers
    ]


def _is_ours(resource: Resource, base_url: str) -> bool:
    profiles = resource.get("meta", {}).get("profile", ())
    return any(str(profile).split("|")[0] == f"{base_url}/StructureDefinition/{PROFILE}" for profile in profiles)


def _newer(held: Held, other: Held) -> bool:
    mine, theirs = moment(effective_text(held)), moment(effective_text(other))
    return mine is not None and (theirs is None or mine > theirs)


def _answers(resource: Resource, context: ReadingContext) -> Iterator[tuple[Answer, str]]:
    """The answers that assessment used and had been given, with their time where it is told.

    Counts it worked out itself are worked out anew.
    """
    findings = {finding.id: finding for finding in context.knowledge.findings}
    for extension in resource.get("extension", ()):
        if not str(extension.get("url", "")).endswith("/StructureDefinition/used-finding"):
            continue
        parts = {str(part.get("url")): part for part in extension.get("extension", ())}
        finding = findings.get(str(parts.get("finding", {}).get("valueCoding", {}).get("code")))
        if finding is None or "derived-from" in parts:
            continue
        value = _value(finding, parts.get("value", {}))
        if value is not None:
            answer = Answer(finding.id, value, _code(parts, "comparator"), _code(parts, "side") or None)  # type: ignore[arg-type]
            yield answer, str(parts.get("effective", {}).get("valueDateTime", ""))


def _code(parts: dict[str, Any], name: str) -> str:
    return str(parts.get(name, {}).get("valueCode", ""))


def _value(finding: Finding, part: Resource) -> AnswerValue | None:
    if finding.answer_type == "quantity":
        number = part.get("valueDecimal")
        return None if number is None else float(number)
    return answers_by_code(finding).get(str(part.get("valueCode")))


def _patterns(resource: Resource, base_url: str) -> dict[str, float]:
    """The percentages it gave the source patterns."""
    system = f"{base_url}/CodeSystem/source-pattern"
    return {
        str(coding["code"]): float(prediction["probabilityDecimal"])
        for prediction in resource.get("prediction", ())
        for coding in prediction.get("outcome", {}).get("coding", ())
        if coding.get("system") == system and "code" in coding and "probabilityDecimal" in prediction
    }
