"""What callers prefer, as RFC 7240 lets them write it."""

from __future__ import annotations

import pytest

from service.web.preferences import Preferences, read_preferences


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, Preferences()),
        ("", Preferences()),
        ("return=minimal", Preferences(returning="minimal")),
        ("RETURN=operationoutcome", Preferences(returning="OperationOutcome")),
        ('return="representation"', Preferences(returning="representation")),
        ("handling=strict; return=minimal", Preferences(returning="minimal", strict=True)),
        ("respond-async, handling=lenient", Preferences(respond_async=True)),
        ("return = minimal , return=representation", Preferences(returning="minimal")),
        ("return=everything, wait=10", Preferences()),
    ],
)
def test_a_prefer_header_is_read(header: str | None, expected: Preferences) -> None:
    assert read_preferences(header) == expected
