"""What each layer may import, read from the source text and compared with one table."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICE = ROOT / "service"

# Our stand-in for a part of the standard library, and as open to everybody.
EVERYBODYS = "service.records"
# Layer -> what it may import besides these two and itself. An entry allows the module and what is below it.
ALLOWED: dict[str, tuple[str, ...]] = {
    "service.records": (),
    "service.errors": (),
    "service.engine": ("numpy", "service.errors"),
    "service.knowledge": ("marshmallow", "service.engine.model", "service.errors"),
    "service.fhir": ("fhir", "fhirpathpy", "pydantic", "orjson", "service.errors"),
    "service.mapping": ("service.engine", "service.fhir", "service.errors"),
    "service.assessment": ("service.engine", "service.mapping", "service.fhir", "service.errors"),
    "service.clients": ("requests", "urllib3", "joserfc", "service.errors"),
    "service.hooks": (
        "marshmallow", "service.clients.ehr", "service.assessment", "service.engine.model", "service.mapping", "service.fhir",
        "service.storage.hook_records", "service.errors",
    ),
    "service.storage": ("sqlalchemy", "alembic", "psycopg", "service.fhir", "service.errors"),
    "service.web": (
        "flask", "flask_swagger_ui", "werkzeug", "marshmallow", "service.hooks", "service.assessment", "service.interactions",
        "service.fhir", "service.storage.store", "service.storage.hook_records", "service.errors",
    ),
    "service.interactions": (
        "service.assessment", "service.mapping", "service.fhir", "service.storage.store", "service.storage.outbox",
        "service.errors",
    ),
    "service.delivery": (
        "service.clients", "service.interactions", "service.fhir", "service.storage.store", "service.storage.outbox",
        "service.errors",
    ),
    "service.evaluation": (
        "numpy", "matplotlib", "requests", "service.assessment", "service.engine", "service.fhir", "service.knowledge",
        "service.mapping", "service.errors",
    ),
    "service.model_card": ("marshmallow", "service.fhir", "service.errors"),
    "service.settings": ("marshmallow", "service.errors"),
    "service.resources": ("service.errors",),
    "service.logs": (),
    "service.memory": (),
}
# The outermost ring: may import everything, and is imported by nothing inside it.
OUTER = ("service.composition", "service.app", "service.server", "service.cli", "service.__main__")

# The engine is arithmetic: nothing in it may depend on when, where or on which machine it runs.
ENGINE_NEVER = {
    "time",
    "datetime",
    "random",
    "secrets",
    "uuid",
    "os",
    "io",
    "pathlib",
    "logging",
    "json",
    "csv",
    "socket",
    "subprocess",
}


def modules() -> list[Path]:
    return sorted(SERVICE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Every imported module of a file, at whatever depth it stands, with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            base = node.module or ""
            for alias in node.names:
                deeper = SERVICE.parent.joinpath(*base.split("."), alias.name)
                is_module = base.startswith("service") and (deeper.is_dir() or deeper.with_suffix(".py").is_file())
                yield (f"{base}.{alias.name}" if is_module else base), node.lineno


def within(name: str, layer: str) -> bool:
    return name == layer or name.startswith(layer + ".")


def layer_of(name: str) -> str | None:
    return next((layer for layer in (*ALLOWED, *OUTER) if within(name, layer)), None)


def violations(path: Path) -> list[str]:
    layer = layer_of(module_name(path))
    if layer is None or layer in OUTER:
        return []
    found = []
    for name, line in imported(path):
        standard = name.split(".")[0] in sys.stdlib_module_names or name == EVERYBODYS
        fine = standard or within(name, layer) or any(within(name, allowed) for allowed in ALLOWED[layer]) or name == "service"
        if layer == "service.engine" and name.split(".")[0] in ENGINE_NEVER:
            fine = False
        if not fine:
            found.append(f"{path.relative_to(ROOT)}:{line} {layer} must not import {name}")
    return found


def test_every_module_belongs_to_a_layer() -> None:
    assert [name for path in modules() if (name := module_name(path)) != "service" and layer_of(name) is None] == []


def test_every_layer_of_the_table_exists() -> None:
    names = {module_name(path) for path in modules()}
    assert [layer for layer in (*ALLOWED, *OUTER) if layer not in names] == []


@pytest.mark.parametrize("layer", sorted(ALLOWED))
def test_layer_imports_only_what_the_table_allows(layer: str) -> None:
    assert [line for path in modules() if layer_of(module_name(path)) == layer for line in violations(path)] == []


def test_only_settings_reads_the_environment() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for path in modules()
        if module_name(path) != "service.settings"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and getattr(node.value, "id", "") == "os"
    ]
    assert readers == []


def test_a_forbidden_import_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself: an engine module that reads the clock, flask and the FHIR layer breaks three rules."""
    copy = tmp_path / "service" / "engine"
    copy.mkdir(parents=True)
    bad = copy / "bad.py"
    bad.write_text(
        "import time\nfrom flask import Flask\nfrom service.fhir import r4\nfrom service.errors import Fault\nimport numpy\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "SERVICE", tmp_path / "service")
    assert [line.split(" must ")[0].rsplit(":", 1)[1] for line in violations(bad)] == [
        "1 service.engine",
        "2 service.engine",
        "3 service.engine",
    ]
