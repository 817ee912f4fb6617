"""The conformance resources this server publishes (form, codes, operations), to be read by id or found by address."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from service.errors import Fault, NotFound
from service.records import dataclass

Resource = dict[str, Any]


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

    def at(self, canonical: str) -> Resource | None:
        """The resource of a canonical address (perhaps with ``|version``), of whatever type; None if there is none."""
        address = canonical.partition("|")[0]
        named = (self.find(type_name, canonical) for type_name, held in self._by_type.items()
                 if any(one.url == address for one in held.values()))  # fmt: skip
        return next((found for found in named if found is not None), None)


def _at_hand(resource: Resource) -> Published:
    return Published(resource["resourceType"], resource["id"], resource.get("url", ""), lambda: resource)
