"""Everything this service publishes as one FHIR package: a tarball in NPM form, the same byte for byte for the same content."""

from __future__ import annotations

import json
import struct
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

from service.fhir import r4

Resource = dict[str, Any]

NAME = "hipspine.fhir"
FHIR_VERSION = "4.0.1"
# What the definitions refer to; the same as in profiles/sushi-config.yaml, besides R4 itself.
DEPENDENCIES = {
    "hl7.fhir.r4.core": FHIR_VERSION,
    "hl7.terminology.r4": "7.0.1",
    "hl7.fhir.uv.extensions.r4": "5.3.0-ballot-tc1",
    "hl7.fhir.uv.sdc": "4.0.0-ballot",
}
CONFORMANCE_TYPES = (
    "CapabilityStatement",
    "CodeSystem",
    "ConceptMap",
    "OperationDefinition",
    "Questionnaire",
    "SearchParameter",
    "StructureDefinition",
    "ValueSet",
)
_INDEXED = ("url", "version", "kind", "type", "supplements", "content", "derivation")
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"  # deflate, no name, no time, best compression, unknown system


def build_package(definitions: Iterable[Resource], examples: Iterable[Resource], *, base_url: str, version: str) -> bytes:
    """The package as a gzipped tarball; the order in which the resources come does not matter.

    Form: https://confluence.hl7.org/display/FHIR/NPM+Package+Specification. Times, owners and the header are fixed, so that two
    builds of the same content are equal.
    """
    files = {"package/package.json": _json(_manifest(base_url, version))}
    files |= _folder("package", definitions)
    files |= _folder("package/example", examples)
    return _gzipped(_tar(files))


def _manifest(base_url: str, version: str) -> Resource:
    return {
        "name": NAME,
        "version": version,
        "title": "HipSpine",
        "description": "Profiles, extensions, operations, form and terminology of HipSpine, which weighs findings of "
        "hip-region pain between spine, sacroiliac joint and hip. Decision support for clinicians, not a diagnosis.",
        "author": "HipSpine",
        "license": "Apache-2.0",
        "type": "IG",
        "canonical": base_url,
        "url": base_url,
        "fhirVersions": [FHIR_VERSION],
        "dependencies": DEPENDENCIES,
        "directories": {"lib": "package", "example": "package/example"},
    }


def _folder(folder: str, resources: Iterable[Resource]) -> dict[str, bytes]:
    """The files of one folder with their index, which every file is listed in."""
    named = {f"{one['resourceType']}-{one['id']}.json": one for one in resources}
    index = {"index-version": 2, "files": [_indexed(name, named[name]) for name in sorted(named)]}
    return {f"{folder}/.index.json": _json(index)} | {f"{folder}/{name}": r4.serialise(one) for name, one in named.items()}


def _indexed(name: str, resource: Mapping[str, Any]) -> Resource:
    more = {key: resource[key] for key in _INDEXED if isinstance(resource.get(key), str)}
    return {"filename": name, "resourceType": resource["resourceType"], "id": resource["id"], **more}


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=2).encode("utf-8") + b"\n"


def _tar(files: Mapping[str, bytes]) -> bytes:
    # The manifest first: readers that stream need it before anything else.
    order = sorted(files, key=lambda name: (name != "package/package.json", name))
    written = BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in order:
            entry = tarfile.TarInfo(name)  # owner, group and time are 0
            entry.size = len(files[name])
            entry.mode = 0o644
            tar.addfile(entry, BytesIO(files[name]))
    return written.getvalue()


def _gzipped(content: bytes) -> bytes:
    """By hand, because the header that Python writes differs between its versions."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    trailer = struct.pack("<LL", zlib.crc32(content), len(content) & 0xFFFFFFFF)
    return _GZIP_HEADER + deflate.compress(content) + deflate.flush() + trailer
