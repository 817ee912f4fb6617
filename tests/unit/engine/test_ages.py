"""Age bands: one reader for the prior, the rules and the form."""

from __future__ import annotations

import pytest

from service.composition.parts import Service
from service.engine.ages import band_of, years_of

BANDS = ("18-39", "40-49", "70 and over")


@pytest.mark.parametrize(
    ("age", "band"), [(17.99, None), (18.0, "18-39"), (39.99, "18-39"), (40.0, "40-49"), (104.0, "70 and over")]
)
def test_an_age_falls_into_the_band_of_its_completed_years(age: float, band: str | None) -> None:
    assert band_of(age, BANDS) == band


def test_what_is_not_a_band_is_refused() -> None:
    with pytest.raises(ValueError, match="old"):
        years_of("old")


def test_the_bands_of_the_tables_leave_no_gap_and_the_last_is_open(service: Service) -> None:
    years = [years_of(choice) for choice in service.parts.knowledge.finding("age_band").choices]
    assert [last + 1 for _, last in years[:-1] if last is not None] == [first for first, _ in years[1:]]
    assert years[-1][1] is None
