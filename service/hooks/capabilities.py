"""What a record system's CapabilityStatement says about our queries and about what we would write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from service.hooks.registry import HookServices
from service.records import dataclass

FHIR_VERSIONS = ("4.0", "4.0.0", "4.0.1")
WRITTEN = ("RiskAssessment", "ServiceRequest", "Provenance")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing this service would use. `required`: without it hooks depend on what the client prefetches."""

    what: str
    purpose: str
    supported: bool
    required: bool
    note: str = ""


def findings(statement: Mapping[str, Any], services: HookServices) -> list[Finding]:
    """All of them: the version, each different prefetch query, each type to write."""
    version = str(statement.get("fhirVersion", ""))
    fits = version in FHIR_VERSIONS
    held = {str(one.get("type")): one for one in _resources(statement)}
    return [
        Finding("FHIR R4", "everything", fits, True, "" if fits else f"says {version or 'nothing of it'}"),
        *_queries(services, held),
        *_writes(held),
    ]


def _resources(statement: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for rest in _list(statement.get("rest")):
        if isinstance(rest, dict) and rest.get("mode") == "server":
            yield from (one for one in _list(rest.get("resource")) if isinstance(one, dict))


def _queries(services: HookServices, held: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    seen: dict[str, list[Any]] = {}
    for service in services.services:
        for one in service.prefetch:
            seen.setdefault(one.query, []).append((service.id, one))
    for query, uses in seen.items():
        kind, _, parameters = query.partition("?")
        kind = kind.split("/")[0]
        offered = held.get(kind)
        wanted = [name for name, _ in parse_qsl(parameters, keep_blank_values=True)]
        note = _lacks(kind, offered, "search-type" if wanted else "read", wanted)
        keys = ", ".join(dict.fromkeys(one.key for _, one in uses))
        what = f"search {kind} by {', '.join(wanted)}" if wanted else f"read {kind}"
        yield Finding(what, f"prefetch {keys}", not note, any(one.required for _, one in uses), note)


def _writes(held: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for kind in WRITTEN:
        offered = held.get(kind)
        note = _lacks(kind, offered, "create", [])
        supported = not note
        if supported and offered is not None and offered.get("conditionalCreate") is not True:
            note = "no conditional create: sending again may write twice"
        yield Finding(f"create {kind}", "write-back", supported, False, note)


def _lacks(kind: str, offered: Mapping[str, Any] | None, interaction: str, wanted: Sequence[str]) -> str:
    """What the server does not say it has, in words; empty if it has all."""
    if offered is None:
        return f"{kind} is not offered"
    codes = [one.get("code") for one in _list(offered.get("interaction")) if isinstance(one, dict)]
    if interaction not in codes:
        return f"no {interaction} of {kind}"
    names = [one.get("name") for one in _list(offered.get("searchParam")) if isinstance(one, dict)]
    missing = [name for name in wanted if name not in names]
    return f"no search by {', '.join(missing)}" if missing else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
