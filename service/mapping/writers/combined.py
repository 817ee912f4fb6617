"""The combined pattern of spine and hip: one extension with primary source, stages and their basis, and its sentences."""

from __future__ import annotations

from service.engine.model import Assessment, CombinedPattern, StageReason
from service.mapping.writers.evidence import strongest
from service.mapping.writers.extensions import Extension, nested, part
from service.mapping.writers.percentages import decimals, partition_percentages, percentage
from service.mapping.writers.vocabulary import Vocabulary

LOG_ODDS_PLACES = 4
NAMED = 3  # findings named in a sentence


def combined_extensions(assessment: Assessment, vocabulary: Vocabulary) -> list[Extension]:
    """The combined pattern where spine and hip both carry weight. Stages, and the two primaries, sum to exactly 100.00."""
    combined = assessment.combined
    if combined is None:
        return []
    spine, hip = partition_percentages([combined.primary_spine, 1.0 - combined.primary_spine])
    shares = partition_percentages([probability for _, probability in combined.stages])
    return [
        nested(
            vocabulary.structure("combined-pattern"),
            part("both", "valueDecimal", percentage(combined.both)),
            part("primary", "valueCoding", vocabulary.coding("combined-primary", combined.primary)),
            part("primary-spine", "valueDecimal", spine),
            part("primary-hip", "valueDecimal", hip),
            *(
                nested(
                    "stage",
                    part("stage", "valueCoding", vocabulary.coding("combined-stage", f"stage-{stage}")),
                    part("probability", "valueDecimal", share),
                )
                for (stage, _), share in zip(combined.stages, shares, strict=True)
            ),
            *(_reason(reason, vocabulary) for reason in combined.reasons),
            part("limits", "valueString", vocabulary.texts("combined-limits")),
        )
    ]


def combined_rows(assessment: Assessment) -> list[str]:
    """Ids of the table rows behind the stages."""
    return [row for reason in assessment.combined.reasons for row in reason.rows] if assessment.combined else []


def combined_sentences(assessment: Assessment, vocabulary: Vocabulary) -> list[str]:
    """Who is primary and why, the stages and why, and that no study stands behind the stages."""
    combined = assessment.combined
    if combined is None:
        return []
    texts = vocabulary.texts
    spine, hip = partition_percentages([combined.primary_spine, 1.0 - combined.primary_spine])
    sentences = [
        texts("combined-both", percent=texts.percent(percentage(combined.both))),
        texts(f"combined-primary-{combined.primary}", spine=texts.percent(spine), hip=texts.percent(hip)),
    ]
    if combined.primary != "undetermined":
        moved = strongest(assessment.spine_versus_hip, supporting=combined.primary == "spine", count=NAMED)
        if moved:
            told = "; ".join(vocabulary.told(one.finding_id, one.value) for one, _ in moved)
            sentences.append(texts("combined-primary-why", findings=told))
    shares = partition_percentages([probability for _, probability in combined.stages])
    told = "; ".join(
        texts("combined-stage", stage=texts(f"combined-stage-{stage}"), percent=texts.percent(share))
        for (stage, _), share in zip(combined.stages, shares, strict=True)
    )
    sentences.append(texts("combined-stages", stages=told))
    sentences += [
        texts("combined-stage-why", stage=stage, findings="; ".join(named))
        for stage, _ in combined.stages
        if (named := _named(combined, stage, vocabulary))
    ]
    return [*sentences, texts("combined-limits")]


def _named(combined: CombinedPattern, stage: int, vocabulary: Vocabulary) -> list[str]:
    return [vocabulary.told(one.finding_id, one.value) for one in combined.reasons if one.stage == stage][:NAMED]


def _reason(reason: StageReason, vocabulary: Vocabulary) -> Extension:
    return nested(
        "reason",
        part("stage", "valueCode", f"stage-{reason.stage}"),
        part("finding", "valueCode", reason.finding_id),
        part("value", *vocabulary.value(reason.value)),
        part("log-odds", "valueDecimal", decimals(reason.log_odds, LOG_ODDS_PLACES)),
        *(part("row", "valueId", row) for row in reason.rows),
    )
