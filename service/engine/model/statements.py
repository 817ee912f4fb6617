"""Statements about one answer, as tables and rules write them, and what an answer can be."""

from __future__ import annotations

from typing import Literal

from service.records import dataclass

AnswerValue = bool | str | float
# Of an answer of which only a bound is known: ``<`` 38 is below 38, we do not know where.
Comparator = Literal["", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Test:
    """A machine-readable statement about one answer.

    Written ``true``, ``false``, ``=A|B`` (choice), or one or two bounds such as ``<=15`` and ``>15 <=25`` (quantity).
    """

    text: str
    truth: bool | None = None
    choices: tuple[str, ...] = ()
    bounds: tuple[tuple[str, float], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Test:
        """The statement written as `text`; ValueError if it has none of the forms above."""
        stripped = text.strip()
        if stripped in ("true", "false"):
            return cls(stripped, truth=stripped == "true")
        if stripped.startswith("=") and not _is_number(stripped[1:]):
            return cls(stripped, choices=tuple(stripped[1:].split("|")))
        bounds = []
        for part in stripped.split():
            sign = next((sign for sign in ("<=", ">=", "<", ">", "=") if part.startswith(sign)), None)
            if sign is None or not _is_number(part[len(sign):]):
                raise ValueError(f"not a statement about an answer: {text!r}")
            bounds.append((sign, float(part[len(sign):])))
        if not bounds:
            raise ValueError("an empty statement about an answer")
        return cls(stripped, bounds=tuple(bounds))

    def holds(self, value: AnswerValue) -> bool:
        """Whether the statement is true of a known answer."""
        if self.truth is not None:
            return value is self.truth
        if self.choices:
            return value in self.choices
        if isinstance(value, bool | str):
            return False
        return all(_COMPARE[sign](value, bound) for sign, bound in self.bounds)

    def decides(self, value: AnswerValue, comparator: Comparator = "") -> bool | None:
        """Whether the statement is true of every value an answer allows, false of every one, or neither (None).

        >>> Test.parse(">=38").decides(37.5, "<"), Test.parse(">=38").decides(39.0, "<")
        (False, None)
        """
        if not comparator:
            return self.holds(value)
        if len(self.bounds) != 1 or isinstance(value, bool | str):
            return None
        sign, bound = self.bounds[0]
        upward, open_end = comparator in (">", ">="), comparator in ("<", ">")
        beyond = value > bound if upward else value < bound
        if sign != "=" and upward == (sign in (">", ">=")):
            # Both open to the same side: true if the bound given lies at or beyond the one asked for.
            return True if beyond or (value == bound and (sign in ("<=", ">=") or open_end)) else None
        return False if beyond or (value == bound and (sign in ("<", ">") or open_end)) else None

    def example(self) -> AnswerValue:
        """One answer of which the statement is true; for bounds the inner end, or one beyond an open one."""
        if self.truth is not None:
            return self.truth
        if self.choices:
            return self.choices[0]
        sign, bound = self.bounds[-1]
        return {"<=": bound, ">=": bound, "=": bound, ">": bound + 1.0, "<": bound - 1.0}[sign]


_COMPARE = {
    "<=": lambda value, bound: value <= bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    ">": lambda value, bound: value > bound,
    "=": lambda value, bound: value == bound,
}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
