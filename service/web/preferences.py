"""What a caller prefers (RFC 7240): how much of the answer, how strict a server."""

from __future__ import annotations

from typing import Literal

from service.records import dataclass

Return = Literal["minimal", "representation", "OperationOutcome"]
_RETURNS: tuple[Return, ...] = ("minimal", "representation", "OperationOutcome")


@dataclass(frozen=True, slots=True)
class Preferences:
    """`returning` None: the caller did not say. What is preferred and not known here is left alone, as the RFC wants it.

    `assess` is a preference of our own: have the patients of a transaction assessed, and answer with the assessments.
    """

    returning: Return | None = None
    strict: bool = False
    respond_async: bool = False
    assess: bool = False


def read_preferences(header: str | None) -> Preferences:
    """The preferences of one or several Prefer headers, joined by commas. Of two values for one preference the first counts."""
    wanted: dict[str, str] = {}
    for part in (header or "").replace(";", ",").split(","):
        name, _, value = part.partition("=")
        wanted.setdefault(name.strip().lower(), value.strip().strip('"'))
    returning = wanted.get("return", "").lower()
    return Preferences(
        returning=next((known for known in _RETURNS if known.lower() == returning), None),
        strict=wanted.get("handling", "").lower() == "strict",
        respond_async="respond-async" in wanted,
        assess="assess" in wanted,
    )
