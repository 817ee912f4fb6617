"""What was found: the answers of one patient at one moment."""

from __future__ import annotations

from typing import Literal

from service.engine.model.kinds import Side
from service.engine.model.statements import AnswerValue, Comparator
from service.records import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """One known answer. `comparator` is set where only a bound of a quantity is known (``<38``)."""

    finding_id: str
    value: AnswerValue
    comparator: Comparator = ""
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A diagnosis on record that raises a red flag by itself, whatever was answered; it weighs nothing."""

    red_flag: str
    title: str


@dataclass(frozen=True, slots=True)
class Case:
    """One patient at one moment. A finding without an answer is unknown, which is not absent."""

    answers: tuple[Answer, ...] = ()
    age_years: float | None = None
    sex: Literal["female", "male"] | None = None
    side: Side | None = None
    asked_unknown: tuple[str, ...] = ()  # asked, and the answer was "unknown"; counts as no answer
    recorded: tuple[Recorded, ...] = ()

    def value(self, finding_id: str) -> AnswerValue | None:
        return next((answer.value for answer in self.answers if answer.finding_id == finding_id), None)
