"""The committed definitions are those the sources compile to, and belong together."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.node import PROFILES, ROOT, require_toolchain

from service import __version__
from service.settings import CANONICAL_BASE

Resource = dict[str, Any]
FSH = PROFILES / "input" / "fsh"
MADE = PROFILES / "fsh-generated" / "resources"
COMPILED = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(MADE.glob("*.json"))}


@pytest.mark.slow
def test_what_is_committed_is_what_the_sources_compile_to() -> None:
    """Mend it with: make profiles"""
    node = require_toolchain()
    done = subprocess.run([node, PROFILES / "tools" / "compile.mjs", "--check"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.parametrize("name", COMPILED)
def test_every_definition_has_its_address_version_and_description(name: str) -> None:
    resource = COMPILED[name]
    assert name == f"{resource['resourceType']}-{resource['id']}.json"
    assert resource["url"] == f"{CANONICAL_BASE}/{resource['resourceType']}/{resource['id']}"
    assert resource["version"] == __version__, "sushi-config.yaml and rulesets/Definition.fsh carry the version of the service"
    assert (resource["status"], resource["publisher"], resource["experimental"]) == ("active", "HipSpine", False)
    assert len(resource["description"]) > 40


@pytest.mark.parametrize("name", [name for name, one in COMPILED.items() if one.get("type") == "Extension"])
def test_every_extension_says_why_none_of_hl7s_would_do(name: str) -> None:
    assert len(COMPILED[name]["purpose"]) > 60


def test_one_artifact_per_file_named_as_the_artifact() -> None:
    for path in sorted(FSH.rglob("*.fsh")):
        if path.name == "aliases.fsh":
            continue
        names = re.findall(r"^(?:Profile|Extension|Instance|Invariant|RuleSet): ([\w-]+)", path.read_text(encoding="utf-8"), re.M)
        assert names == [path.stem], path


def test_the_lock_names_no_registry() -> None:
    assert "resolved" not in (PROFILES / "package-lock.json").read_text(encoding="utf-8")


def test_writers_use_no_extension_that_is_not_defined() -> None:
    """Every address the code puts together is that of a compiled definition."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "service").rglob("*.py")))
    named = set(re.findall(r'structure\(\s*"([a-z-]+)"', code))
    ours = {one["id"] for one in COMPILED.values() if one["resourceType"] == "StructureDefinition"}
    assert named - ours == set()
    assert len(named) > 25


def test_the_wheel_takes_the_compiled_folder_alone() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folder = Path(project["tool"]["setuptools"]["package-dir"]["service.bundled.profiles"])
    assert folder == MADE.parent.relative_to(ROOT)
