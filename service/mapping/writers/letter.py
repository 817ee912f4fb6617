"""The first half page of the narrative: what a clinician reads before anything else, in clinical words and without a table.

Whom it is about, the alarm signs, the answer and its doubt, why and why not, what to do next, and the limits. Everything behind
it, with figures and log-odds, is `narrative.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from service.engine.model import AnswerValue, Assessment, Prediction, RedFlag
from service.engine.safety import not_explained
from service.mapping.writers import html
from service.mapping.writers.evidence import strongest
from service.mapping.writers.percentages import percentage
from service.mapping.writers.plan import given, reassess_day
from service.mapping.writers.vocabulary import Vocabulary
from service.records import dataclass

NAMED = 3  # findings for and against
REFERRALS = 4


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
    ignored: int  # entries of the submission that were left out
    warnings: int
    missing: int  # questions of the form nobody answered
    values: Mapping[str, AnswerValue]
    version: str
    change: Sequence[str] = ()  # sentences about the assessment before
    contradicted: Sequence[str] = ()  # finding ids to which the submission holds different answers
    age_years: float | None = None
    sex: str | None = None


def letter(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    """The half page as elements of XHTML."""
    texts = vocabulary.texts
    return [
        html.heading(texts("title")),
        html.paragraph(_about(story, vocabulary)),
        *_raised(assessment, story, vocabulary),
        *_contradictions(story, vocabulary),
        html.strong(answer(assessment, story.patterns, vocabulary)),
        *_doubt(assessment, vocabulary),
        *_why(assessment, story, vocabulary),
        *([html.paragraph(story.change[0])] if story.change else []),
        html.paragraph(_screened(assessment, vocabulary)),
        *_next(assessment, story, vocabulary),
        html.paragraph(texts("letter-limits")),
        html.strong(f"{texts('intended-use-heading')}: {texts('intended-use')}"),
    ]


def emergency(assessment: Assessment) -> bool:
    """Whether an alarm sign stands before every question of the source."""
    return any(flag.urgency == "emergency" for flag in assessment.red_flags.raised)


def child(assessment: Assessment) -> bool:
    return any(reason.code == "under-18" for reason in assessment.undecided)


def answer(assessment: Assessment, patterns: Sequence[Printed], vocabulary: Vocabulary) -> str:
    """The one sentence that answers the question, with its doubt. In an emergency and for a child no source is named."""
    leader, texts = patterns[0], vocabulary.texts
    codes = {reason.code for reason in assessment.undecided}
    if emergency(assessment):
        return texts("answer-emergency")
    if "under-18" in codes:
        return texts("answer-under-18")
    if "no-findings" in codes:
        return texts("answer-no-findings")
    percent = vocabulary.texts.percent
    key = "answer-undecided" if codes else "answer"
    return texts(key, pattern=leader.label, percent=percent(leader.percent), low=percent(leader.low), high=percent(leader.high))


def alarm_sentences(assessment: Assessment, vocabulary: Vocabulary) -> list[str]:
    """What to think of the figures of conditions that an urgent alarm sign names and the posterior holds for unlikely."""
    knowledge, printed = vocabulary.knowledge, {one.target: one for one in assessment.conditions}
    sentences = []
    for flag in not_explained(knowledge, assessment.conditions, assessment.red_flags):
        among = [printed[name] for name in flag.rule.conditions if name in printed]
        if not among:
            continue
        named = max(among, key=lambda one: one.probability)
        percent = vocabulary.texts.percent(percentage(named.probability))
        figures = vocabulary.texts("figure", condition=vocabulary.outcome_label(named), percent=percent)
        key = "alarm-seen-on-image" if seen_on_image(flag, vocabulary) else "alarm-not-weighed"
        sentences.append(vocabulary.texts(key, alarm=flag.rule.label, figures=figures))
    return sentences


def seen_on_image(flag: RedFlag, vocabulary: Vocabulary) -> bool:
    """Whether an answer behind the flag is the report of an image."""
    return any(vocabulary.findings[one].kind == "imaging" for one in flag.findings)


def _about(story: Story, vocabulary: Vocabulary) -> str:
    texts = vocabulary.texts
    person = []
    if story.age_years is not None:
        person.append(texts("person-age", age=int(story.age_years)))
    if story.sex is not None:
        person.append(texts(f"person-{story.sex}"))
    subject = ", ".join([story.subject, *person])
    return texts("for-subject", subject=subject, when=datetime.fromisoformat(story.when).date().isoformat())


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
        items.append((told, texts("red-flag-because", findings="; ".join(vocabulary.grounds(flag, story.values)))))
    return [html.heading(texts("red-flags-heading")), html.items_led_by(items)]


def _contradictions(story: Story, vocabulary: Vocabulary) -> list[str]:
    """Answers to an alarm question that contradict each other: whoever reads must clear them up, whichever counted."""
    asked = vocabulary.alarm_questions
    told = [vocabulary.answered(one, story.values) for one in story.contradicted if one in asked]
    return [html.strong(vocabulary.texts("contradiction", findings="; ".join(told)))] if told else []


def _doubt(assessment: Assessment, vocabulary: Vocabulary) -> list[str]:
    sentences = alarm_sentences(assessment, vocabulary)
    if not emergency(assessment):
        told = [vocabulary.undecided_text(one) for one in assessment.undecided if one.code != "alarm-not-explained"]
        sentences += told
    return [html.paragraph(" ".join(sentences))] if sentences else []


def _why(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    """The strongest answers for and against the leading source, in words; none where no source is named."""
    why = story.patterns[0].prediction.explanation
    if why is None or emergency(assessment) or child(assessment):
        return []
    sentences = []
    for key, supporting in (("letter-for", True), ("letter-against", False)):
        found = strongest(why, supporting=supporting, count=NAMED)
        if found:
            told = "; ".join(vocabulary.told(one.finding_id, one.value) for one, _ in found)
            sentences.append(vocabulary.texts(key, findings=told))
    if sentences and story.conditions:
        leader = story.conditions[0]
        percent = vocabulary.texts.percent(leader.percent)
        sentences.insert(0, vocabulary.texts("leading-condition", condition=leader.label, percent=percent))
    return [html.paragraph(" ".join(sentences))] if sentences else []


def _screened(assessment: Assessment, vocabulary: Vocabulary) -> str:
    screen, texts = assessment.red_flags, vocabulary.texts
    if screen.clear:
        return texts("red-flags-clear")
    if not screen.not_screened:
        return texts("letter-screened")
    key = "letter-not-screened" if screen.raised else "letter-none-raised"
    return texts(key, count=len(screen.not_screened))


def _next(assessment: Assessment, story: Story, vocabulary: Vocabulary) -> list[str]:
    texts = vocabulary.texts
    items = [
        texts("letter-referral", label=one.referral.label, urgency=texts(f"urgency-{one.urgency}"))
        for one in assessment.recommendations[:REFERRALS]
    ]
    first = next((item for item in given(assessment) if item.rule.kind == "first-line"), None)
    if first is not None:
        items.append(texts("letter-plan", label=first.rule.label))
    if assessment.next_findings and assessment.urgency != "emergency":  # no test may delay the emergency department
        items.append(texts("next-examine", findings=vocabulary.to_examine(assessment)))
    day = reassess_day(assessment, datetime.fromisoformat(story.when))
    if day is not None:
        items.append(texts("plan-reassess", date=day.isoformat()))
    return [html.heading(texts("next-heading")), html.items(items)] if items else []
