"""The RiskAssessment as XHTML for a reader: alarm signs and the answer first, then why, then the limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from html import escape

from service.engine.model import AnswerValue, Assessment, Explanation, Prediction
from service.mapping.writers.combined import combined_sentences
from service.mapping.writers.evidence import strongest
from service.mapping.writers.extensions import clean
from service.mapping.writers.levels import level_sentences
from service.mapping.writers.percentages import decimals, percentage
from service.mapping.writers.plan import plan_sentences
from service.mapping.writers.vocabulary import Vocabulary
from service.mapping.writers.what_if import what_if_sentences
from service.records import dataclass

LISTED = 5  # findings listed on each side of the explanation
REMARKS_LANGUAGE = "en"  # in which the readers of submissions word what they ignore or warn of


@dataclass(frozen=True, slots=True)
class Printed:
    """A prediction with its figures exactly as the resource carries them."""

    prediction: Prediction
    label: str
    percent: Decimal
    low: Decimal
    high: Decimal
    prior: Decimal


@dataclass(frozen=True, slots=True)
class Story:
    """Everything the narrative tells that is not in the Assessment itself."""

    subject: str
    when: str
    patterns: Sequence[Printed]
    conditions: Sequence[Printed]
    used: Sequence[str]  # finding ids
    ignored: Sequence[str]  # sentences
    warnings: Sequence[str]
    missing: int  # questions of the form nobody answered
    values: Mapping[str, AnswerValue]
    version: str
    change: Sequence[str] = ()  # sentences about the assessment before


def narrative(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> str:
    """The content of `text.div`: well-formed XHTML in which nothing of the input can act as markup."""
    texts = vocabulary.texts
    parts = [
        _heading(texts("title")),
        _paragraph(texts("for-subject", subject=story.subject, when=story.when)),
        *_raised(assessment, story, vocabulary),
        *_answer(assessment, story, vocabulary),
        *([_heading(texts("change-heading")), _items(story.change)] if story.change else []),
        *_screening(assessment, vocabulary),
        *_why(assessment, story, vocabulary),
        *_told("levels-heading", level_sentences(assessment, vocabulary), vocabulary),
        *_told("combined-heading", combined_sentences(assessment, vocabulary), vocabulary),
        *_next_step(assessment, vocabulary),
        *_told("what-if-heading", what_if_sentences(assessment, vocabulary), vocabulary),
        *_plan(assessment, story, vocabulary),
        *_tables(story, vocabulary),
        *_inputs(assessment, story, vocabulary),
        *_limits(assessment, story, vocabulary),
    ]
    language = escape(texts.language, quote=True)
    return f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{language}" xml:lang="{language}">{"".join(parts)}</div>'


def answer(assessment: Assessment, patterns: Sequence[Printed], vocabulary: Vocabulary) -> str:
    """The one sentence that answers the question, with its doubt."""
    leader = patterns[0]
    codes = {reason.code for reason in assessment.undecided}
    if "no-findings" in codes:
        return vocabulary.texts("answer-no-findings")
    key = "answer-undecided" if codes else "answer"
    return vocabulary.texts(key, pattern=leader.label, percent=f"{leader.percent}%", low=f"{leader.low}%", high=f"{leader.high}%")


def screening_sentences(assessment: Assessment, vocabulary: Vocabulary) -> list[str]:
    """What the red-flag questions showed where none is raised, and which of them nobody asked."""
    screen, texts = assessment.red_flags, vocabulary.texts
    if screen.clear:
        return [texts("red-flags-clear")]
    sentences = [] if screen.raised else [texts("red-flags-none-raised")]
    if screen.not_screened:
        sentences.append(texts("red-flags-not-screened", rules=_list([rule.label for rule in screen.not_screened])))
    if screen.absent:
        sentences.append(texts("red-flags-absent", rules=_list([rule.label for rule in screen.absent])))
    return sentences


def evidence_item(finding_id: str, value: bool | str | float, log_odds: float, vocabulary: Vocabulary, *, shared: bool) -> str:
    """One answer, its state and what it added, in words."""
    item = vocabulary.texts(
        "evidence-item",
        finding=vocabulary.label(finding_id),
        state=vocabulary.state(finding_id, value),
        log_odds=f"{decimals(log_odds, 2):+}",
    )
    return vocabulary.texts("evidence-shared", item=item) if shared else item


def _raised(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    if not assessment.red_flags.raised:
        return []
    texts = vocabulary.texts
    items = []
    for flag in assessment.red_flags.raised:
        told = texts(
            "red-flag",
            label=flag.rule.label,
            urgency=texts(f"urgency-{flag.urgency}"),
            message=flag.rule.message,
            action=flag.rule.action,
        )
        because = texts("red-flag-because", findings=_list(vocabulary.grounds(flag, story.values)))
        items.append(f"<li><b>{_text(told)}</b> {_text(because)}</li>")
    return [_heading(texts("red-flags-heading")), f"<ul>{''.join(items)}</ul>"]


def _answer(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    texts = vocabulary.texts
    parts = [f"<p><b>{_text(answer(assessment, story.patterns, vocabulary))}</b></p>"]
    if story.conditions:
        leader = story.conditions[0]
        parts.append(_paragraph(texts("leading-condition", condition=leader.label, percent=f"{leader.percent}%")))
    if assessment.undecided:
        reasons = [vocabulary.undecided_text(reason) for reason in assessment.undecided]
        parts += [_heading(texts("undecided-heading")), _items(reasons)]
    return parts


def _screening(assessment: Assessment, vocabulary: Vocabulary) -> list[str]:
    return [_paragraph(sentence) for sentence in screening_sentences(assessment, vocabulary)]


def _why(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    leader = story.patterns[0].prediction.explanation
    parts: list[str] = []
    if leader is not None:
        for heading, supporting in (("why-heading", True), ("why-not-heading", False)):
            items = _evidence_items(leader, vocabulary, supporting=supporting)
            if items:
                parts += [_heading(f"{vocabulary.texts(heading)}: {story.patterns[0].label}"), _items(items)]
    parts += [
        _heading(vocabulary.texts("spine-versus-hip-heading")),
        _paragraph(balance(assessment.spine_versus_hip, vocabulary)),
    ]
    differing = sources_differ(leader, vocabulary) if leader is not None else []
    return [*parts, _heading(vocabulary.texts("sources-differ-heading")), _items(differing)] if differing else parts


def sources_differ(why: Explanation, vocabulary: Vocabulary) -> list[str]:
    """Of the strongest answers for and against: those on which teaching and literature, or two studies, disagree."""
    shown = [one.finding_id for supporting in (True, False) for one, _ in strongest(why, supporting=supporting, count=LISTED)]
    told = vocabulary.knowledge.controversies
    return [
        vocabulary.texts("sources-differ", finding=vocabulary.label(finding_id), text=told[finding_id])
        for finding_id in dict.fromkeys(shown)
        if finding_id in told
    ]


def balance(why: Explanation, vocabulary: Vocabulary) -> str:
    """Which way the answers moved spine against hip, in one sentence."""
    prior, posterior = decimals(why.prior_log_odds, 2), decimals(why.posterior_log_odds, 2)
    direction = "spine" if posterior > prior else "hip" if posterior < prior else "even"
    return vocabulary.texts(f"spine-versus-hip-{direction}", prior=f"{prior:+}", posterior=f"{posterior:+}")


def _evidence_items(why: Explanation, vocabulary: Vocabulary, *, supporting: bool) -> list[str]:
    return [
        evidence_item(one.finding_id, one.value, total, vocabulary, shared=one.counted == "shared")
        for one, total in strongest(why, supporting=supporting, count=LISTED)
    ]


def _next_step(assessment: Assessment, vocabulary: Vocabulary) -> list[str]:
    items = [
        vocabulary.texts(
            "next-referral",
            label=one.referral.label,
            urgency=vocabulary.texts(f"urgency-{one.urgency}"),
            reason=one.referral.reason,
        )
        for one in assessment.recommendations
    ]
    if assessment.next_findings and assessment.urgency != "emergency":  # no test may delay the emergency department
        items.append(vocabulary.texts("next-examine", findings=vocabulary.to_examine(assessment)))
    return [_heading(vocabulary.texts("next-heading")), _items(items)] if items else []


def _plan(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    lines = plan_sentences(assessment, datetime.fromisoformat(story.when), vocabulary)
    return [_heading(vocabulary.texts("plan-heading")), _items(lines)] if lines else []


def _tables(story: Story, vocabulary: Vocabulary) -> list[str]:
    texts = vocabulary.texts
    negligible = vocabulary.negligible_below_percent
    told = [one for one in story.conditions if one.percent >= negligible]
    below = [f"{one.label} {one.percent}%" for one in story.conditions if one.percent < negligible]
    parts = [_heading(texts("patterns-heading")), _table(story.patterns, texts)]
    if story.conditions:
        parts.append(_heading(texts("conditions-heading")))
    if told:
        parts.append(_table(told, texts))
    if below:
        parts.append(_paragraph(texts("conditions-below", threshold=f"{negligible}%", list=_list(below))))
    return parts


def _table(rows: Sequence[Printed], texts: Callable[..., str]) -> str:
    head = "".join(f"<th>{_text(texts(column))}</th>" for column in ("column-outcome", "column-probability", "column-interval"))
    body = "".join(f"<tr><td>{_text(row.label)}</td><td>{row.percent}%</td><td>{row.low}–{row.high}%</td></tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _inputs(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    texts = vocabulary.texts
    parts = [
        _heading(texts("inputs-heading")),
        _paragraph(
            texts(
                "inputs-used",
                used=len(story.used),
                missing=story.missing,
                coverage=f"{percentage(assessment.coverage)}%",
            )
        ),
    ]
    if assessment.without_effect:
        labels = [vocabulary.label(finding_id) for finding_id in assessment.without_effect]
        parts.append(_paragraph(texts("inputs-without-effect", findings=_list(labels))))
    return parts + [_paragraph(sentence) for sentence in _remarks(story, vocabulary)]


def _remarks(story: Story, vocabulary: Vocabulary) -> list[str]:
    """What the readers left out or warn of. They word it in one language: in another, a sentence tells how many there are."""
    texts, told = vocabulary.texts, vocabulary.texts.language == REMARKS_LANGUAGE
    sentences = []
    if story.ignored:
        count, items = len(story.ignored), _list(story.ignored)
        sentences.append(texts("inputs-ignored", items=items) if told else texts("inputs-ignored-count", count=count))
    if story.warnings:
        count, items = len(story.warnings), " ".join(story.warnings)
        sentences.append(texts("warnings", items=items) if told else texts("warnings-count", count=count))
    return sentences


def _limits(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    texts = vocabulary.texts
    versions = texts("knowledge", engine=story.version, knowledge=assessment.knowledge_version)
    return [
        _heading(texts("limits-heading")),
        _paragraph(vocabulary.limits(assessment)),
        _heading(texts("intended-use-heading")),
        f"<p><b>{_text(texts('intended-use'))}</b></p>",
        _paragraph(versions),
    ]


def _told(heading: str, sentences: Sequence[str], vocabulary: Vocabulary) -> list[str]:
    return [_heading(vocabulary.texts(heading)), _items(sentences)] if sentences else []


def _list(items: Sequence[str]) -> str:
    return "; ".join(items)


def _text(text: str) -> str:
    return escape(clean(text), quote=True)


def _heading(text: str) -> str:
    return f"<h4>{_text(text)}</h4>"


def _paragraph(text: str) -> str:
    return f"<p>{_text(text)}</p>"


def _items(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{_text(item)}</li>' for item in items)}</ul>"
