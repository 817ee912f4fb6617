"""Searches as use cases ask them: a type and pairs of a query, the newest versions that match."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from service.fhir.search import SearchContext, read_query
from service.storage.store import Reader, Version

AT_ONCE = 500  # of a page


class Find(Protocol):
    """All resources of a type that meet the pairs, however many; with `limit` at most as many, in the order of `_sort`."""

    def __call__(
        self, reader: Reader, type_name: str, pairs: Sequence[tuple[str, str]], *, limit: int | None = ...
    ) -> Sequence[Version]: ...


def finder(context: Callable[[], SearchContext]) -> Find:
    """Such a function. MalformedInput for pairs that are not wholly understood: a part left out is another question."""

    def find(
        reader: Reader, type_name: str, pairs: Sequence[tuple[str, str]], *, limit: int | None = None
    ) -> Sequence[Version]:
        query = read_query(type_name, pairs, context=context(), strict=True)
        found: list[Version] = []
        cursor = ""
        while True:
            count = AT_ONCE if limit is None else min(AT_ONCE, limit - len(found))
            page = reader.search(replace(query, results=replace(query.results, count=count, total="none", cursor=cursor)))
            found += page.versions
            cursor = page.next
            if not cursor or len(found) == limit:
                return found

    return find


