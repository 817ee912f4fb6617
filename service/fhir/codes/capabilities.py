"""The TerminologyCapabilities of this instance: which code systems it holds, and what its operations can do with them."""

from __future__ import annotations

from typing import Any

from service.fhir.codes.held import Held, System
from service.fhir.codes.value_set import EXPAND

Resource = dict[str, Any]

_FILTER = "Every word of the filter occurs in the code or in one of its wordings; upper and lower case do not count."
_ABOUT = (
    "Answers about the code systems of HipSpine, whole, and about fragments of public ones: the codes that its maps lead to. "
    "A fragment says that a code exists, never that one does not. Held as fragments: {fragments}."
)


def terminology_capabilities(held: Held, *, address: str, version: str, date: str) -> Resource:
    """The statement. `address` is the FHIR base as the client reached it, `date` a FHIR dateTime."""
    return {
        "resourceType": "TerminologyCapabilities",
        "name": "HipSpineTerminology",
        "title": "HipSpine terminology",
        "status": "active",
        "date": date,
        "description": _ABOUT.format(fragments="; ".join(_fragments(held))),  # R4 has no element that says "fragment"
        "kind": "instance",
        "copyright": " ".join(dict.fromkeys(one["copyright"] for one in held.published("ConceptMap") if "copyright" in one)),
        "software": {"name": "HipSpine", "version": version},
        "implementation": {"description": "HipSpine assessment service", "url": address},
        "lockedDate": False,
        "codeSystem": [_system(system, held.languages) for system in held.systems.values()],
        "expansion": {
            "hierarchical": False,
            "paging": True,
            "incomplete": False,
            "parameter": [{"name": one.name} for one in EXPAND if not one.refused],
            "textFilter": _FILTER,
        },
        "validateCode": {"translations": False},
        "translation": {"needsMap": True},
        "closure": {"translation": False},
    }


def _fragments(held: Held) -> list[str]:
    return [f"{system.name} ({len(system.concepts)} codes)" for system in held.systems.values() if not system.complete]


def _system(system: System, languages: tuple[str, ...]) -> Resource:
    version: Resource = {"isDefault": True}
    if system.version:
        version = {"code": system.version, **version}
    properties = sorted({code for concept in system.concepts.values() for code, _, _ in concept.properties})
    if system.complete:
        version["language"] = list(languages)
    if properties:
        version["property"] = properties
    return {"uri": system.url, "version": [version], "subsumption": system.complete}
