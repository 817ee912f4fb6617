"""A re-assessment beside the assessment before it: which one that was, what changed, and which answers changed it."""

from __future__ import annotations

from typing import Any

from service.engine.model import AnswerValue, Change
from service.mapping.reading import EarlierAssessment
from service.mapping.writers.extensions import clean, nested, part
from service.mapping.writers.percentages import decimals, partition_percentages
from service.mapping.writers.vocabulary import Vocabulary

Extension = dict[str, Any]

LOG_ODDS_PLACES = 9
LISTED = 3


def change_extension(change: Change, earlier: EarlierAssessment, vocabulary: Vocabulary) -> Extension:
    """The extension `change`: per pattern the percentages before (as reported then) and now, and the reasons."""
    structure = vocabulary.structure
    now = partition_percentages([after for _, _, after in change.patterns])
    return nested(
        structure("change"),
        *([part("since", "valueDateTime", earlier.assessed)] if earlier.assessed else []),
        *(
            nested(
                "pattern",
                part("code", "valueCoding", vocabulary.coding("source-pattern", name)),
                *([part("reported", "valueDecimal", decimals(earlier.patterns[name], 2))] if name in earlier.patterns else []),
                part("now", "valueDecimal", figure),
            )
            for (name, _, _), figure in zip(change.patterns, now, strict=True)
        ),
        part("leading", "valueCode", change.leading),
        part("prior-log-odds", "valueDecimal", decimals(change.prior_log_odds, LOG_ODDS_PLACES)),
        part("log-odds", "valueDecimal", decimals(change.log_odds, LOG_ODDS_PLACES)),
        *(
            nested(
                "reason",
                part("finding", "valueCode", reason.finding_id),
                *([part("before", *vocabulary.value(reason.before))] if reason.before is not None else []),
                *([part("after", *vocabulary.value(reason.after))] if reason.after is not None else []),
                part("log-odds", "valueDecimal", decimals(reason.log_odds, LOG_ODDS_PLACES)),
            )
            for reason in change.reasons
        ),
    )


def change_sentences(change: Change, earlier: EarlierAssessment, vocabulary: Vocabulary) -> list[str]:
    """What changed, in words: the pattern that leads now, before and after, and the answers that moved it most."""
    texts = vocabulary.texts
    figures = partition_percentages([after for _, _, after in change.patterns])
    now = dict(zip((name for name, _, _ in change.patterns), figures, strict=True))
    label = vocabulary.called("source-pattern", change.leading)
    before = earlier.patterns.get(change.leading)
    sentences = [
        texts(
            "change" if before is not None else "change-unknown-before",
            since=earlier.assessed[:10] or "?",
            pattern=label,
            before=texts.percent(decimals(before, 2)) if before is not None else "",
            now=texts.percent(now[change.leading]),
        )
    ]
    for reason in change.reasons[:LISTED]:
        sentences.append(
            texts(
                "change-reason",
                finding=vocabulary.label(reason.finding_id),
                before=_state(reason.finding_id, reason.before, vocabulary),
                after=_state(reason.finding_id, reason.after, vocabulary),
                log_odds=texts.number(f"{decimals(reason.log_odds, 2):+}"),
            )
        )
    return [clean(sentence) for sentence in sentences]


def _state(finding_id: str, value: AnswerValue | None, vocabulary: Vocabulary) -> str:
    return vocabulary.texts("change-not-known") if value is None else vocabulary.state(finding_id, value)
