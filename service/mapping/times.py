"""When a statement about the patient holds, so that the newer of two can be told."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from service.fhir.bundles import Held, Resource

_DATE = len("2026-11-28")
_FRACTION = re.compile(r"\.\d+")


def effective_text(held: Held) -> str:
    """The clinically relevant time as it was written, or an empty text: when it was so, else when it was put on record."""
    resource = held.resource
    if held.type == "QuestionnaireResponse":
        return str(resource.get("authored", ""))
    if held.type == "RiskAssessment":
        return str(resource.get("occurrenceDateTime", ""))
    if held.type == "Observation":
        period: Resource = resource.get("effectivePeriod", {})
        candidates = (
            resource.get("effectiveDateTime"),
            resource.get("effectiveInstant"),
            period.get("end"),
            period.get("start"),
            resource.get("issued"),
        )
    else:
        candidates = (resource.get("recordedDate"), resource.get("onsetDateTime"), None, None, None)
    return str(next((text for text in candidates if text), ""))


def is_newer(text: str, other: str) -> bool:
    """Whether what is dated by the first text is wholly after what is dated by the second; False if one has no readable date.

    A date and a time of the same day overlap, so that neither is newer: a date is compared with a time as the calendar of
    that time's own zone shows it. Two times are compared as moments, whatever zones they are written in.
    """
    mine, theirs = moment(text), moment(other)
    if mine is None or theirs is None:
        return False
    if len(text) > _DATE and len(other) > _DATE:
        return mine > theirs
    shared = min(len(text), len(other), _DATE)
    return text[:shared] > other[:shared]


def written_end(text: str, begin: datetime) -> datetime:
    """A moment that the text's time is not later than: a year and a month end with their longest, a day with itself."""
    return begin + timedelta(days={4: 365, 7: 30}.get(len(text), 0))


def moment(text: str) -> datetime | None:
    """The beginning of a FHIR date, dateTime or instant, without a zone in UTC; None for an empty or unreadable text."""
    if not text:
        return None
    # Parts of a second longer than a clock tells are cut: datetime reads six digits at most.
    shortened = _FRACTION.sub(lambda fraction: fraction[0][:7].ljust(7, "0"), text)
    padded = shortened if len(shortened) > 7 else shortened + "-01-01"[len(shortened) - 4 :]
    try:
        read = datetime.fromisoformat(padded)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
