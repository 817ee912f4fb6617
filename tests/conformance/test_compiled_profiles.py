"""The committed definitions are those the sources compile to, and belong together."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
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


def test_an_instance_meets_what_the_required_capabilities_say(client: FlaskClient) -> None:
    """What it shall, and of what it should the store, which this instance has."""
    required = COMPILED["CapabilityStatement-spine-hip-server.json"]
    statement = client.get("/fhir/metadata").get_json(force=True)
    assert statement["instantiates"] == [required["url"]]
    offered = {entry["type"]: entry for entry in statement["rest"][0]["resource"]}
    assert {one["name"] for one in required["rest"][0]["operation"]} <= {one["name"] for one in statement["rest"][0]["operation"]}
    for entry in required["rest"][0]["resource"]:
        there = offered[entry["type"]]
        assert set(entry.get("supportedProfile", [])) <= set(there.get("supportedProfile", [])), entry["type"]
        for kind, key in (("interaction", "code"), ("operation", "definition"), ("searchParam", "name")):
            wanted = {one[key] for one in entry.get(kind, [])}
            assert wanted <= {one[key] for one in there.get(kind, [])}, (entry["type"], kind)
    profiles = {one["url"] for one in COMPILED.values() if one.get("kind") == "resource"}
    assert {profile for entry in offered.values() for profile in entry.get("supportedProfile", [])} == profiles


def test_what_the_profile_of_a_finding_says_of_side_and_level_is_understood(client: FlaskClient) -> None:
    """Side and level as the example states them, in our own codes: the side counts, and the level does no harm."""
    example = json.loads((MADE.parent / "examples" / "Observation-straight-leg-raise-right.json").read_text(encoding="utf-8"))
    response = client.post("/fhir/Observation/$assess", json=example, content_type="application/fhir+json")
    assert response.status_code == 200, response.text[:1000]
    answer = response.get_json(force=True)
    (used,) = [one["extension"] for one in answer["extension"] if one["url"].endswith("/used-finding")]
    said = {part["url"]: next(value for name, value in part.items() if name.startswith("value")) for part in used}
    assert (said["finding"]["code"], said["value"], said["side"]) == ("slr", "present", "right")
    assert not [one for one in answer["extension"] if one["url"].endswith("/ignored-input")]


def test_findings_taken_out_of_our_form_claim_their_profile_and_category(client: FlaskClient) -> None:
    form = json.loads((ROOT / "tests" / "data" / "hip.json").read_text(encoding="utf-8"))
    answer = client.post("/fhir/QuestionnaireResponse/$extract", json=form, content_type="application/fhir+json")
    held = answer.get_json(force=True)["parameter"][0]["resource"]["entry"]
    for entry in held:
        assert entry["resource"]["meta"] == {"profile": [f"{CANONICAL_BASE}/StructureDefinition/exam-finding|{__version__}"]}
    categories = {entry["resource"]["category"][0]["coding"][0]["code"] for entry in held}
    assert {"survey", "exam", "imaging"} <= categories


def test_every_operation_we_define_is_offered_at_the_levels_it_says(client: FlaskClient) -> None:
    rest = client.get("/fhir/metadata").get_json(force=True)["rest"][0]
    rules = {rule.rule for rule in client.application.url_map.iter_rules()}
    offered = {one["definition"] for one in rest["operation"]}
    offered |= {one["definition"] for entry in rest["resource"] for one in entry.get("operation", [])}
    defined = {one["url"]: one for one in COMPILED.values() if one["resourceType"] == "OperationDefinition"}
    assert {address for address in offered if address.startswith(CANONICAL_BASE)} == set(defined)
    for one in defined.values():
        assert (f"/fhir/${one['code']}" in rules) == one["system"], one["id"]
        for type_name in one.get("resource", []):
            assert (f"/fhir/{type_name}/${one['code']}" in rules) == one["type"], (one["id"], type_name)
            assert (f"/fhir/{type_name}/<fhir_id:resource_id>/${one['code']}" in rules) == one["instance"], (one["id"], type_name)
