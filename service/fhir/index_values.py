"""The values a resource is found by, one class per kind of search parameter. A store keeps them beside the resource.

`name` is the search parameter as it is written in a query. Times are whole microseconds since 1970 in UTC. The parts of a
composite parameter are values of their own, named ``code.1``, ``code.2`` ...; those that belong together share an `occurrence`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

from service.records import dataclass


@dataclass(frozen=True, slots=True)
class TokenValue:
    """A code, an identifier, a truth value. An empty `system` says that the value has none, an empty `code` as well."""

    name: str
    code: str
    system: str = ""
    occurrence: int = 0

    def in_occurrence(self, number: int) -> Self:
        return replace(self, occurrence=number)


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """Where a reference points, and its identifier.

    Relative and of this server: type and id, and the version if it names one. Of another server: its base too. Anything else
    (urn:, a canonical, a contained resource) is the whole text in `target_id`; a canonical's version is apart.
    """

    name: str
    target_id: str = ""
    target_type: str = ""
    server: str = ""
    version: str = ""
    identifier_system: str = ""
    identifier_value: str = ""
    occurrence: int = 0

    def in_occurrence(self, number: int) -> Self:
        return replace(self, occurrence=number)


@dataclass(frozen=True, slots=True)
class DateValue:
    """A period: its first and its last microsecond."""

    name: str
    low: int
    high: int
    occurrence: int = 0

    def in_occurrence(self, number: int) -> Self:
        return replace(self, occurrence=number)


@dataclass(frozen=True, slots=True)
class StringValue:
    """A text as it stands, and without case and accents: the beginning, and all of it."""

    name: str
    start: str
    folded: str
    exact: str
    occurrence: int = 0

    def in_occurrence(self, number: int) -> Self:
        return replace(self, occurrence=number)


@dataclass(frozen=True, slots=True)
class QuantityValue:
    """A number, with its unit if it has one. `low` and `high` differ for a range and where a comparator leaves an end open."""

    name: str
    low: float
    high: float
    system: str = ""
    code: str = ""
    occurrence: int = 0

    def in_occurrence(self, number: int) -> Self:
        return replace(self, occurrence=number)


@dataclass(frozen=True, slots=True)
class UriValue:
    """An address; the version of a canonical is apart."""

    name: str
    value: str
    version: str = ""
    occurrence: int = 0

    def in_occurrence(self, number: int) -> Self:
        return replace(self, occurrence=number)


IndexValue = TokenValue | ReferenceValue | DateValue | StringValue | QuantityValue | UriValue
# All values of one resource, read from its JSON with id and meta.
Indexer = Callable[[Mapping[str, Any]], Iterable[IndexValue]]
