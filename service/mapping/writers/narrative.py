"""The RiskAssessment as XHTML for a reader: the half page of `letter.py` first, and behind it everything it rests on.

Behind it: screening, weights in log-odds, levels, stages, referrals with their reasons, plan, tables, inputs and limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from service.engine.model import Assessment, Explanation
from service.mapping.writers import html
from service.mapping.writers.combined import combined_sentences
from service.mapping.writers.evidence import strongest
from service.mapping.writers.letter import Printed, Story, child, emergency, letter
from service.mapping.writers.levels import level_sentences
from service.mapping.writers.percentages import decimals, percentage
from service.mapping.writers.plan import plan_sentences
from service.mapping.writers.vocabulary import Vocabulary
from service.mapping.writers.what_if import what_if_sentences

LISTED = 5  # findings listed on each side of the explanation


def narrative(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> str:
    """The content of `text.div`: well-formed XHTML in which nothing of the input can act as markup."""
    settled = not emergency(assessment) and not child(assessment)  # else nothing that argues for or against a source is told
    parts = [
        *letter(assessment, story, vocabulary),
        html.heading(vocabulary.texts("behind-heading")),
        *_told("change-heading", story.change[1:], vocabulary),
        *_told("screening-heading", screening_sentences(assessment, vocabulary), vocabulary),
        *(_why(assessment, story, vocabulary) if settled else ()),
        *_told("levels-heading", level_sentences(assessment, vocabulary) if settled else (), vocabulary),
        *_told("combined-heading", combined_sentences(assessment, vocabulary) if settled else (), vocabulary),
        *_referrals(assessment, vocabulary),
        *_told("what-if-heading", what_if_sentences(assessment, vocabulary) if settled else (), vocabulary),
        *_plan(assessment, story, vocabulary),
        *_tables(assessment, story, vocabulary),
        *_inputs(assessment, story, vocabulary),
        *_limits(assessment, story, vocabulary),
    ]
    return html.div(vocabulary.texts.language, parts)


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
        log_odds=vocabulary.texts.number(f"{decimals(log_odds, 2):+}"),
    )
    return vocabulary.texts("evidence-shared", item=item) if shared else item


def _why(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    leader = story.patterns[0].prediction.explanation
    parts: list[str] = []
    if leader is not None:
        for heading, supporting in (("why-heading", True), ("why-not-heading", False)):
            items = _evidence_items(leader, vocabulary, supporting=supporting)
            if items:
                parts += [html.heading(f"{vocabulary.texts(heading)}: {story.patterns[0].label}"), html.items(items)]
    parts += [
        html.heading(vocabulary.texts("spine-versus-hip-heading")),
        html.paragraph(balance(assessment.spine_versus_hip, vocabulary)),
    ]
    differing = sources_differ(leader, vocabulary) if leader is not None else []
    return [*parts, html.heading(vocabulary.texts("sources-differ-heading")), html.items(differing)] if differing else parts


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
    texts = vocabulary.texts
    return texts(f"spine-versus-hip-{direction}", prior=texts.number(f"{prior:+}"), posterior=texts.number(f"{posterior:+}"))


def _evidence_items(why: Explanation, vocabulary: Vocabulary, *, supporting: bool) -> list[str]:
    return [
        evidence_item(one.finding_id, one.value, total, vocabulary, shared=one.counted == "shared")
        for one, total in strongest(why, supporting=supporting, count=LISTED)
    ]


def _referrals(assessment: Assessment, vocabulary: Vocabulary) -> list[str]:
    items = [
        vocabulary.texts(
            "next-referral",
            label=one.referral.label,
            urgency=vocabulary.texts(f"urgency-{one.urgency}"),
            reason=one.referral.reason,
        )
        for one in assessment.recommendations
    ]
    return _told("referrals-heading", items, vocabulary)


def _plan(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    lines = plan_sentences(assessment, datetime.fromisoformat(story.when), vocabulary)
    return [html.heading(vocabulary.texts("plan-heading")), html.items(lines)] if lines else []


def _tables(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    texts = vocabulary.texts
    negligible = vocabulary.negligible_below_percent
    told = [one for one in story.conditions if one.percent >= negligible]
    below = [f"{one.label} {texts.percent(one.percent)}" for one in story.conditions if one.percent < negligible]
    parts = [html.heading(texts("patterns-heading"))]
    if emergency(assessment) or child(assessment):
        parts.append(html.paragraph(texts("figures-emergency" if emergency(assessment) else "figures-under-18")))
    parts.append(_table(story.patterns, vocabulary))
    if story.conditions:
        parts.append(html.heading(texts("conditions-heading")))
    if told:
        parts.append(_table(told, vocabulary))
    if below:
        parts.append(html.paragraph(texts("conditions-below", threshold=texts.percent(negligible), list=_list(below))))
    return parts


def _table(rows: Sequence[Printed], vocabulary: Vocabulary) -> str:
    texts = vocabulary.texts
    head = [texts(column) for column in ("column-outcome", "column-probability", "column-interval")]
    return html.table(
        head,
        (
            (row.label, texts.percent(row.percent), f"{texts.number(row.low)}–{texts.percent(row.high)}")
            for row in rows
        ),
    )


def _inputs(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    texts = vocabulary.texts
    parts = [
        html.heading(texts("inputs-heading")),
        html.paragraph(
            texts(
                "inputs-used",
                used=len(story.used),
                missing=story.missing,
                coverage=texts.percent(percentage(assessment.coverage)),
            )
        ),
    ]
    if assessment.without_effect:
        labels = [vocabulary.label(finding_id) for finding_id in assessment.without_effect]
        parts.append(html.paragraph(texts("inputs-without-effect", findings=_list(labels))))
    return parts + [html.paragraph(sentence) for sentence in _remarks(story, vocabulary)]


def _remarks(story: Story, vocabulary: Vocabulary) -> list[str]:
    """How much the readers left out or warn of, and to which questions the submission holds different answers."""
    texts = vocabulary.texts
    sentences = []
    if story.contradicted:
        told = [vocabulary.answered(one, story.values) for one in story.contradicted]
        sentences.append(texts("inputs-contradicted", findings=_list(told)))
    if story.ignored:
        sentences.append(texts("inputs-ignored", count=story.ignored))
    if story.warnings:
        sentences.append(texts("warnings", count=story.warnings))
    return sentences


def _limits(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    texts = vocabulary.texts
    versions = texts("knowledge", engine=story.version, knowledge=assessment.knowledge_version)
    return [
        html.heading(texts("limits-heading")),
        html.paragraph(vocabulary.limits(assessment)),
        html.paragraph(versions),
    ]


def _told(heading: str, sentences: Sequence[str], vocabulary: Vocabulary) -> list[str]:
    return [html.heading(vocabulary.texts(heading)), html.items(sentences)] if sentences else []


def _list(items: Sequence[str]) -> str:
    return "; ".join(items)
