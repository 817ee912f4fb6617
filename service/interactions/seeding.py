"""Resources that come with the service, in the store like any other: they can be referred to by version, and have a history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from service.fhir.r4 import read_stored, serialise
from service.storage.store import ResourceStore, Transaction, Version


def store_ours(store: ResourceStore, resources: Iterable[Mapping[str, Any]]) -> None:
    """Nothing; each resource is the newest version of its id. What is so already is not written again."""
    wanted = {(one["resourceType"], one["id"]): one for one in resources}
    with store.reading() as reader:
        held = reader.read_many(list(wanted))
    changed = [one for key, one in wanted.items() if not _says_the_same(held.get(key), one)]
    if changed:
        store.transact(lambda transaction: _write(transaction, changed))


def _write(transaction: Transaction, resources: Iterable[Mapping[str, Any]]) -> None:
    for one in resources:
        # Again inside the transaction: another process may have started at the same time.
        if not _says_the_same(transaction.read(one["resourceType"], one["id"]), one):
            transaction.update(one)


def _says_the_same(held: Version | None, resource: Mapping[str, Any]) -> bool:
    if held is None or held.body is None:
        return False
    stored = read_stored(held.body)
    meta = {name: value for name, value in stored["meta"].items() if name not in ("versionId", "lastUpdated")}
    bare = {**{name: value for name, value in stored.items() if name != "meta"}, **({"meta": meta} if meta else {})}
    return bare == read_stored(serialise(dict(resource)))
