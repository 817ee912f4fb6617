"""The shapes of FHIR extensions: a value, or named parts."""

from __future__ import annotations

import re
from typing import Any

Extension = dict[str, Any]

_FORBIDDEN = re.compile(
    "["
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters but tab and line ends
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"  # invisible marks, most of them of direction
    "\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)


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
    if text.isprintable():  # none of the forbidden characters is, and the search costs twenty times the question
        return text.strip()
    return _FORBIDDEN.sub("", text).strip()
