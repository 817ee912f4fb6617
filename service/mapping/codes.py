"""What codes from outside mean in our words: the one place where mapping asks the terminology about an input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from decimal import Decimal
from typing import Any

from service.engine.model import AnswerValue, Comparator, Finding, Side
from service.fhir.terminology import FindingMatch, Terminology
from service.mapping.answers import answers_by_code
from service.mapping.reading import ReadingContext
from service.records import dataclass

Concept = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a value says of one finding; `value` None is "asked, and unknown"."""

    value: AnswerValue | None
    comparator: Comparator = ""


def codings_of(concept: Concept | None) -> tuple[tuple[str, str], ...]:
    """System and code of each coding that has both; a code without its system means nothing."""
    return tuple(
        (str(coding["system"]), str(coding["code"]))
        for coding in (concept or {}).get("coding", ())
        if coding.get("system") and coding.get("code")
    )


def findings_of(concept: Concept | None, context: ReadingContext) -> tuple[FindingMatch, ...]:
    """The findings a concept speaks of, each once, those it may assert first.

    Any coding counts. A coding in our own words is exact, so that the others beside it are not asked.
    """
    return _matches(concept, {finding.id for finding in context.knowledge.findings}, context.terminology)


def finding_asked(concept: Concept | None, ids: Set[str], terminology: Terminology) -> str:
    """The id of the finding that a concept means exactly, as a question about it must; empty if none."""
    exact = [match for match in _matches(concept, ids, terminology) if match.may_assert and match.may_deny]
    return exact[0].finding_id if exact else ""


def _matches(concept: Concept | None, ids: Set[str], terminology: Terminology) -> tuple[FindingMatch, ...]:
    best: dict[str, FindingMatch] = {}
    for system, code in codings_of(concept):
        for match in terminology.to_findings(system, code):
            if match.finding_id not in ids:
                continue
            before = best.get(match.finding_id)
            if before is None or _strength(match) > _strength(before):
                best[match.finding_id] = match
    own = [match for match in best.values() if match.equivalence == "equal"]
    return tuple(own or sorted(best.values(), key=_strength, reverse=True))


def is_diagnosis(concept: Concept | None, context: ReadingContext) -> bool:
    """Whether a code of the concept is one of the conditions the assessment weighs."""
    terminology = context.terminology
    sent = set(codings_of(concept))
    for condition in context.knowledge.conditions:
        names = {(target.system, target.code) for target in terminology.targets("condition", condition.id)}
        if sent & (names | {(terminology.system("condition"), condition.id)}):
            return True
    return False


def is_complaint(concept: Concept | None, context: ReadingContext) -> bool:
    """Whether a code of the concept is the complaint itself (hip pain), which tells nothing about its source."""
    return any(context.terminology.to_symptom(system, code) for system, code in codings_of(concept))


def coded_answer(concept: Concept | None, finding: Finding, context: ReadingContext) -> Meaning | None:
    """What an answer concept says of a yes/no or choice finding, None if it says nothing that fits."""
    terminology = context.terminology
    values = answers_by_code(finding)
    for system, code in codings_of(concept):
        answer = terminology.to_answer(system, code)
        if answer is None or not values:
            continue
        if answer in values:
            return Meaning(values[answer])
        reads_as = terminology.property("answer", answer, "reads-as")
        if finding.answer_type == "choice":
            choice = terminology.choice_for(finding.choices, answer)
            if choice is not None:
                return Meaning(choice)
        elif reads_as in values:
            return Meaning(values[reads_as])
    return None


def answer_codes(concept: Concept | None, context: ReadingContext) -> frozenset[str]:
    """Every answer in our words that a concept gives, whatever it answers."""
    given = (context.terminology.to_answer(system, code) for system, code in codings_of(concept))
    return frozenset(code for code in given if code is not None)


def option_code(coding: Concept, finding: Finding, context: ReadingContext) -> str:
    """The answer code of the finding that a coding of another system means; empty if none, or if it is in our own words."""
    system = str(coding.get("system", ""))
    if not system or system == context.terminology.system("answer"):
        return ""
    meaning = coded_answer({"coding": [coding]}, finding, context)
    if meaning is None:
        return ""
    return next(code for code, value in answers_by_code(finding).items() if value == meaning.value and value is meaning.value)


def measured_answer(
    number: Decimal | int, unit: str, comparator: Comparator, finding: Finding, context: ReadingContext
) -> Meaning | str:
    """What a measured value says of a finding, or the reason (one sentence) why it says nothing.

    A quantity keeps the comparator, and whoever reads it decides whether the bound tells enough. A yes/no finding with
    a threshold is decided here, and only if the comparator leaves no doubt.
    """
    wanted = context.terminology.unit_of(finding.id) or finding.unit
    test = finding.present_when
    if finding.answer_type == "choice" or (finding.answer_type == "boolean" and test is None):
        return f"A measured value does not answer {finding.id}."
    converted = context.terminology.convert(Decimal(number), unit, wanted) if unit else None
    if converted is None:
        return f"Its unit is not known as one of {finding.id}, which is measured in {wanted}."
    value = float(converted)
    if not comparator and not in_range(value, finding):
        return f"The value is outside the range of {finding.id}."
    if finding.counted and not value.is_integer():
        return f"{finding.label} is a count, so its value is a whole number."
    if finding.answer_type == "boolean" and test is not None:
        decided = test.decides(value, comparator)
        return Meaning(decided) if decided is not None else f"The bound it gives does not decide {finding.id}."
    return Meaning(value, comparator)


def in_range(value: float, finding: Finding) -> bool:
    return (finding.minimum is None or value >= finding.minimum) and (finding.maximum is None or value <= finding.maximum)


def side_of(concepts: Iterable[Concept | None], context: ReadingContext) -> Side | None:
    """The side that one or several concepts state together."""
    codings = [coding for concept in concepts for coding in (concept or {}).get("coding", ())]
    return context.terminology.side_of({"coding": codings})


def permitted(meaning: Meaning, match: FindingMatch, finding: Finding) -> bool:
    """Whether a code of this closeness may carry this meaning: a wider one cannot assert, a narrower one cannot deny."""
    if meaning.value is None:
        return match.may_assert or match.may_deny
    if finding.answer_type != "boolean":
        return match.may_assert and match.may_deny
    return match.may_assert if meaning.value is True else match.may_deny


def _strength(match: FindingMatch) -> tuple[bool, bool, bool]:
    return match.equivalence == "equal", match.may_assert, match.may_deny

