"""Times as FHIR writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970 in UTC. `moment` is aware."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(microseconds: int) -> datetime:
    """The aware time in UTC, that many microseconds after the start of 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def instant(moment: datetime) -> str:
    """A FHIR instant in UTC, to the millisecond. `moment` is aware."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
