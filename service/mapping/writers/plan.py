"""The plan of an assessment in words and as extensions: what is proposed, how well supported, and what is withheld and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from service.engine.model import Assessment, PlanItem
from service.mapping.writers.extensions import clean, nested, part
from service.mapping.writers.vocabulary import Vocabulary

Extension = dict[str, Any]


def given(assessment: Assessment) -> list[PlanItem]:
    return [item for item in assessment.plan if not item.withheld]


def withheld(assessment: Assessment) -> list[PlanItem]:
    return [item for item in assessment.plan if item.withheld]


def leading(assessment: Assessment) -> list[PlanItem]:
    """The most relevant of the items given, one of each kind and what is never left out: what an answer holds unasked.

    While the source is not settled nothing further is put forward: it would treat a guess.
    """
    best: dict[str, PlanItem] = {}
    for item in given(assessment):
        if item.rule.kind != "further" or not assessment.undecided:
            best.setdefault(item.rule.kind, item)
    return [item for item in given(assessment) if best.get(item.rule.kind) is item or item.rule.always]


def reassess_on(item: PlanItem, assessed_at: datetime) -> date | None:
    """The day on which to assess again, by this item; None if it names none."""
    days = item.rule.reassess_after_days
    return None if days is None else (assessed_at + timedelta(days=days)).date()


def reassess_day(assessment: Assessment, assessed_at: datetime) -> date | None:
    """The day by which to assess again, by flag or plan; None in an emergency and where nothing names one."""
    days = assessment.reassess_after_days
    return None if days is None else (assessed_at + timedelta(days=days)).date()


# --- extensions --------------------------------------------------------------------------------------------------------


def plan_extensions(assessment: Assessment, assessed_at: datetime, vocabulary: Vocabulary, *, whole: bool) -> list[Extension]:
    """One `plan-item` per item: the leading ones in short, or all of them in `whole`; every withheld one with its reasons."""
    items = given(assessment) if whole else leading(assessment)
    return [
        *(_given(item, assessed_at, vocabulary, whole=whole) for item in items),
        *(_withheld(item, vocabulary) for item in withheld(assessment)),
    ]


def _given(item: PlanItem, assessed_at: datetime, vocabulary: Vocabulary, *, whole: bool) -> Extension:
    rule = item.rule
    parts = [
        part("item", "valueCoding", vocabulary.coding("plan-item", rule.id)),
        part("kind", "valueCode", rule.kind),
        part("text", "valueString", clean(rule.text)),
        part("evidence-grade", "valueCode", rule.evidence),
        part("source", "valueId", rule.source_id),
    ]
    if item.open_screening:
        parts.append(part("after-screening", "valueString", screening_first(item, vocabulary)))
    reassess = reassess_on(item, assessed_at)
    if reassess is not None:
        parts.append(part("reassess", "valueDate", reassess.isoformat()))
    if whole:
        if rule.dosage:
            parts.append(part("dosage", "valueString", clean(rule.dosage)))
        if rule.thinner:
            parts.append(part("thinner", "valueString", clean(rule.thinner)))
        if rule.visits is not None:
            parts.append(part("visits", "valueRange", {"low": {"value": rule.visits[0]}, "high": {"value": rule.visits[1]}}))
        parts += [part("because", "valueString", reason) for reason in reasons(item.because, vocabulary)]
        parts.append(part("citation", "valueRelatedArtifact", vocabulary.citation(rule.source_id)))
    return nested(vocabulary.structure("plan-item"), *parts)


def _withheld(item: PlanItem, vocabulary: Vocabulary) -> Extension:
    return nested(
        vocabulary.structure("plan-item"),
        part("item", "valueCoding", vocabulary.coding("plan-item", item.rule.id)),
        part("kind", "valueCode", item.rule.kind),
        *(part("withheld", "valueString", reason) for reason in reasons(item.withheld, vocabulary)),
    )


# --- words -------------------------------------------------------------------------------------------------------------


def reasons(codes: Sequence[str], vocabulary: Vocabulary) -> list[str]:
    """Words for what called for an item, or withheld it."""
    return [clean(_reason(code, vocabulary)) for code in codes]


def _reason(code: str, vocabulary: Vocabulary) -> str:
    kind, _, target = code.partition(":")
    if kind == "any":
        return vocabulary.texts("plan-any")
    if kind == "urgency":
        return vocabulary.texts(f"urgency-{target}")
    if kind == "stage":
        return vocabulary.texts("plan-stage", stage=target)
    return vocabulary.reason(code)


def screening_first(item: PlanItem, vocabulary: Vocabulary) -> str:
    """The reserve under which an item is given while alarm questions are open."""
    return vocabulary.texts("plan-after-screening", open=len(item.open_screening))


def described(item: PlanItem, vocabulary: Vocabulary) -> str:
    """What the item says: the text, its dosage, the reserve, and how well it is supported."""
    rule, texts = item.rule, vocabulary.texts
    sentences = [rule.text]
    if rule.dosage:
        sentences.append(texts("plan-dosage", dosage=rule.dosage))
    if item.open_screening:
        sentences.append(screening_first(item, vocabulary))
    grade = texts("plan-grade-expert") if rule.evidence == "expert" else texts("plan-grade", grade=rule.evidence)
    sentences.append(grade)
    if rule.thinner:
        sentences.append(texts("plan-thinner", thinner=rule.thinner))
    return clean(" ".join(sentences))


def plan_sentences(assessment: Assessment, assessed_at: datetime, vocabulary: Vocabulary) -> list[str]:
    """The plan as lines to read: the leading items, when to assess again, and what is withheld; empty without a plan."""
    texts = vocabulary.texts
    items = leading(assessment)
    lines = [
        texts("plan-item", kind=texts(f"plan-kind-{item.rule.kind}"), label=item.rule.label, text=described(item, vocabulary))
        for item in items
    ]
    if assessment.undecided and lines:
        lines.insert(0, texts("plan-provisional"))
    day = reassess_day(assessment, assessed_at)
    if day is not None:
        lines.append(texts("plan-reassess", date=day.isoformat()))
    waiting = [item for item in withheld(assessment) if assessment.urgency == "emergency" and not item.rule.after_screening]
    if waiting:  # nobody should have to read past a list of exercises in an emergency
        lines.append(texts("plan-withheld-emergency", count=len(waiting)))
    together: dict[tuple[str, ...], list[str]] = {}
    for item in withheld(assessment):
        if item not in waiting:
            together.setdefault(item.withheld, []).append(item.rule.label)
    lines += [
        texts("plan-withheld", items="; ".join(labels), reasons="; ".join(reasons(codes, vocabulary)))
        for codes, labels in together.items()
    ]
    return lines
