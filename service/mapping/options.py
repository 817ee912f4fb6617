"""What a caller may ask for beyond the assessment itself."""

from __future__ import annotations

from collections.abc import Mapping

from service.errors import Fault
from service.records import dataclass


@dataclass(frozen=True, slots=True)
class AssessOptions:
    """The parts of an answer that are made only when asked for."""

    care_plan: bool = False
    what_if: bool = False
    language: str = ""  # of the words for people; empty: the default of the service
    remarks: tuple[Fault, ...] = ()  # on how it was asked; the answer repeats them as warnings

    def __or__(self, other: AssessOptions) -> AssessOptions:
        """Asked for in one place is asked for: an address and a body need not agree."""
        return AssessOptions(
            self.care_plan or other.care_plan,
            self.what_if or other.what_if,
            self.language or other.language,
            (*self.remarks, *other.remarks),
        )

    def asking(self, parts: Mapping[str, bool]) -> AssessOptions:
        """The same with parts of the answer, by field, asked for or not."""
        return AssessOptions(parts.get("care_plan", False), parts.get("what_if", False), self.language, self.remarks)


# Name in Parameters and in the query of the address -> field of AssessOptions.
OPTION_NAMES: Mapping[str, str] = {"care-plan": "care_plan", "what-if": "what_if"}
NOTHING_MORE = AssessOptions()
