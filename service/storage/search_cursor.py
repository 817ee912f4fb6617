"""The place in a list of matches where a page begins, as text that means nothing to others.

It names the order, and the values of the match it is about, so that going on from there neither skips nor repeats a match
whatever is written meanwhile. Nothing in it is trusted: a place that nobody made here is refused.
"""

from __future__ import annotations

import base64
import binascii
import json

from service.errors import MalformedInput
from service.fhir.search_results import CURSOR
from service.fhir.search_wording import bad_value
from service.records import dataclass

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Position:
    """A match: `values` are those it is sorted by, in the `order` of that name. `backwards`: the page ends before it."""

    order: str
    values: tuple[Value, ...]
    key: int
    backwards: bool = False


def write_cursor(position: Position) -> str:
    """The position as text that fits into an address."""
    content = json.dumps([position.order, position.values, position.key, position.backwards], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def read_cursor(text: str) -> Position | None:
    """The position of such a text, None for an empty one; MalformedInput if it was not written here."""
    if not text:
        return None
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        order, values, key, backwards = json.loads(content)
        if not (
            isinstance(order, str)
            and isinstance(values, list)
            and len(values) <= 4
            and all(_is_value(value) for value in values)
            and type(key) is int
            and abs(key) < 2**62
            and type(backwards) is bool
        ):
            raise ValueError
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise refused() from None
    return Position(order, tuple(values), key, backwards)


def refused() -> MalformedInput:
    """The error about a place that is none in this search."""
    return MalformedInput(bad_value(CURSOR, "what a next or previous link of the same search holds, unchanged"))


def _is_value(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        value.encode()  # half a character is a ValueError
        return "\x00" not in value
    return not isinstance(value, bool) and isinstance(value, int | float) and (isinstance(value, float) or abs(value) < 2**63)
