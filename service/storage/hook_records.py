"""What is kept of CDS Hooks: which advice was given, what became of it, and which tokens were used. Nothing about a patient.

`sql_hook_records.py` keeps it beside the resources; this module knows no database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, Protocol

from service.records import dataclass

Outcome = Literal["accepted", "overridden"]


@dataclass(frozen=True, slots=True)
class CardShown:
    """A card as it is counted. `differential` is the leading source pattern, empty where the card names none."""

    card: str
    topic: str
    differential: str


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a clinician did with a card. `acted` is aware; `digest` is equal for the same message sent again.

    `comment` is free text, which may say anything: it is kept for the people who run the service and shown nowhere.
    """

    service: str
    card: str
    outcome: Outcome
    suggestions: tuple[str, ...]
    reason_system: str
    reason_code: str
    comment: str
    acted: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many cards ended so on a day (UTC). `topic` is empty for cards this service does not remember having given."""

    service: str
    topic: str
    differential: str
    outcome: Outcome
    reason_system: str
    reason_code: str
    day: date
    cards: int


class HookRecords(Protocol):
    """The records of all processes that share a database."""

    def shown(self, service: str, cards: Sequence[CardShown], now: datetime) -> None:
        """Nothing; the cards are remembered, each once per service."""

    def add(self, feedback: Sequence[Feedback], now: datetime) -> None:
        """Nothing, once all of it is safely on disk; what is there already is not added again."""

    def counts(self) -> Sequence[Count]:
        """Every card with feedback once, by the last thing done with it."""

    def cards_shown(self) -> dict[str, int]:
        """How many different cards each service has given."""

    def first_use(self, digest: str, expires: float, now: float) -> bool:
        """Whether a token is used for the first time; it is remembered until `expires` (seconds since 1970)."""

    def secret(self, name: str, made: bytes) -> bytes:
        """The secret of that name of this installation: `made`, unless one is kept already. All processes get the same."""
