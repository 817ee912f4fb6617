"""What counted for and against: contributions with their rows, the sources behind them, and a plain sentence."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from service.engine.model import Assessment, Contribution, Explanation, Prediction
from service.mapping.writers.extensions import nested, part
from service.mapping.writers.percentages import decimals
from service.mapping.writers.vocabulary import Vocabulary

Extension = dict[str, Any]

LOG_ODDS_PLACES = 9  # sixty figures rounded so still add up to the printed total within 1e-6
NAMED = 3  # findings named on each side of a sentence; one on each side where the probability is negligible
NOTICEABLE_LOG_ODDS = 0.01  # wording only: a change of the odds by one percent is not worth a reader's time
EXPLAINED_CONDITIONS = 2  # conditions whose contributions are written out


def explained(assessment: Assessment) -> list[Prediction]:
    """The leading predictions, patterns then conditions, whose contributions are written out in full.

    Each costs some 200 bytes per answer, so it is the leading pattern (and its rival while that is open) and two conditions.
    """
    patterns = 2 if assessment.undecided else 1
    leading = (*assessment.patterns[:patterns], *assessment.conditions[:EXPLAINED_CONDITIONS])
    return [prediction for prediction in leading if prediction.explanation is not None]


def explanation(url: str, why: Explanation, vocabulary: Vocabulary) -> Extension:
    """Prior, posterior and every contribution in natural log-odds, strongest first, as one extension of that address.

    The printed prior plus the printed contributions equals the printed posterior to 1e-6.
    """
    strongest_first = sorted(why.contributions, key=lambda one: -abs(one.log_odds))
    return nested(
        url,
        part("prior-log-odds", "valueDecimal", decimals(why.prior_log_odds, LOG_ODDS_PLACES)),
        part("posterior-log-odds", "valueDecimal", decimals(why.posterior_log_odds, LOG_ODDS_PLACES)),
        *(_contribution(one, vocabulary) for one in strongest_first),
    )


def _contribution(one: Contribution, vocabulary: Vocabulary) -> Extension:
    # The finding's coding with its display stands once, under used-finding: sixty answers times six targets add up. For the
    # same reason the parts are written out here: calling `part` for each took as long as all the rest.
    element, value = vocabulary.value(one.value)
    parts: list[Extension] = [
        {"url": "finding", "valueCode": one.finding_id},
        {"url": "value", element: value},
        {"url": "log-odds", "valueDecimal": decimals(one.log_odds, LOG_ODDS_PLACES)},
        *[{"url": "row", "valueId": row} for row in one.rows],
    ]
    if one.counted != "full":
        parts.append({"url": "counted", "valueCode": one.counted})
    return {"url": "contribution", "extension": parts}


def sources(explanations: Iterable[Explanation], vocabulary: Vocabulary, *, beside: Iterable[str] = ()) -> list[Extension]:
    """One extension per source and kind of evidence of the rows the explanations name and those `beside`, first cited first."""
    rows = dict.fromkeys([*(row for why in explanations for one in why.contributions for row in one.rows), *beside])
    by_source: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        by_source.setdefault(vocabulary.source_of_row(row), []).append(row)
    url = vocabulary.structure("evidence")
    return [
        nested(
            url,
            part("citation", "valueRelatedArtifact", vocabulary.citation(source_id)),
            part("kind", "valueCode", kind),
            *(part("row", "valueId", row) for row in named),
        )
        for (source_id, kind), named in by_source.items()
    ]


Moved = list[tuple[Contribution, float]]


def noticeable(why: Explanation) -> Moved:
    """The findings that moved the target noticeably, strongest first, each with the log-odds of all its parts."""
    together: dict[str, tuple[Contribution, float]] = {}
    for one in why.contributions:
        known = together.get(one.finding_id)
        together[one.finding_id] = (one, one.log_odds) if known is None else (known[0], known[1] + one.log_odds)
    chosen = [pair for pair in together.values() if abs(pair[1]) >= NOTICEABLE_LOG_ODDS]
    chosen.sort(key=lambda pair: -abs(pair[1]))
    return chosen


def of_one_side(moved: Moved, *, supporting: bool, count: int) -> Moved:
    """The first so many that speak for the target, or against it."""
    return [pair for pair in moved if (pair[1] > 0.0) is supporting][:count]


def strongest(why: Explanation, *, supporting: bool, count: int) -> Moved:
    """The findings that moved the target most in one direction, strongest first, with the log-odds of all their parts."""
    return of_one_side(noticeable(why), supporting=supporting, count=count)


def rationale(
    prediction: Prediction, printed: Decimal, prior: Decimal, vocabulary: Vocabulary, *, untold: frozenset[str] = frozenset()
) -> str:
    """One plain sentence on a prediction that names the strongest findings for and against, but none of `untold` against."""
    why = prediction.explanation
    if why is None or not why.contributions:
        return vocabulary.texts("rationale-no-findings")
    moved = noticeable(why)
    against = [one for one in moved if one[0].finding_id not in untold] if untold else moved
    count = NAMED if printed >= vocabulary.negligible_below_percent else 1
    return vocabulary.texts(
        "rationale",
        prior=vocabulary.texts.percent(prior),
        percent=vocabulary.texts.percent(printed),
        supporting=_named(of_one_side(moved, supporting=True, count=count), vocabulary),
        opposing=_named(of_one_side(against, supporting=False, count=count), vocabulary),
    )


def _named(moved: Moved, vocabulary: Vocabulary) -> str:
    named = [vocabulary.told(one.finding_id, one.value) for one, _ in moved]
    return "; ".join(named) if named else vocabulary.texts("rationale-nothing")
