"""Example data moved in time, so that its newest date is yesterday: of a record, what is too old no longer counts."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

_DATE = re.compile(r'(?<!"birthDate": )"(\d{4}-\d\d-\d\d)(?=["T])')


def yesterday() -> date:
    return datetime.now(UTC).date() - timedelta(days=1)


def moved_to_yesterday(text: str) -> str:
    """JSON with all its dates but dates of birth moved by the same number of days."""
    dates = [date.fromisoformat(found) for found in _DATE.findall(text)]
    moved = yesterday() - max(dates, default=yesterday())
    return _DATE.sub(lambda found: f'"{date.fromisoformat(found[1]) + moved}', text)
