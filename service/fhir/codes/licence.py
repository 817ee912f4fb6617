"""What is left of a resource where no SNOMED CT content may be given out.

Codings that we write go through `Terminology`, which leaves SNOMED CT out at the source. This is for what is committed as it
was made: the examples, and the snapshots of profiles, which carry HL7's mappings to SNOMED CT.
"""

from __future__ import annotations

from typing import Any

Resource = dict[str, Any]

_ADDRESSES = ("http://snomed.info", "http://snomed.org")
WITHHELD = "A code of SNOMED CT, left out in this deployment"


def without_snomed(resource: Resource) -> Resource:
    """A copy without codings of SNOMED CT and mappings to it; a concept that has nothing else says that one is left out."""
    mappings = {
        one["identity"] for one in resource.get("mapping", ())
        if isinstance(one, dict) and str(one.get("uri", "")).startswith(_ADDRESSES)
    }
    kept: Resource = _kept(resource, mappings)
    return kept


def _kept(node: Any, mappings: set[str]) -> Any:
    if isinstance(node, list):
        return [_kept(item, mappings) for item in node if not _is_snomed(item, mappings)]
    if not isinstance(node, dict):
        return node
    kept = {name: _kept(value, mappings) for name, value in node.items() if not _is_snomed(value, mappings)}
    kept = {name: value for name, value in kept.items() if value != [] or node[name] == []}
    if "coding" in node and "coding" not in kept and "text" not in kept:
        kept["text"] = WITHHELD
    return kept


def _is_snomed(value: Any, mappings: set[str]) -> bool:
    if not isinstance(value, dict):
        return False
    return str(value.get("system", "")).startswith(_ADDRESSES) or value.get("identity") in mappings
