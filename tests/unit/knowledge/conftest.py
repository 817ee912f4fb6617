"""The real tables, and copies of them to break."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.engine.model import KnowledgeBase
from service.knowledge.load import load_knowledge_base, read_tables
from service.knowledge.schema import Tables

TABLES = Path(__file__).parents[3] / "service" / "knowledge" / "tables"

Edit = Callable[..., None]


@pytest.fixture(scope="session")
def knowledge() -> KnowledgeBase:
    return load_knowledge_base(TABLES)


@pytest.fixture(scope="session")
def tables() -> Tables:
    return read_tables(TABLES)[0]


@pytest.fixture
def copied_tables(tmp_path: Path) -> Path:
    """The folder of a copy of the tables."""
    return Path(shutil.copytree(TABLES, tmp_path / "tables"))


@pytest.fixture
def edit(copied_tables: Path) -> Edit:
    """Changes cells of one row of the copy: `edit(file, key, value, column=new, ...)`; every row where `key` is `value`."""

    def change(file: str, key: str, value: str, /, **cells: Any) -> None:
        path = copied_tables / file
        if file.endswith(".json"):
            document = json.loads(path.read_text(encoding="utf-8"))
            (rows,) = document.values()
        else:
            with path.open(encoding="utf-8", newline="") as lines:
                rows = list(csv.DictReader(lines))
        found = [row for row in rows if row[key] == value]
        assert found, f"no row of {file} has {key} {value}"
        for row in found:
            row.update(cells)
        if file.endswith(".json"):
            path.write_text(json.dumps(document), encoding="utf-8")
        else:
            with path.open("w", encoding="utf-8", newline="") as lines:
                writer = csv.DictWriter(lines, rows[0].keys())
                writer.writeheader()
                writer.writerows(rows)

    return change
