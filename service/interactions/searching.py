"""Searching, whatever is searched: stored resources in the database, published ones in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, replace
from functools import cmp_to_key
from typing import Any

from service.errors import Fault, MalformedInput
from service.fhir.conformance import Definitions
from service.fhir.index_values import Indexer
from service.fhir.r4 import read_stored, stored_text
from service.fhir.search import SearchContext, SearchQuery, read_query
from service.fhir.search_match import Subject, meets, subject_of
from service.fhir.search_results import CURSOR, ResultOptions
from service.fhir.search_wording import bad_value
from service.fhir.searchset import Answer, SearchEntry, searchset
from service.fhir.subsets import is_part, part_of
from service.records import dataclass
from service.storage.store import Reader, Version

Resource = dict[str, Any]
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Searches:
    """Searches of one instance. `address` and `context` are of the request in work; `stored` are the types in the database."""

    definitions: Definitions
    stored: frozenset[str]
    indexer: Indexer
    address: Callable[[], str]
    context: Callable[[], SearchContext]
    new_id: Callable[[], str]
    published: dict[str, tuple[Subject, ...]] = field(default_factory=dict)

    def bundle(
        self, reader: Reader | None, type_name: str, pairs: Pairs, *, strict: bool = False, as_text: bool = False
    ) -> Resource:
        """The Bundle that answers the search; MalformedInput with everything that is wrong with it.

        `reader` is a view of the store, which a search of published resources does not need. `as_text`: resources that are given
        whole may be JSON text in it, ready to be sent.
        """
        query = read_query(type_name, pairs, context=self.context(), strict=strict)
        if type_name in self.stored and reader is not None:
            answer = self._of_store(reader, query, as_text)
        else:
            answer = self._of_memory(query)
        return searchset(answer, query, address=self.address(), new_id=self.new_id)

    # --- stored ---

    def _of_store(self, reader: Reader, query: SearchQuery, as_text: bool) -> Answer:
        page = reader.search(query)
        options = query.results
        included = [_entry(version, replace(options, elements=()), as_text) for version in page.included]
        held = {entry.reference for entry in included}
        for address in page.canonicals:
            found = self.definitions.at(address)
            if found is not None and f"{found['resourceType']}/{found['id']}" not in held:
                included.append(SearchEntry(f"{found['resourceType']}/{found['id']}", found))
        return Answer(
            matches=[_entry(version, options, as_text) for version in page.versions],
            included=included,
            total=page.total,
            next=page.next,
            previous=page.previous,
            warnings=[_cut()] if page.cut else (),
        )

    # --- published ---

    def _of_memory(self, query: SearchQuery) -> Answer:
        options = query.results
        found = _ordered([one for one in self._subjects(query.type) if meets(query.conditions, one, self._subjects)], options)
        total = None if options.total == "none" else len(found)
        if options.count == 0 or options.summary == "count":
            return Answer((), total=len(found))
        start = _offset(options.cursor, len(found))
        page = [self.definitions.read(query.type, one.id) for one in found[start : start + options.count]]
        entries = [
            SearchEntry(f"{query.type}/{one['id']}", part_of(one, options) if is_part(options) else one) for one in page
        ]
        after, before = start + options.count, max(start - options.count, 0)
        return Answer(
            entries,
            total=total,
            next=str(after) if after < len(found) else "",
            previous=str(before) if start else "",
        )

    def _subjects(self, type_name: str) -> Sequence[Subject]:
        """What is published of a type. Read at the first search of it; the resources themselves are not kept."""
        if type_name in self.stored:
            return ()
        if type_name not in self.published:
            resources = self.definitions.of_type(type_name)
            self.published[type_name] = tuple(subject_of(resource, self.indexer) for resource in resources)
        return self.published[type_name]


def _entry(version: Version, options: ResultOptions, as_text: bool) -> SearchEntry:
    assert version.body is not None
    if is_part(options):
        return SearchEntry(version.reference, part_of(read_stored(version.body), options))
    return SearchEntry(version.reference, stored_text(version.body) if as_text else read_stored(version.body))


def _ordered(found: list[Subject], options: ResultOptions) -> list[Subject]:
    """In the order asked for, else by id; what has no value comes last."""

    def values(subject: Subject, code: str) -> list[Any]:
        named = (value for value in subject.values if value.name == code)
        return [getattr(value, name) for value in named for name in ("low", "code", "folded", "value", "target_id")
                if hasattr(value, name)][:1]  # fmt: skip

    def compare(one: Subject, other: Subject) -> int:
        for key in options.sort:
            a, b = values(one, key.parameter.code), values(other, key.parameter.code)
            if a != b:
                return (1 if not a else -1) if not a or not b else -1 if (a < b) != key.descending else 1
        return -1 if one.id < other.id else 1

    return sorted(found, key=cmp_to_key(compare))


def _offset(cursor: str, most: int) -> int:
    if not cursor:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 6 or int(cursor) > most:
        raise MalformedInput(bad_value(CURSOR, "what a next or previous link of the same search holds, unchanged"))
    return int(cursor)


def _cut() -> Fault:
    return Fault(
        "too-costly",
        "More resources were to be included than one answer holds.",
        rule="An answer includes a limited number of resources.",
        repair="Ask for smaller pages with _count, or for fewer kinds of resources.",
        severity="warning",
    )
