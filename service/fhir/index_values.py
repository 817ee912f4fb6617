"""The values a resource is found by, one class per kind of search parameter. A store keeps them beside the resource.

`name` is the search parameter as it is written in a query. Times are whole microseconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenValue:
    """A code, an identifier, a truth value. An empty `system` says that the value has none."""

    name: str
    code: str
    system: str = ""


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """Where a reference points: type and id if it is relative or of this server, else its whole text; and its identifier."""

    name: str
    target_type: str = ""
    target_id: str = ""
    target_url: str = ""
    identifier_system: str = ""
    identifier_value: str = ""


@dataclass(frozen=True, slots=True)
class DateValue:
    """A period: its first and its last microsecond."""

    name: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class StringValue:
    """A text as it stands, and without case and accents."""

    name: str
    folded: str
    exact: str


@dataclass(frozen=True, slots=True)
class QuantityValue:
    """A number, with its unit if it has one; `low` and `high` are the ends of what its digits leave open."""

    name: str
    low: float
    high: float
    system: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class UriValue:
    """A canonical or another address."""

    name: str
    value: str


IndexValue = TokenValue | ReferenceValue | DateValue | StringValue | QuantityValue | UriValue
# All values of one resource, read from its JSON with id and meta.
Indexer = Callable[[Mapping[str, Any]], Iterable[IndexValue]]
