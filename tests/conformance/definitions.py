"""Definitions of others that our resources use and that R4 itself does not hold."""

from __future__ import annotations

import shutil
from pathlib import Path

from conformance.tools import HERE, Tools

# Package -> the files of it that are used: all of the terminology package would take longer to read than the harvest.
FROM_PACKAGES = {
    "hl7.fhir.uv.sdc": ("StructureDefinition-sdc-questionnaire*.json", "CodeSystem-*.json", "ValueSet-*.json"),
    # R4's own copy of this code system is older than the code AIAST.
    "hl7.terminology.r4": ("CodeSystem-v3-ObservationValue.json",),
}


def write_others(tools: Tools, folder: Path) -> None:
    """Put them into `folder`: those of packages, and those written for the tests, whose packages are nowhere on a registry."""
    sources = [tools.package(name).glob(pattern) for name, patterns in FROM_PACKAGES.items() for pattern in patterns]
    for source in (*sources, (HERE / "minimal").glob("*.json")):
        for path in source:
            shutil.copy(path, folder / path.name)
