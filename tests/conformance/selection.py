"""Which resources the slow validator sees: every small one, and of the large ones those that show it something new."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

# HL7's validator takes a second for 40 KB of an assessment, and two assessments differ in little but their numbers.
SMALL = 40_000


def worth_asking(resources: Mapping[str, str]) -> set[str]:
    """Names of the small ones, and of those that hold an element, an extension or a profile that no smaller one holds."""
    seen: set[str] = set()
    chosen: set[str] = set()
    for name, text in sorted(resources.items(), key=lambda item: (len(item[1]), item[0])):
        held = set(elements(json.loads(text)))
        if len(text) < SMALL or not held <= seen:
            chosen.add(name)
        seen |= held
    return chosen


def elements(value: object, path: str = "") -> Iterator[str]:
    """The path of each primitive element, extensions by their address, and each profile that a resource claims."""
    if isinstance(value, dict):
        if path.endswith(("extension", "Extension")):
            path = f"{path}({value.get('url')})"
        path = f"{path}/{value['resourceType']}" if isinstance(value.get("resourceType"), str) else path
        for name, member in value.items():
            yield from elements(member, f"{path}.{name}")
    elif isinstance(value, list):
        for member in value:
            yield from elements(member, path)
    else:
        yield f"{path}={value}" if path.endswith(".meta.profile") else path
