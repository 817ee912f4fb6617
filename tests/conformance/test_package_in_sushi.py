"""Another guide builds on our package: SUSHI loads it as a dependency, resolves our profiles, extensions and codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from support.node import PROFILES, require_toolchain

from service import __version__
from service.composition.parts import Service, fhir_package
from service.fhir.package import NAME
from service.settings import CANONICAL_BASE

pytestmark = pytest.mark.slow

CONFIG = f"""\
canonical: https://clinic.example/fhir
status: draft
version: 1.0.0
fhirVersion: 4.0.1
FSHOnly: true
dependencies:
  {NAME}: {__version__}
"""

# A clinic that demands a referral beside every assessment, an extension of ours on its own profile, and codes of ours.
GUIDE = f"""\
Profile: ClinicAssessment
Parent: {CANONICAL_BASE}/StructureDefinition/spine-hip-risk-assessment
Id: clinic-assessment
* encounter 1..1
* extension[redFlag] MS
* prediction[sourcePattern].rationale MS

Profile: ClinicRequest
Parent: ServiceRequest
Id: clinic-request
* extension contains {CANONICAL_BASE}/StructureDefinition/urgency named urgency 1..1

Instance: a-finding
InstanceOf: {CANONICAL_BASE}/StructureDefinition/exam-finding
Usage: #example
* status = #final
* code = {CANONICAL_BASE}/CodeSystem/finding#slr
* subject.reference = "Patient/1"
* valueCodeableConcept = {CANONICAL_BASE}/CodeSystem/answer#present
* component[laterality].valueCodeableConcept = {CANONICAL_BASE}/CodeSystem/side#left
"""


@pytest.fixture(scope="module")
def guide(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small guide, and beside it a package cache with R4 and our package alone."""
    require_toolchain()
    folder = tmp_path_factory.mktemp("guide")
    cache = folder / "home" / ".fhir" / "packages"
    ours = cache / f"{NAME}#{__version__}"
    ours.mkdir(parents=True)
    with tarfile.open(fileobj=BytesIO(fhir_package(service))) as package:
        package.extractall(ours, filter="data")
    for name in ("hl7.fhir.r4.core#4.0.1", "hl7.terminology.r4#7.0.1", "hl7.fhir.uv.extensions.r4#5.3.0-ballot-tc1"):
        held = PROFILES / ".cache" / ".fhir" / "packages" / name
        if not held.is_dir():
            subprocess.run([require_toolchain(), PROFILES / "tools" / "packages.mjs"], check=True, timeout=300)
        (cache / name).symlink_to(held)
    (folder / "input" / "fsh").mkdir(parents=True)
    (folder / "sushi-config.yaml").write_text(CONFIG, encoding="utf-8")
    return folder


def compiled(guide: Path, text: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """What SUSHI says, and what it makes, by file name."""
    shutil.rmtree(guide / "fsh-generated", ignore_errors=True)
    (guide / "input" / "fsh" / "guide.fsh").write_text(text, encoding="utf-8")
    sushi = PROFILES / "node_modules" / "fsh-sushi" / "dist" / "app.js"
    environment = os.environ | {"HOME": str(guide / "home"), "FPL_REGISTRY": "http://127.0.0.1:9"}
    done = subprocess.run(
        [require_toolchain(), sushi, "build", guide, "--snapshot"], capture_output=True, text=True, env=environment, timeout=300
    )
    made = (guide / "fsh-generated" / "resources").glob("*.json")
    return done.stdout + done.stderr, {path.name: json.loads(path.read_text(encoding="utf-8")) for path in made}


def test_the_package_installs_as_a_dependency_and_its_definitions_resolve(guide: Path, service: Service) -> None:
    said, made = compiled(guide, GUIDE)
    assert re.search(rf"Loaded {re.escape(NAME)}#{re.escape(__version__)} with \d+ resources", said), said
    assert "0 Errors" in said and not re.findall(r"^error", said, re.M), said
    profile = made["StructureDefinition-clinic-assessment.json"]
    assert profile["baseDefinition"] == f"{CANONICAL_BASE}/StructureDefinition/spine-hip-risk-assessment"
    slices = {element["id"] for element in profile["snapshot"]["element"] if "sliceName" in element}
    assert {"RiskAssessment.prediction:sourcePattern", "RiskAssessment.extension:redFlag"} <= slices
    request = made["StructureDefinition-clinic-request.json"]["snapshot"]["element"]
    (urgency,) = [element for element in request if element["id"] == "ServiceRequest.extension:urgency"]
    assert urgency["type"][0]["profile"] == [f"{CANONICAL_BASE}/StructureDefinition/urgency"]
    finding = made["Observation-a-finding.json"]
    assert finding["component"][0]["code"]["coding"][0]["code"] == "laterality"


def test_a_name_we_do_not_define_is_an_error_there(guide: Path) -> None:
    """So that the test above can fail."""
    said, _ = compiled(guide, GUIDE.replace("extension[redFlag]", "extension[blueFlag]"))
    assert "0 Errors" not in said and "blueFlag" in said
