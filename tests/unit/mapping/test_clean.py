"""What may not reach a reader is taken out, and everything else is left as it is."""

from __future__ import annotations

import sys

import pytest

from service.mapping.writers.extensions import _FORBIDDEN, clean


def test_no_forbidden_character_counts_as_printable() -> None:
    """The quick way out must not let one through."""
    assert [hex(code) for code in range(sys.maxunicode + 1) if _FORBIDDEN.match(chr(code)) and chr(code).isprintable()] == []


@pytest.mark.parametrize(
    ("text", "left"), [("  pain ", "pain"), ("a\u202eb", "ab"), ("Gesäß – 90 %", "Gesäß – 90 %"), ("one\ntwo\x00", "one\ntwo")]
)
def test_text_is_left_but_for_what_is_forbidden(text: str, left: str) -> None:
    assert clean(text) == left
