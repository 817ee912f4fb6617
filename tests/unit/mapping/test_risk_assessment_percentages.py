"""Percentages as they are printed: the one conversion, distributions that sum to 100, intervals that hold their point."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.mapping.writers.percentages import decimals, interval, partition_percentages, percentage, plain_number

fractions = st.floats(min_value=0.0, max_value=1.0, allow_nan=False)
distributions = st.lists(st.floats(min_value=0.0, max_value=1.0), min_size=2, max_size=12).filter(lambda x: sum(x) > 1e-3)


@pytest.mark.parametrize(
    ("fraction", "printed"),
    [(0.0, "0.00"), (1.0, "100.00"), (0.4123, "41.23"), (1e-9, "0.00"), (0.00005, "0.00"), (0.000051, "0.01"), (0.5, "50.00")],
)
def test_A5_a_fraction_becomes_a_percentage_with_two_decimals(fraction: float, printed: str) -> None:
    assert str(percentage(fraction)) == printed


@pytest.mark.parametrize("fraction", [float("nan"), float("inf"), -0.01, 1.01])
def test_A16_a_number_that_is_no_probability_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="not a probability"):
        percentage(fraction)


@given(fractions)
def test_A5_a_percentage_never_has_an_exponent_or_more_than_two_decimals(fraction: float) -> None:
    text = str(percentage(fraction))
    assert "E" not in text
    assert len(text.split(".")[1]) == 2
    assert 0 <= Decimal(text) <= 100


@given(distributions)
def test_A4_a_distribution_sums_to_exactly_one_hundred_in_unchanged_order(weights: list[float]) -> None:
    total = sum(weights)
    ordered = sorted((weight / total for weight in weights), reverse=True)
    printed = partition_percentages(ordered)
    assert sum(printed) == Decimal("100.00")
    assert printed == sorted(printed, reverse=True)
    assert all(abs(float(one) - fraction * 100) < 0.0100001 for one, fraction in zip(printed, ordered, strict=True))


def test_A4_fractions_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ValueError, match="not a distribution"):
        partition_percentages([0.5, 0.4])


@given(distributions, st.floats(min_value=0, max_value=0.2), st.floats(min_value=0, max_value=0.2))
def test_A6_the_printed_interval_holds_the_printed_point(weights: list[float], below: float, above: float) -> None:
    shares = [weight / sum(weights) for weight in weights]
    for share, printed in zip(shares, partition_percentages(shares), strict=True):
        low, high = interval(max(0.0, share - below), min(1.0, share + above), printed)
        assert 0 <= low <= printed <= high <= 100


def test_a_negative_zero_is_never_printed() -> None:
    assert str(decimals(-1e-12, 9)) == "0.0"
    assert str(decimals(-0.25, 2)) == "-0.25"


@pytest.mark.parametrize(
    ("value", "printed"), [(12.0, "12"), (38.5, "38.5"), (0.0, "0"), (1e-9, "0"), (1500.0, "1500"), (-0.0, "0")]
)
def test_a_measured_number_is_printed_without_needless_zeros(value: float, printed: str) -> None:
    assert str(plain_number(value)) == printed
