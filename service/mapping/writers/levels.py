"""The spinal levels: one extension each, and the sentences about them."""

from __future__ import annotations

from service.engine.model import NO_LEVEL, Assessment, LevelProbability, LevelReason
from service.mapping.writers.extensions import Extension, nested, part
from service.mapping.writers.percentages import decimals, percentage
from service.mapping.writers.vocabulary import Vocabulary

LOG_ODDS_PLACES = 4
NAMED = 3  # findings named in a sentence


def level_extensions(assessment: Assessment, vocabulary: Vocabulary) -> list[Extension]:
    """Every level with its percentage and, unless it is negligible, the answers that move it most."""
    url = vocabulary.structure("spinal-level")
    return [
        nested(
            url,
            part("level", "valueCoding", vocabulary.coding("spinal-level", one.level)),
            part("probability", "valueDecimal", percentage(one.probability)),
            *(_reason(reason, vocabulary) for reason in _told(one, vocabulary)),
        )
        for one in assessment.levels
    ]


def level_rows(assessment: Assessment, vocabulary: Vocabulary) -> list[str]:
    """Ids of the table rows named in the extensions."""
    return [row for one in assessment.levels for reason in _told(one, vocabulary) for row in reason.rows]


def level_sentences(assessment: Assessment, vocabulary: Vocabulary) -> list[str]:
    """The levels that are not negligible, most probable first; what speaks for the first; how far to trust it."""
    if not assessment.levels:
        return []
    texts, negligible = vocabulary.texts, vocabulary.negligible_below_percent
    ranked = sorted((one for one in assessment.levels if one.level != NO_LEVEL), key=lambda one: -one.probability)
    named = [
        f"{one.level} {texts.percent(percentage(one.probability))}"
        for one in ranked
        if percentage(one.probability) >= negligible
    ]
    none = next(percentage(one.probability) for one in assessment.levels if one.level == NO_LEVEL)
    sentences = [texts("levels" if named else "levels-none", levels=", ".join(named), none=texts.percent(none))]
    for key, sign in (("levels-for", 1.0), ("levels-against", -1.0)):
        reasons = [one for one in ranked[0].reasons if sign * one.log_odds > 0.0][:NAMED] if named else []
        if reasons:
            told = "; ".join(vocabulary.told(one.finding_id, one.value) for one in reasons)
            sentences.append(texts(key, level=ranked[0].level, findings=told))
    return [*sentences, texts("levels-limits")]


def _told(one: LevelProbability, vocabulary: Vocabulary) -> tuple[LevelReason, ...]:
    return one.reasons if percentage(one.probability) >= vocabulary.negligible_below_percent else ()


def _reason(reason: LevelReason, vocabulary: Vocabulary) -> Extension:
    return nested(
        "reason",
        part("finding", "valueCode", reason.finding_id),
        part("value", *vocabulary.value(reason.value)),
        part("log-odds", "valueDecimal", decimals(reason.log_odds, LOG_ODDS_PLACES)),
        *(part("row", "valueId", row) for row in reason.rows),
    )
