"""The plan on a terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from service.assessment.run import assess_subject
from service.cli.rendering import render
from service.composition.parts import Service
from service.fhir import r4

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.mark.parametrize(("name", "expected"), [
    ("spine", "First line: Physiotherapy and staying active."),
    ("emergency", "Withheld because this is an emergency"),
])  # fmt: skip
def test_the_terminal_shows_the_plan_or_that_it_is_withheld(name: str, expected: str, service: Service) -> None:
    limits = r4.Limits(max_bytes=1_000_000, max_depth=100)
    parsed = r4.parse((DATA / f"{name}.json").read_bytes(), limits=limits)
    console = Console(width=400, record=True, file=io.StringIO())
    console.print(render(assess_subject(parsed.resource, parts=service.parts), name=name, vocabulary=service.parts.vocabulary))
    shown = console.export_text()
    assert "Plan to consider" in shown
    assert expected in shown
