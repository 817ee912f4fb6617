"""What would change the answer, as extensions and as sentences."""

from __future__ import annotations

from itertools import groupby

from service.engine.model import PATTERNS, Assessment, FlipSet, ResultEffect, WhatIf
from service.mapping.writers.extensions import Extension, nested, part
from service.mapping.writers.percentages import decimals, partition_percentages, percentage
from service.mapping.writers.vocabulary import Vocabulary

BITS_PLACES = 4
PRINTED_BITS = 2


def what_if_extensions(assessment: Assessment, vocabulary: Vocabulary) -> list[Extension]:
    """The best examination, the label and the flip sets; then, if they were asked for, the results of every finding."""
    found = assessment.what_if
    if found is None:
        return []
    structure = vocabulary.structure
    return [
        *_best(found, vocabulary),
        *([part(structure("robustness"), "valueCoding", _robustness(found, vocabulary))] if found.robustness else []),
        *(_flip(flip, structure("flip-set"), vocabulary, referral=flip is found.flip_referral) for flip in _flips(found)),
        *(
            _finding(finding_id, list(effects), vocabulary)
            for finding_id, effects in groupby(found.effects, key=lambda effect: effect.finding_id)
        ),
    ]


def what_if_sentences(assessment: Assessment, vocabulary: Vocabulary) -> list[str]:
    """The same for a reader, without the single results; empty in an emergency, which no test may delay."""
    found, texts = assessment.what_if, vocabulary.texts
    if found is None or assessment.urgency == "emergency":
        return []
    sentences = []
    if found.best is not None:
        bits = decimals(found.best.bits, PRINTED_BITS)
        sentences.append(texts("what-if-best", finding=vocabulary.label(found.best.finding_id), bits=bits))
        if found.splits:
            one, other = (vocabulary.called(_system(code), code) for code in found.splits)
            sentences.append(texts("what-if-splits", one=one, other=other))
    if found.robustness:
        sentences.append(texts(f"robustness-{found.robustness}"))
    if found.flip_pattern is not None:
        label = vocabulary.called("source-pattern", found.flip_pattern.becomes)
        sentences.append(_would(found.flip_pattern, texts("what-if-pattern", pattern=label), vocabulary))
    if found.flip_referral is not None:
        label = _referral_label(found.flip_referral.becomes, vocabulary)
        sentences.append(_would(found.flip_referral, texts("what-if-referral", referral=label), vocabulary))
    return sentences


def _flips(found: WhatIf) -> list[FlipSet]:
    return [flip for flip in (found.flip_pattern, found.flip_referral) if flip is not None]


def _would(flip: FlipSet, outcome: str, vocabulary: Vocabulary) -> str:
    told = "; ".join(vocabulary.told(finding_id, value) for finding_id, value in flip.results)
    percent = vocabulary.texts.percent(percentage(min(flip.expected, 1.0)))
    return vocabulary.texts("what-if-flip", results=told, percent=percent, outcome=outcome)


def _referral_label(referral_id: str, vocabulary: Vocabulary) -> str:
    """The label of a referral; that it is none, where results would leave nothing to propose."""
    labels = {referral.id: referral.label for referral in vocabulary.knowledge.referrals}
    return labels.get(referral_id, vocabulary.texts("what-if-no-referral"))


def _robustness(found: WhatIf, vocabulary: Vocabulary) -> dict[str, object]:
    return vocabulary.coding("robustness", str(found.robustness))


def _differential(code: str, vocabulary: Vocabulary) -> dict[str, object]:
    """The coding of a source pattern or a condition."""
    return vocabulary.coding(_system(code), code)


def _system(code: str) -> str:
    return "source-pattern" if code in PATTERNS else "condition"


def _best(found: WhatIf, vocabulary: Vocabulary) -> list[Extension]:
    if found.best is None:
        return []
    return [
        nested(
            vocabulary.structure("best-examination"),
            part("finding", "valueCoding", vocabulary.coding("finding", found.best.finding_id)),
            part("information-bits", "valueDecimal", decimals(found.best.bits, BITS_PLACES)),
            *(part("splits", "valueCoding", _differential(code, vocabulary)) for code in found.splits),
        )
    ]


def _flip(flip: FlipSet, url: str, vocabulary: Vocabulary, *, referral: bool) -> Extension:
    """A set of results and what they would put first: a pattern, or a referral (none: no referral is left)."""
    if not referral:
        becomes = [part("becomes-pattern", "valueCoding", vocabulary.coding("source-pattern", flip.becomes))]
    else:
        services = [vocabulary.service(one) for one in vocabulary.knowledge.referrals if one.id == flip.becomes]
        becomes = [
            part("becomes-referral", "valueCodeableConcept", service)
            for service in (services or [{"text": vocabulary.texts("what-if-no-referral")}])
        ]
    return nested(
        url,
        *(
            nested("result", part("finding", "valueCode", finding_id), part("value", *vocabulary.value(value)))
            for finding_id, value in flip.results
        ),
        part("expected", "valueDecimal", percentage(min(flip.expected, 1.0))),
        *becomes,
    )


def _finding(finding_id: str, effects: list[ResultEffect], vocabulary: Vocabulary) -> Extension:
    """Every possible result of one finding; `expected` and the patterns after it are percentages."""
    return nested(
        vocabulary.structure("what-if"),
        part("finding", "valueCode", finding_id),
        part("bedside", "valueBoolean", effects[0].bedside),
        *(_result(effect, vocabulary) for effect in effects),
    )


def _result(effect: ResultEffect, vocabulary: Vocabulary) -> Extension:
    figures = partition_percentages([probability for _, probability in effect.patterns])
    return nested(
        "result",
        part("value", *vocabulary.value(effect.value)),
        part("expected", "valueDecimal", percentage(min(effect.expected, 1.0))),
        part("flips", "valueBoolean", effect.flips),
        *(
            nested("pattern", part("code", "valueCode", code), part("probability", "valueDecimal", figure))
            for (code, _), figure in zip(effect.patterns, figures, strict=True)
        ),
    )
