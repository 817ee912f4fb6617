"""Statements about answers (`true`, `=A|B`, `>=38`): what they hold of, and what a one-sided answer decides."""

from __future__ import annotations

import pytest

from service.engine.model import Test as Statement


@pytest.mark.parametrize(
    ("statement", "value", "comparator", "outcome"),
    [
        (">38", 38.0, ">", True),
        (">38", 38.0, ">=", None),
        (">38", 38.0, "<=", False),
        (">38", 38.0, "<", False),
        ("<=15", 15.0, "<=", True),
        ("<=15", 15.0, "<", True),
        ("<15", 15.0, "<=", None),
        ("<15", 15.0, ">=", False),
        ("<=15", 15.0, ">=", None),
        ("<=15", 15.0, ">", False),
        ("=2", 1.0, "<", False),
        ("=2", 2.0, ">", False),
        ("=2", 2.0, ">=", None),
        ("=2", 3.0, "<", None),
        (">15 <=25", 20.0, "<", None),
        (">15 <=25", 20.0, "", True),
        ("true", True, "", True),
    ],
)
def test_C9_bounds_at_the_threshold(statement, value, comparator, outcome):
    assert Statement.parse(statement).decides(value, comparator) is outcome
