"""Age bands as the tables write them: ``40-49``, ``70 and over``. The only place that reads their text."""

from __future__ import annotations

from collections.abc import Iterable

ADULT_AGE_YEARS = 18.0
_OPEN_END = " and over"


def years_of(band: str) -> tuple[int, int | None]:
    """First and last year of a band; no last year if it has no end. ValueError if it is not a band."""
    if band.endswith(_OPEN_END):
        return int(band.removesuffix(_OPEN_END)), None
    first, _, last = band.partition("-")
    return int(first), int(last)


def band_of(age_years: float, bands: Iterable[str]) -> str | None:
    """The band an age falls into, counted in completed years; None below the lowest."""
    for band in bands:
        first, last = years_of(band)
        if age_years >= first and (last is None or age_years < last + 1):
            return band
    return None
