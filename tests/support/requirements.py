"""docs/requirements.md: its rows, and the tests whose names carry the numbers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from support.servers import ROOT

PAGE = ROOT / "docs" / "requirements.md"
TESTS = ROOT / "tests"

_NUMBERS = re.compile(r"[RACSTH]\d+(?:[-, ]+[RACSTH]\d+)*")
_SPAN = re.compile(r"([RACSTH])(\d+)_to_\1(\d+)_")


def numbers_in(name: str) -> list[str]:
    """The requirement numbers a test's name begins with: test_R6_R9_..., test_R16_to_R24_..."""
    span = _SPAN.match(name.removeprefix("test_"))
    if span:
        return [f"{span[1]}{number}" for number in range(int(span[2]), int(span[3]) + 1)]
    found = []
    for part in name.removeprefix("test_").split("_"):
        if not re.fullmatch(r"[RACSTH]\d+", part):
            break
        found.append(part)
    return found


def tests_by_number() -> dict[str, dict[str, list[str]]]:
    """Requirement number -> file below tests/ -> names of the tests that carry it."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for name in test_names(path):
            for number in numbers_in(name):
                found.setdefault(number, {}).setdefault(path.relative_to(TESTS).as_posix(), []).append(name)
    return found


def test_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """The rows under one second-level heading: number -> the other cells."""
    part = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert part is not None, f"docs/requirements.md has no heading {heading!r}"
    found = {}
    for line in part[1].splitlines():
        cells = _cells(line)
        if cells:
            found[cells[0]] = cells[1:]
    return found


def listed_tests(cell: str) -> dict[str, list[str]]:
    """File -> test names of one cell of the page."""
    found: dict[str, list[str]] = {}
    for entry in cell.split("<br>"):
        file, _, names = entry.partition(": ")
        found[file.strip("`")] = re.findall(r"`(test_\w+)`", names)
    return found


def with_tests(text: str) -> str:
    """The page with the last cell of each row of "Met" and "Met in part" made anew from the names of the tests."""
    carried = tests_by_number()
    lines = []
    heading = ""
    for line in text.splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        cells = _cells(line)
        if cells and heading in ("Met", "Met in part"):
            files = carried.get(cells[0], {})
            cells[-1] = "<br>".join(f"`{file}`: " + ", ".join(f"`{name}`" for name in names) for file, names in files.items())
            line = f"| {' | '.join(cells)} |"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _cells(line: str) -> list[str]:
    """The cells of a row that begins with requirement numbers, else nothing."""
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    return cells if cells and _NUMBERS.fullmatch(cells[0]) else []
