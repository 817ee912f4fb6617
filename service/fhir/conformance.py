"""The conformance resources this server publishes (form, codes, operations), to be read by id or found by address."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from service.errors import Fault, MalformedInput, NotFound
from service.fhir.resource_types import ResourceType

Resource = dict[str, Any]

# Parameters every request may carry; they shape the answer, they do not select.
SHAPING = ("_format", "_pretty")


@dataclass(frozen=True, slots=True)
class Search:
    """A query split into what this server applies and what it does not know, each in the order given."""

    applied: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """One resource to be read: where it stands, and how to get at it. What lies in a file is parsed when it is asked for."""

    type_name: str
    id: str
    url: str
    load: Callable[[], Resource]


def compiled(directory: Path, *, canonical_base: str, base_url: str) -> Iterator[Published]:
    """What lies in a folder of files named `Type-id.json`, its addresses moved from `canonical_base` to `base_url`.

    Its address is that base, type and id. Snapshots are large and seldom read, so the files stay on disk until they are.
    """
    for path in sorted(directory.glob("*.json")):
        type_name, _, resource_id = path.stem.partition("-")

        def load(path: Path = path) -> Resource:
            # Addresses also stand inside FHIRPath expressions, so it is the text in which they are replaced.
            resource: Resource = json.loads(path.read_text(encoding="utf-8").replace(f"{canonical_base}/", f"{base_url}/"))
            return resource

        yield Published(type_name, resource_id, f"{base_url}/{type_name}/{resource_id}", load)


class Definitions:
    """Published resources by type and id."""

    def __init__(self, resources: Iterable[Resource | Published]) -> None:
        self._by_type: dict[str, dict[str, Published]] = {}
        for one in resources:
            published = one if isinstance(one, Published) else _at_hand(one)
            self._by_type.setdefault(published.type_name, {})[published.id] = published

    def __iter__(self) -> Iterator[Published]:
        """Every resource, by type and id."""
        for type_name in sorted(self._by_type):
            for resource_id in self.ids(type_name):
                yield self._by_type[type_name][resource_id]

    def ids(self, type_name: str) -> tuple[str, ...]:
        """The ids published for a type, sorted."""
        return tuple(sorted(self._by_type.get(type_name, {})))

    def of_type(self, type_name: str) -> tuple[Resource, ...]:
        """The resources published for a type, sorted by id."""
        return tuple(self._by_type[type_name][resource_id].load() for resource_id in self.ids(type_name))

    def read(self, type_name: str, resource_id: str) -> Resource:
        """The resource of that type and id; NotFound if there is none."""
        try:
            found = self._by_type[type_name][resource_id]
        except KeyError:
            raise NotFound(
                Fault(
                    "not-found",
                    f"There is no {type_name} of that id here.",
                    rule="Only published resources can be read.",
                    repair=f"GET {type_name} lists those there are.",
                )
            ) from None
        return found.load()

    def find(self, type_name: str, canonical: str) -> Resource | None:
        """The resource of a canonical address (perhaps with ``|version``) or of an id; None if it is not published here."""
        address, _, version = canonical.partition("|")
        published = self._by_type.get(type_name, {})
        named = published.get(address) or next((one for one in published.values() if one.url == address), None)
        found = named.load() if named is not None else None
        return found if found is not None and version in ("", found.get("version")) else None

    def matches(self, offered: ResourceType, search: Search) -> list[Resource]:
        """The resources that meet every applied parameter, sorted by id. A comma in a value means "or"."""
        elements = {parameter.name: parameter.element for parameter in offered.search_parameters}
        found = []
        for resource_id in self.ids(offered.name):
            published = self._by_type[offered.name][resource_id]
            if all(getattr(published, elements[name]) in value.split(",") for name, value in search.applied):
                found.append(published.load())
        return found


def read_search(offered: ResourceType, query: Sequence[tuple[str, str]], *, strict: bool) -> Search:
    """The query split into applied and ignored; MalformedInput in strict handling if anything would be ignored."""
    known = {parameter.name for parameter in offered.search_parameters}
    applied = tuple((name, value) for name, value in query if name in known)
    ignored = tuple(dict.fromkeys(name for name, _ in query if name not in known and name not in SHAPING))
    if ignored and strict:
        raise MalformedInput(unknown_parameter(name, offered, severity="error") for name in ignored)
    return Search(applied, ignored)


def unknown_parameter(name: str, offered: ResourceType, *, severity: str = "warning") -> Fault:
    """The fault of a search parameter that this server does not know. The name is shown, its value never."""
    supported = ", ".join(parameter.name for parameter in offered.search_parameters)
    return Fault(
        "not-supported",
        f"The search parameter {_printable(name)} is not supported for {offered.name}.",
        rule=f"Supported for {offered.name}: {supported}.",
        repair="Leave the parameter out or use a supported one.",
        severity="error" if severity == "error" else "warning",
    )


def searchset(
    matches: Sequence[Resource],
    *,
    address: str,
    offered: ResourceType,
    search: Search,
    bundle_id: str,
    outcome: Mapping[str, Any] | None,
    outcome_id: str,
) -> Resource:
    """The Bundle that answers a search. Its self link holds only the parameters that were applied."""
    own = f"{address}/{offered.name}"
    entries: list[Resource] = [
        {"fullUrl": f"{own}/{resource['id']}", "resource": resource, "search": {"mode": "match"}} for resource in matches
    ]
    if outcome is not None:
        # HL7's validator wants an address for every entry of a searchset; this one is of nothing that could be read.
        entries.append({"fullUrl": f"urn:uuid:{outcome_id}", "resource": dict(outcome), "search": {"mode": "outcome"}})
    bundle: Resource = {
        "resourceType": "Bundle",
        "id": bundle_id,
        "type": "searchset",
        "total": len(matches),
        "link": [{"relation": "self", "url": f"{own}?{urlencode(search.applied)}" if search.applied else own}],
    }
    if entries:  # an empty array is not legal FHIR
        bundle["entry"] = entries
    return bundle


def _at_hand(resource: Resource) -> Published:
    return Published(resource["resourceType"], resource["id"], resource.get("url", ""), lambda: resource)


def _printable(name: str) -> str:
    return (
        "".join(character for character in name[:40] if character.isascii() and (character.isalnum() or character in "_:.-"))
        or "(unnamed)"
    )
