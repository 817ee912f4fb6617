"""What the GET entries of a Bundle answer: stored and published resources, histories, searches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.errors import Fault, NotSupported
from service.fhir.conformance import Definitions
from service.fhir.etags import tagged_versions
from service.fhir.resource_types import resource_type
from service.interactions.entries import Entry
from service.interactions.history import history_bundle
from service.interactions.results import Done
from service.interactions.single import read, vread
from service.records import dataclass
from service.storage.store import HistoryQuery, Reader

Resource = dict[str, Any]
# The Bundle that answers a search: the view of the store, the type, the query string.
Search = Callable[[Reader, str, str], Resource]


@dataclass(frozen=True, slots=True)
class Retriever:
    """Answers of one instance. `address` is the FHIR base as the caller reached it, at the time of the call."""

    definitions: Definitions
    address: Callable[[], str]
    new_id: Callable[[], str]
    search: Search | None = None

    def __call__(self, reader: Reader, entry: Entry) -> Done:
        """found, with a version or a resource; ServiceError as a request of its own would raise it."""
        if entry.history:
            return self._history(reader, entry)
        offered = resource_type(entry.type)
        if not entry.id:
            return self._search(reader, entry)
        if offered is None or not offered.stored:
            return Done("found", resource=self.definitions.read(entry.type, entry.id))
        if entry.version:
            return Done("found", vread(reader, entry.type, entry.id, entry.version))
        found = read(reader, entry.type, entry.id)
        if entry.if_none_match is not None:
            versions = tagged_versions(entry.if_none_match, where=f"{entry.path}.request.ifNoneMatch")
            return Done("found", found, not_modified=versions is None or found.version in versions)
        return Done("found", found)

    def _history(self, reader: Reader, entry: Entry) -> Done:
        if entry.criteria:
            raise NotSupported(
                Fault(
                    "not-supported",
                    "A history inside a Bundle takes no parameters.",
                    where=f"{entry.path}.request.url",
                    rule="In a Bundle the first page of a history is given.",
                    repair="Ask for the history by a request of its own.",
                )
            )
        query = HistoryQuery(entry.type, entry.id)
        page = reader.history(query)
        bundle = history_bundle(page, query, address=self.address(), bundle_id=self.new_id(), applied={})
        return Done("found", resource=bundle)

    def _search(self, reader: Reader, entry: Entry) -> Done:
        if self.search is None:
            raise NotSupported(
                Fault("not-supported", "Searches inside a Bundle are not offered.", where=f"{entry.path}.request.url")
            )
        return Done("found", resource=self.search(reader, entry.type, entry.criteria or ""))
