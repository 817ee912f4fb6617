"""The FHIR package: what a validator or another guide loads to know everything this service publishes."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from support.node import PROFILES
from support.profile_examples import FOLDER, examples, text_of

from service import __version__
from service.composition.parts import Service, build_service, fhir_package
from service.fhir import r4
from service.fhir.package import CONFORMANCE_TYPES, DEPENDENCIES, build_package
from service.settings import CANONICAL_BASE, Settings

Resource = dict[str, Any]

# Where a canonical address names something that is part of R4 itself or of a package named as a dependency.
ELSEWHERE = re.compile(
    r"http://hl7\.org/fhir/(StructureDefinition|ValueSet|OperationDefinition|SearchParameter|tools)/"
    r"|http://terminology\.hl7\.org/|http://hl7\.org/fhir/uv/sdc/|http://unitsofmeasure\.org|http://snomed\.info/sct"
    r"|http://loinc\.org|http://hl7\.org/fhir/sid/"
    r"|http://hl7\.org/fhirpath/System\.|http://hl7\.org/fhir/[a-z-]+$"
)
# AI Transparency on FHIR is in ballot and its package cannot be had yet, so it cannot be a dependency.
BALLOT = "http://hl7.org/fhir/uv/aitransparency/"


@pytest.fixture(scope="module")
def files(service: Service) -> dict[str, bytes]:
    return unpacked(fhir_package(service))


def unpacked(package: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


def test_T8_the_manifest_names_version_canonical_and_fhir_version(files: dict[str, bytes]) -> None:
    assert next(iter(files)) == "package/package.json"
    manifest = json.loads(files["package/package.json"])
    assert re.fullmatch(r"[a-z]+(\.[a-z]+)+", manifest["name"])
    assert (manifest["version"], manifest["canonical"], manifest["url"]) == (__version__, CANONICAL_BASE, CANONICAL_BASE)
    assert manifest["fhirVersions"] == ["4.0.1"]
    assert manifest["dependencies"] == DEPENDENCIES


def test_T8_the_dependencies_are_those_it_was_compiled_with() -> None:
    config = (PROFILES / "sushi-config.yaml").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^  ([a-z0-9.]+): (\S+)$", config.partition("dependencies:")[2], re.M))
    assert listed | {"hl7.fhir.r4.core": "4.0.1"} == DEPENDENCIES
    assert {one["name"]: one["version"] for one in json.loads((PROFILES / "packages.json").read_text())["packages"]} == listed


@pytest.mark.parametrize("folder", ["package", "package/example"])
def test_T8_the_index_lists_every_file(files: dict[str, bytes], folder: str) -> None:
    index = json.loads(files[f"{folder}/.index.json"])
    listed = {entry["filename"]: entry for entry in index["files"]}
    there = {Path(name).name for name in files if str(Path(name).parent) == folder} - {"package.json", ".index.json"}
    assert index["index-version"] == 2 and set(listed) == there and len(there) > 20
    for name, entry in listed.items():
        resource = json.loads(files[f"{folder}/{name}"])
        assert (entry["resourceType"], entry["id"]) == (resource["resourceType"], resource["id"])
        if folder == "package":
            assert (entry["url"], entry["version"]) == (resource["url"], resource["version"])


def test_T8_all_canonicals_resolve(files: dict[str, bytes]) -> None:
    """Every address of ours that any file names is that of a file; every other belongs to R4 or to a dependency."""
    resources = [json.loads(text) for name, text in files.items() if not name.endswith((".index.json", "/package.json"))]
    held = {one["url"]: one.get("version") for one in resources if "url" in one}
    unknown, ballot = set(), set()
    for resource in resources:
        for address in canonicals(resource):
            bare, _, version = address.partition("|")
            if bare in held:
                assert version in ("", held[bare]), address
            elif bare.startswith(BALLOT):
                ballot.add(bare)
            elif not ELSEWHERE.match(bare) and not is_identifier_system(bare):
                unknown.add(bare)
    assert unknown == set()
    assert {address.rpartition("/")[2] for address in ballot} <= {
        "AIconfidence",
        "aitransparency.modelCardDescription",
        "AIdeviceTypeCS",
    }


def canonicals(element: Any, key: str = "") -> Iterator[str]:
    """Every address in a resource: canonical elements, extension addresses, systems, and those inside FHIRPath expressions."""
    if isinstance(element, dict):
        for name, value in element.items():
            if name == "text" and isinstance(value, dict) and "div" in value:
                continue
            yield from canonicals(value, name)
    elif isinstance(element, list):
        for value in element:
            yield from canonicals(value, key)
    elif isinstance(element, str):
        if key in NAMES_A_DEFINITION and element.startswith("http"):
            yield element
        elif key == "expression" and CANONICAL_BASE in element:
            yield from re.findall(rf"'({CANONICAL_BASE}/[^'|]+)\|?'", element)


# fmt: off
NAMES_A_DEFINITION = frozenset((
    "url", "system", "profile", "targetProfile", "baseDefinition", "valueSet", "base", "derivedFrom", "definition",
    "supportedProfile", "questionnaire", "sourceCanonical", "targetCanonical", "source", "target", "instantiates", "type",
    "answerValueSet", "valueCanonical",
))
# fmt: on


def is_identifier_system(address: str) -> bool:
    """Systems of identifiers are names, not definitions; DOI and PubMed links of citations are links."""
    return address.startswith(("https://doi.org/", "https://pubmed.ncbi.nlm.nih.gov/")) or address in {
        f"{CANONICAL_BASE}/{name}" for name in ("identifier/risk-assessment", "Device", "DocumentReference")
    }


def test_T8_two_builds_are_equal(service: Service) -> None:
    first, second = fhir_package(service), fhir_package(build_service(Settings(database_url="none")))
    assert first == second
    assert first[4:10] == b"\x00\x00\x00\x00\x02\xff", "no time and no system in the header"
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(first))) as tar:
        assert {(entry.mtime, entry.uid, entry.gid, entry.uname, entry.mode) for entry in tar} == {(0, 0, 0, "", 0o644)}


def test_the_order_of_what_is_packed_does_not_matter() -> None:
    one = {"resourceType": "ValueSet", "id": "a", "url": "https://a.example/ValueSet/a"}
    other = {"resourceType": "ValueSet", "id": "b", "url": "https://a.example/ValueSet/b"}
    packed = {
        build_package(order, reversed(order), base_url="https://a.example", version="1.0.0")
        for order in ([one, other], [other, one])
    }
    assert len(packed) == 1


def test_T8_examples_are_valid_and_name_our_profiles(files: dict[str, bytes]) -> None:
    """By our own rules; tests/conformance/ asks independent validators too."""
    profiles = set()
    for name, text in files.items():
        if name.startswith("package/example/") and not name.endswith(".index.json"):
            resource = json.loads(text)
            assert r4.check(resource).faults == (), name
            profiles |= {profile.rpartition("/")[2] for profile in resource["meta"]["profile"]}
    definitions = [json.loads(text) for name, text in files.items() if name.startswith("package/StructureDefinition-")]
    ours = {f"{one['id']}|{__version__}" for one in definitions if one["kind"] == "resource"}
    assert ours <= profiles, "every profile has an example"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_A1_T8_every_example_conforms_to_the_profiles_it_claims(client: FlaskClient, path: Path) -> None:
    """By the operation any caller can ask; the examples are answers of the service, so this is A1 as well."""
    type_name = path.stem.partition("-")[0]
    response = client.post(f"/fhir/{type_name}/$validate", data=path.read_bytes(), content_type="application/fhir+json")
    issues = response.get_json(force=True)["issue"]
    assert [issue for issue in issues if issue["severity"] != "information"] == []


def test_every_extension_is_in_an_example(files: dict[str, bytes]) -> None:
    """An extension that is used in the terminology has that for an example."""
    definitions = "package/StructureDefinition-"
    text = b"".join(content for name, content in files.items() if not name.startswith(definitions)).decode()
    used = set(re.findall(rf'"url":"{CANONICAL_BASE}/StructureDefinition/([a-z-]+)"', text))
    defined = {
        json.loads(content)["id"]
        for name, content in files.items()
        if name.startswith(definitions) and json.loads(content)["type"] == "Extension"
    }
    assert used == defined


def test_examples_are_what_the_service_answers() -> None:
    """Mend it with: python -m tests.support.profile_examples (make docs does it too)"""
    made = {name: json.loads(text_of(resource)) for name, resource in examples().items()}
    kept = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
    assert sorted(made) == sorted(kept)
    assert [name for name in made if not alike(made[name], kept[name])] == []


def alike(one: Any, other: Any) -> bool:
    """Equal but for the last digits of numbers, and for the order of the findings missing, which ties by those digits."""
    if isinstance(one, dict) and isinstance(other, dict):
        if str(one.get("url", "")).endswith("/missing-finding") and one["url"] == other.get("url"):
            return sorted(map(str, one["extension"])) == sorted(map(str, other["extension"]))
        return list(one) == list(other) and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-6
    return bool(one == other)


def test_the_package_is_served_and_named(client: FlaskClient, service: Service) -> None:
    response = client.get("/package.tgz")
    assert (response.status_code, response.content_type) == (200, "application/gzip")
    assert response.headers["Content-Disposition"] == f'attachment; filename="hipspine.fhir-{__version__}.tgz"'
    assert response.data == fhir_package(service)
    again = client.get("/package.tgz", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    head = client.head("/package.tgz")
    assert (head.status_code, head.data, head.content_length) == (200, b"", len(response.data))


def test_the_command_writes_the_same_package(service: Service, tmp_path: Path) -> None:
    from service.cli.package import command

    done = CliRunner().invoke(command, ["--out", str(tmp_path / "made" / "p.tgz")], env={"HIPSPINE_DATABASE_URL": "none"})
    assert done.exit_code == 0, done.output
    assert (tmp_path / "made" / "p.tgz").read_bytes() == fhir_package(service)


def test_another_base_is_in_every_address(settings: Settings) -> None:
    """What a deployment publishes under its own base names no other, in expressions neither."""
    base = "https://fhir.example/hip"
    own = build_service(replace(settings, base_url=base))
    for name, content in unpacked(fhir_package(own)).items():
        assert CANONICAL_BASE.encode() not in content, name
    assert own.definitions.read("StructureDefinition", "red-flag")["url"] == f"{base}/StructureDefinition/red-flag"
    assert [one["id"] for one in own.definitions.of_type("SearchParameter")] == ["RiskAssessment-basis"]


@pytest.mark.parametrize("type_name", CONFORMANCE_TYPES)
def test_every_definition_is_served_by_id_and_by_address(client: FlaskClient, service: Service, type_name: str) -> None:
    assert service.definitions.ids(type_name)
    for resource_id in service.definitions.ids(type_name):
        read = client.get(f"/fhir/{type_name}/{resource_id}").get_json(force=True)
        found = client.get(f"/fhir/{type_name}", query_string={"url": read["url"]}).get_json(force=True)
        assert read["url"] == f"{CANONICAL_BASE}/{type_name}/{resource_id}"
        assert [entry["resource"] for entry in found["entry"]] == [read]
