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
from service.mapping.sides import SIDE_FINDING, TOLD, takes_side
from service.mapping.times import effective_text, moment
from service.records import dataclass

PROFILE = "spine-hip-risk-assessment"


@dataclass(frozen=True, slots=True)
class UsedFinding:
    """An answer as an assessment had been given it: when it was so (empty: not told) and the references of its inputs.

    `inputs` is empty where the assessment had one alone.
    """

    answer: Answer
    effective: str
    inputs: tuple[str, ...]


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
    used = tuple(used_findings(held.resource, context))
    patterns = _patterns(held.resource, context.base_url)
    notebook.earlier = EarlierAssessment(held, tuple(one.answer for one in used), patterns, effective_text(held))
    side = next((told for one in used if (told := TOLD.get(one.answer.value)) and one.answer.finding_id == SIDE_FINDING), None)
    for one in used:
        finding = context.knowledge.finding(one.answer.finding_id)
        if finding.id in context.withdrawn:
            notebook.ignore(held, f"Not carried: {finding.label}. What it rests on was deleted, retracted or changed since.")
            continue
        notebook.statements.append(
            Statement(
                finding.id,
                one.answer.value,
                held,
                held.path,
                one.answer.comparator,
                one.answer.side,
                carried=True,
                dated=one.effective or notebook.earlier.assessed,
                implied_side=side if takes_side(finding) else None,
            )
        )


def _is_ours(resource: Resource, base_url: str) -> bool:
    profiles = resource.get("meta", {}).get("profile", ())
    return any(str(profile).split("|")[0] == f"{base_url}/StructureDefinition/{PROFILE}" for profile in profiles)


def _newer(held: Held, other: Held) -> bool:
    mine, theirs = moment(effective_text(held)), moment(effective_text(other))
    return mine is not None and (theirs is None or mine > theirs)


def used_findings(resource: Resource, context: ReadingContext) -> Iterator[UsedFinding]:
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
            inputs = (part for part in extension.get("extension", ()) if part.get("url") == "input")
            yield UsedFinding(
                answer,
                str(parts.get("effective", {}).get("valueDateTime", "")),
                tuple(str(part.get("valueReference", {}).get("reference", "")) for part in inputs),
            )


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
