"""Searches as use cases ask them: a type and pairs of a query, the newest versions that match."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from service.fhir.search import SearchContext, read_query
from service.storage.store import Reader, Version

AT_ONCE = 500


class Find(Protocol):
    """All resources of a type that meet the pairs; at most `limit` of them, in the order asked for by `_sort`."""

    def __call__(
        self, reader: Reader, type_name: str, pairs: Sequence[tuple[str, str]], *, limit: int = ...
    ) -> Sequence[Version]: ...


def finder(context: Callable[[], SearchContext]) -> Find:
    """Such a function. MalformedInput for pairs that are not wholly understood: a part left out is another question."""

    def find(
        reader: Reader, type_name: str, pairs: Sequence[tuple[str, str]], *, limit: int = AT_ONCE
    ) -> Sequence[Version]:
        query = read_query(type_name, pairs, context=context(), strict=True)
        found: Sequence[Version] = reader.search(
            replace(query, results=replace(query.results, count=limit, total="none"))
        ).versions
        return found

    return find


