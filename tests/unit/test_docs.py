"""The pages under docs/ say what the code and the tables say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from support import requirements

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_the_model_page_is_what_the_tables_imply() -> None:
    """Mend it with: python -m service knowledge --write docs/model.md"""
    from service.cli.knowledge import model_page
    from service.engine.network import compile_network
    from service.knowledge.load import load_knowledge_base
    from service.resources import tables_directory

    page = model_page(compile_network(load_knowledge_base(tables_directory())))
    assert (DOCS / "model.md").read_text(encoding="utf-8") == page


@pytest.mark.parametrize("heading", ["Met", "Met in part"])
def test_every_requirement_that_is_met_names_tests_that_exist(heading: str) -> None:
    """Mend it with: make docs"""
    rows = requirements.rows(requirements.PAGE.read_text(encoding="utf-8"), heading)
    assert rows
    for number, cells in rows.items():
        listed = requirements.listed_tests(cells[-1])
        assert any(listed.values()), f"{number} names no test"
        for file, names in listed.items():
            path = requirements.TESTS / file
            assert path.is_file(), f"{number}: tests/{file} is gone"
            gone = set(names) - set(requirements.test_names(path))
            assert not gone, f"{number}: tests/{file} no longer has {sorted(gone)}"


def test_every_number_in_a_tests_name_is_listed_as_met() -> None:
    text = requirements.PAGE.read_text(encoding="utf-8")
    listed = {*requirements.rows(text, "Met"), *requirements.rows(text, "Met in part")}
    assert set(requirements.tests_by_number()) <= listed


def test_every_requirement_has_one_place() -> None:
    """Each number of the series is met, met in part, or later with a reason; none is forgotten or listed twice."""
    text = requirements.PAGE.read_text(encoding="utf-8")
    met = [*requirements.rows(text, "Met"), *requirements.rows(text, "Met in part")]
    later = requirements.rows(text, "Later")
    assert all(cells[-1].strip() for cells in later.values()), "a requirement that comes later says why"
    placed = [*met, *(number for span in later for number in _expanded(span))]
    doubled = {number for number in placed if placed.count(number) > 1} - {"R28"}  # its create form comes later, too
    assert not doubled
    series = {"R": 62, "A": 16, "C": 14, "S": 17, "H": 23, "T": 8}
    assert set(placed) == {f"{letter}{number}" for letter, last in series.items() for number in range(1, last + 1)}


def test_numbers_are_read_from_names() -> None:
    assert requirements.numbers_in("test_R6_R9_other_formats") == ["R6", "R9"]
    assert requirements.numbers_in("test_R16_to_R18_a_rule") == ["R16", "R17", "R18"]
    assert requirements.numbers_in("test_S1_q1_of_R4") == ["S1"]
    assert requirements.numbers_in("test_a_sentence_about_R4") == []


def test_the_architecture_page_names_every_package_and_no_other() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `service/([a-z_/]+)/` \|", text, re.MULTILINE))
    packages = {path.parent.relative_to(ROOT / "service").as_posix() for path in (ROOT / "service").rglob("*/__init__.py")}
    assert named == packages - {"."}


def test_the_architecture_page_says_of_each_layer_what_the_layer_test_allows() -> None:
    """The table of imports in the page is the one that tests/unit/test_layers.py enforces."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    tree = ast.parse((ROOT / "tests" / "unit" / "test_layers.py").read_text(encoding="utf-8"))
    allowed = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "ALLOWED" and node.value is not None
    )
    for layer, modules in allowed.items():
        row = re.search(rf"^\| `{re.escape(layer)}` \| (.*?) \|$", text, re.MULTILINE)
        assert row is not None, f"docs/architecture.md has no row for {layer}"
        assert set(re.findall(r"`([\w.]+)`", row[1])) == set(modules), layer


def _expanded(span: str) -> list[str]:
    found = []
    for part in re.split(r", ", span):
        first, _, last = part.partition("-")
        letter = first[0]
        found += [f"{letter}{number}" for number in range(int(first[1:]), int((last or first)[1:]) + 1)]
    return found
