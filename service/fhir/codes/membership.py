"""Whether a code is in a value set (one published here, or one of R4 whose codes are in our tables), and whether it exists."""

from __future__ import annotations

from service.fhir.codes.held import Held
from service.fhir.codes.value_set import codes_of
from service.fhir.elements import value_set_codes

R4_VALUE_SET = "http://hl7.org/fhir/ValueSet/"


class Membership:
    """Answers, remembered per value set."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._codes: dict[str, frozenset[tuple[str, str]] | None] = {}

    def member(self, value_set: str, system: str, code: str) -> bool | None:
        """Whether the code is in the value set; None if that cannot be told here. An empty system stands for any."""
        if value_set not in self._codes:
            self._codes[value_set] = self._listed(value_set)
        codes = self._codes[value_set]
        if codes is None:
            return None
        return (system, code) in codes if system else any(code == one for _, one in codes)

    def exists(self, system: str, code: str) -> bool | None:
        """Whether a code system has the code; None if it is held only in part or not at all, so that nobody here can tell."""
        held = self._held.systems.get(system)
        return code in held.concepts if held is not None and held.complete else None

    def _listed(self, value_set: str) -> frozenset[tuple[str, str]] | None:
        if value_set.startswith(R4_VALUE_SET):
            return value_set_codes(value_set.removeprefix(R4_VALUE_SET))
        return codes_of(self._held, value_set)
