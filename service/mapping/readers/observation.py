"""Findings from an Observation: its code, or its components' codes, name the finding, its value the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.engine.model import Finding, Side
from service.errors import FaultKind
from service.fhir.bundles import Held
from service.fhir.terminology import FindingMatch
from service.mapping.codes import (
    Meaning,
    answer_codes,
    coded_answer,
    findings_of,
    is_complaint,
    is_diagnosis,
    measured_answer,
    permitted,
    side_of,
)
from service.mapping.reading import Notebook, ReadingContext, Statement
from service.mapping.subject import STATELESS

COMPLAINT = "It is the complaint itself, not a finding; of it only the side is read."
_FINAL = ("final", "amended", "corrected")


def read_observation(held: Held, context: ReadingContext, notebook: Notebook) -> None:
    """Writes the statements of one Observation into the notebook, or the reasons why it makes none."""
    resource = held.resource
    status = str(resource.get("status", ""))
    if status in STATELESS:
        notebook.ignore(held, f"Its status is {status}.")
        return
    components = [(part, f"{held.path}.component[{number}]") for number, part in enumerate(resource.get("component", ()))]
    side = _side(resource, [part for part, _ in components], context)
    understood = _read(resource, held.path, held, side, status in _FINAL, context, notebook)
    for part, path in components:
        if _is_laterality(part, context):
            continue
        own_side = side_of([part.get("code")], context) or side
        understood = _read(part, path, held, own_side, status in _FINAL, context, notebook) or understood
    if not understood:
        notebook.ignore(held, "No code of it is known here as a finding.")


def _read(
    part: Mapping[str, Any], path: str, held: Held, side: Side | None, final: bool, context: ReadingContext, notebook: Notebook
) -> bool:
    """Whether the code is one we know, be it that its value then says nothing."""
    matches = findings_of(part.get("code"), context)
    if not matches:
        return _read_named_in_value(part, path, held, side, final, context, notebook)
    reasons = []
    stated = not_understood = False
    for match in matches:
        finding = context.knowledge.finding(match.finding_id)
        meaning = _meaning(part, path, match, context, notebook)
        if isinstance(meaning, str):
            reasons.append(meaning)
            not_understood = True
        elif not ("valueQuantity" in part and finding.answer_type == "boolean") and not permitted(meaning, match, finding):
            reasons.append(f"Its code does not mean just the same as {finding.id}, so this answer says nothing of it.")
        else:
            stated = True
            notebook.statements.append(Statement(finding.id, meaning.value, held, path, meaning.comparator, side, final))
    if not stated:
        notebook.ignore(held, reasons[0], path, not_understood=not_understood)
    return True


def _read_named_in_value(
    part: Mapping[str, Any], path: str, held: Held, side: Side | None, final: bool, context: ReadingContext, notebook: Notebook
) -> bool:
    """Takes "finding: groin pain": a question for any finding, and the finding itself as its value."""
    concept = part.get("valueCodeableConcept")
    if is_complaint(part.get("code"), context):
        denied = part.get("valueBoolean") is False or bool({"absent", "unknown"} & answer_codes(concept, context))
        if side is not None and not denied and "dataAbsentReason" not in part:
            notebook.complaint_sides.append(side)
        notebook.ignore(held, COMPLAINT, path)
        return True
    if is_diagnosis(part.get("code"), context):
        notebook.ignore(held, "It is a diagnosis, and a diagnosis is not a finding.", path)
        return True
    if not context.terminology.asks_for_any_finding(part.get("code")):
        return False
    stated = False
    for match in findings_of(concept, context):
        if match.may_assert and context.knowledge.finding(match.finding_id).answer_type == "boolean":
            stated = True
            notebook.statements.append(Statement(match.finding_id, True, held, path, side=side, final=final))
    return stated


def _meaning(
    part: Mapping[str, Any], path: str, match: FindingMatch, context: ReadingContext, notebook: Notebook
) -> Meaning | str:
    """What the value says of the finding, or the reason why it says nothing."""
    finding = context.knowledge.finding(match.finding_id)
    element = next((key for key in part if key.startswith("value")), "")
    if element == "valueCodeableConcept":
        concept = part[element]
        answer = coded_answer(concept, finding, context)
        if answer is None and any(one.finding_id == finding.id and one.may_assert for one in findings_of(concept, context)):
            answer = Meaning(True) if finding.answer_type == "boolean" else None
        _compare_with_interpretation(answer, part, path, finding, context, notebook)
        return answer or f"Its value is not an answer known for {finding.id}."
    if element == "valueBoolean":
        if finding.answer_type != "boolean":
            return f"Yes or no does not answer {finding.id}."
        _compare_with_interpretation(Meaning(part[element]), part, path, finding, context, notebook)
        return Meaning(part[element])
    if element in ("valueQuantity", "valueInteger"):
        return _measured(part, element, path, match, context, notebook)
    if element:
        return f"A value of the type {element.removeprefix('value')} is not read."
    if "dataAbsentReason" in part:
        return Meaning(None)
    for concept in part.get("interpretation", ()):
        answer = coded_answer(concept, finding, context)
        if answer is not None:
            return answer
    return "It has no value, so it says neither present nor absent."


def _compare_with_interpretation(
    answer: Meaning | None,
    part: Mapping[str, Any],
    path: str,
    finding: Finding,
    context: ReadingContext,
    notebook: Notebook,
) -> None:
    """Warns where value and interpretation of one statement contradict each other; the value counts."""
    said = [coded_answer(concept, finding, context) for concept in part.get("interpretation", ())]
    against = [one for one in said if one is not None and one.value is not None and answer and one.value != answer.value]
    if against and answer is not None and answer.value is not None:
        notebook.warn(
            "conflict",
            f"Value and interpretation of one answer to {finding.id} ({finding.label}) differ; the value counts.",
            f"{path}.interpretation",
            rule="The interpretation says the same as the value.",
            repair="Correct the one that is wrong.",
        )


def _measured(
    part: Mapping[str, Any], element: str, path: str, match: FindingMatch, context: ReadingContext, notebook: Notebook
) -> Meaning | str:
    finding = context.knowledge.finding(match.finding_id)
    quantity = part[element] if element == "valueQuantity" else {"value": part[element]}
    if "value" not in quantity:
        return "Its quantity has no value."
    unit = str(quantity.get("code", "")) if quantity.get("system", _UCUM) == _UCUM else ""
    if element == "valueInteger":
        unit = context.terminology.unit_of(finding.id) or finding.unit
    outcome = measured_answer(quantity["value"], unit, quantity.get("comparator", ""), finding, context)
    if isinstance(outcome, str):
        kind: FaultKind = "value"
        notebook.warn(kind, outcome, f"{path}.value", repair="Give the value in a known UCUM unit, inside the finding's range.")
    return outcome


_UCUM = "http://unitsofmeasure.org"


def _side(resource: Mapping[str, Any], components: list[Mapping[str, Any]], context: ReadingContext) -> Side | None:
    """The side the whole Observation is about: by its body site, a laterality component, or a sided code."""
    stated = side_of([resource.get("bodySite")], context)
    if stated is None:
        lateral = [part for part in components if _is_laterality(part, context)]
        stated = side_of([part.get("valueCodeableConcept") for part in lateral], context)
    return stated or side_of([resource.get("code")], context)


def _is_laterality(part: Mapping[str, Any], context: ReadingContext) -> bool:
    return side_of([part.get("valueCodeableConcept")], context) is not None and not findings_of(part.get("code"), context)
