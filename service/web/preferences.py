"""What a caller prefers (RFC 7240): how much of the answer, how strict a server."""

from __future__ import annotations

from typing import Literal

from service.errors import Fault, MalformedInput
from service.records import dataclass

Return = Literal["minimal", "representation", "OperationOutcome"]
_RETURNS: tuple[Return, ...] = ("minimal", "representation", "OperationOutcome")

ASSESS_ELSEWHERE = "Prefer: assess has no effect here: it is for transactions (POST /fhir); call $assess"


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


def check_assess(preferences: Preferences) -> None:
    """Nothing; MalformedInput where somebody strict prefers an assessment with what is no transaction.

    Others get what they sent for, and a remark (`ASSESS_ELSEWHERE`): a preference may be left unheeded (RFC 7240, section 2).
    """
    if preferences.assess and preferences.strict:
        raise MalformedInput(
            Fault(
                "not-supported",
                "An assessment is preferred where none is made.",
                where="Prefer",
                rule="Prefer: assess is for a transaction Bundle that is posted to /fhir.",
                repair="Send the resource in a transaction, or store it without the preference and call its $assess.",
            )
        )
