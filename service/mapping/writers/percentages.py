"""Percentages as FHIR prints them. The engine speaks fractions 0..1; R4 wants `probabilityDecimal` from 0 to 100."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import cache

_HUNDREDTHS = 10_000  # hundredths of a percent in a whole


def percentage(fraction: float) -> Decimal:
    """A fraction as a percentage with two decimals, never an exponent: 0.4123 -> 41.23.

    The only conversion of a single probability. ValueError outside 0..1: such a number must not leave.
    R4 RiskAssessment, ras-2 and the definition of prediction.probability[x].

    >>> percentage(0.4123), percentage(0.0), percentage(1.0)
    (Decimal('41.23'), Decimal('0.00'), Decimal('100.00'))
    """
    return _from_hundredths(round(_checked(fraction) * _HUNDREDTHS))


def partition_percentages(fractions: Sequence[float]) -> list[Decimal]:
    """Percentages of a distribution, in the same order, that sum to exactly 100.00.

    Largest remainder: everything is rounded down, and the hundredths left over go to those that lost most. A larger
    fraction never gets a smaller percentage. ValueError if the fractions do not sum to 1 within 1e-6.

    >>> partition_percentages([1 / 3, 1 / 3, 1 / 3])
    [Decimal('33.34'), Decimal('33.33'), Decimal('33.33')]
    """
    if abs(math.fsum(fractions) - 1.0) > 1e-6:
        raise ValueError("the fractions are not a distribution: they do not sum to 1")
    exact = [_checked(fraction) * _HUNDREDTHS for fraction in fractions]
    whole = [math.floor(value) for value in exact]
    left = _HUNDREDTHS - sum(whole)
    by_loss = sorted(range(len(exact)), key=lambda index: (whole[index] - exact[index], index))
    for index in by_loss[:left]:
        whole[index] += 1
    return [_from_hundredths(value) for value in whole]


def interval(low: float, high: float, printed: Decimal) -> tuple[Decimal, Decimal]:
    """The interval as percentages, rounded outwards, so that low <= printed <= high holds of the printed figures."""
    lower = _from_hundredths(math.floor(_checked(low) * _HUNDREDTHS))
    upper = _from_hundredths(min(_HUNDREDTHS, math.ceil(_checked(high) * _HUNDREDTHS)))
    return min(lower, printed), max(upper, printed)


def decimals(value: float, places: int) -> Decimal:
    """Any other number rounded to that many decimals; zero is 0.0, never negative and never with an exponent."""
    rounded = Decimal(f"{value:.{places}f}")
    return rounded if rounded else Decimal("0.0")


def _checked(fraction: float) -> float:
    if not -1e-9 <= fraction <= 1.0 + 1e-9:  # also refuses NaN
        raise ValueError(f"not a probability: {fraction}")
    return min(max(fraction, 0.0), 1.0)


@cache  # ten thousand and one of them, at most, and a few hundred in every answer
def _from_hundredths(count: int) -> Decimal:
    return Decimal(count).scaleb(-2)


def plain_number(value: float) -> Decimal:
    """A measured number as a reader would write it: no needless zeros, no exponent.

    >>> plain_number(12.0), plain_number(38.5), plain_number(0.0)
    (Decimal('12'), Decimal('38.5'), Decimal('0'))
    """
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return Decimal(text if text not in ("", "-0") else "0")
