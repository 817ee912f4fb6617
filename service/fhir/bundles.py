"""The resources of a Bundle, each with the place it was found at.

Any Bundle type is read alike: what an entry asks a server to do (`request`) or says about a search hit (`search`) is
not what was found in the patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service.records import dataclass

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """One resource of a submission and where it stands in it. Equal only to itself."""

    resource: Resource
    path: str  # ``Observation``, ``Bundle.entry[2].resource``, ``Parameters.parameter[0].resource``
    full_url: str = ""
    bundled: bool = False  # other resources of the same submission may be what its references mean
    version: str = ""  # of a resource that this service has stored itself, and that can be named by it

    @property
    def type(self) -> str:
        return str(self.resource.get("resourceType", ""))

    @property
    def id(self) -> str:
        return str(self.resource.get("id", ""))

    @property
    def reference(self) -> str:
        """``Patient/1``, with the version where it is known to be one of ours. The resource has an id."""
        return f"{self.type}/{self.id}" + (f"/_history/{self.version}" if self.version else "")


def held_in_bundle(bundle: Resource, path: str = "Bundle") -> Iterator[Held]:
    """The resources of the entries in order, those of nested Bundles in their place; entries without one are passed over."""
    for index, entry in enumerate(bundle.get("entry", ())):
        resource = entry.get("resource")
        if resource is None:
            continue
        at = f"{path}.entry[{index}].resource"
        if resource.get("resourceType") == "Bundle":
            yield from held_in_bundle(resource, at)
        else:
            yield Held(resource, at, str(entry.get("fullUrl", "")), bundled=True)


def newest_versions(held: list[Held]) -> tuple[list[Held], list[Held]]:
    """The resources with only the newest version of each, and the older versions that were left out.

    Versions are told by equal type, id and base address (a history Bundle holds several). Of equal ages the first
    stays, as a history lists the newest first.
    """
    newest: dict[tuple[str, str, str], Held] = {}
    older: list[Held] = []
    for one in held:
        key = _identity(one)
        if key is None:
            continue
        other = newest.get(key)
        if other is None:
            newest[key] = one
        elif _updated(one) > _updated(other):
            older.append(other)
            newest[key] = one
        else:
            older.append(one)
    left_out = set(map(id, older))
    return [one for one in held if id(one) not in left_out], older


def _identity(held: Held) -> tuple[str, str, str] | None:
    if not held.id:
        return None
    tail = f"{held.type}/{held.id}"
    base = held.full_url[: -len(tail)] if held.full_url.endswith(tail) else held.full_url
    return held.type, held.id, base


def _updated(held: Held) -> str:
    # Text order is enough: one server writes its instants in one form.
    return str(held.resource.get("meta", {}).get("lastUpdated", ""))
