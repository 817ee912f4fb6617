"""The shapes of FHIR extensions: a value, or named parts."""

from __future__ import annotations

from typing import Any

Extension = dict[str, Any]


def part(url: str, element: str, value: object) -> Extension:
    """An extension that holds one value; `element` is its FHIR name, such as ``valueCode``."""
    return {"url": url, element: value}


def nested(url: str, *parts: Extension) -> Extension:
    """An extension that holds parts. R4 forbids a value beside them (ext-1)."""
    return {"url": url, "extension": list(parts)}


def clean(text: str) -> str:
    """The text without what must not reach a reader: control characters, direction marks, characters XML forbids.

    Direction marks could make a displayed sentence read in another order than it was written.
    """
    return "".join(character for character in text if not _forbidden(ord(character))).strip()


def _forbidden(point: int) -> bool:
    return (
        (point < 0x20 and point not in (0x09, 0x0A, 0x0D))
        or 0x7F <= point <= 0x9F
        or point in (0x061C, 0x200B, 0x200E, 0x200F, 0xFEFF)
        or 0x202A <= point <= 0x202E
        or 0x2066 <= point <= 0x2069
        or 0xD800 <= point <= 0xDFFF
        or point & 0xFFFE == 0xFFFE
    )
