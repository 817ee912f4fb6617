"""What the rest of the service may ask of a store: read, write and search resources, several of them as one.

Nothing here knows a database. `sql_store.py` is the implementation; tests of the protocol run on every database it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

from service.fhir.compartment import EverythingQuery
from service.fhir.search import SearchQuery
from service.fhir.times import microseconds
from service.records import dataclass

Resource = dict[str, Any]
Method = Literal["POST", "PUT", "DELETE"]
Result = TypeVar("Result")

PAGE = 50  # entries of a page where the caller asks for no other number
MOST_PER_PAGE = 1000
# As the version that is expected: there must be one. Not -1: that is a tag which no version has (fhir/etags.py).
ANY_VERSION = -2


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one resource. `body` is its JSON with id and meta, or None: this version says it was deleted.

    `last_updated` is aware, in UTC, to the millisecond, rises with `version`; `sequence` orders the writes of the whole store.
    """

    type: str
    id: str
    version: int
    last_updated: datetime
    method: Method
    body: bytes | None
    sequence: int
    # On what was just written: whether it made the resource exist (again). Not kept.
    created: bool = field(default=False, compare=False)

    @property
    def deleted(self) -> bool:
        return self.body is None

    @property
    def position(self) -> tuple[int, int]:
        """Where it stands in a history: whole microseconds since 1970, and `sequence` among equal ones."""
        return microseconds(self.last_updated), self.sequence

    @property
    def reference(self) -> str:
        """``Patient/1``"""
        return f"{self.type}/{self.id}"

    @property
    def versioned_reference(self) -> str:
        """``Patient/1/_history/3``"""
        return f"{self.type}/{self.id}/_history/{self.version}"


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which versions to list, newest first: of one resource, of one type (`id` empty), or of all (`type` empty too).

    `types` limits a history of all to these types. `before` is the `position` below which the page starts (None: the newest).
    """

    type: str = ""
    id: str = ""
    types: Collection[str] = ()
    since: datetime | None = None
    before: tuple[int, int] | None = None
    count: int = PAGE


@dataclass(frozen=True, slots=True)
class Page:
    """Versions in the order asked for. `more` tells that others follow; `total` is their number over all pages, if counted."""

    versions: tuple[Version, ...]
    more: bool = False
    total: int | None = None


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of the matches of a search, and what came with them.

    `total` is the number of all matches, None where it was not asked for and would have to be counted. `next` and `previous` are
    places to go on at, empty where there is nothing more; `included` holds each resource once and none that is a match;
    `canonicals` are canonical addresses (perhaps with ``|version``) that includes lead to; `cut`: there would have been more to
    include.
    """

    versions: tuple[Version, ...] = ()
    included: tuple[Version, ...] = ()
    total: int | None = None
    next: str = ""
    previous: str = ""
    canonicals: tuple[str, ...] = ()
    cut: bool = False


class Reader(Protocol):
    """One consistent view of the store: what is written meanwhile is not seen."""

    def read(self, type_name: str, resource_id: str) -> Version | None:
        """The newest version, which may say that the resource was deleted; None if there never was one."""

    def vread(self, type_name: str, resource_id: str, version: int) -> Version | None:
        """That version, or None."""

    def read_many(self, references: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Version]:
        """The newest versions of those of the given (type, id) that exist and are not deleted."""

    def history(self, query: HistoryQuery) -> Page:
        """Versions, newest first. `total` is counted for one resource only."""

    def state_of(self, type_name: str) -> tuple[int, int]:
        """A pair that is another one after every write of the type, in whatever order writers commit and clocks tell the time."""

    def search(self, query: SearchQuery) -> SearchPage:
        """One page of the resources that meet the query."""

    def everything(self, query: EverythingQuery) -> SearchPage:
        """One page of all that is held of a patient."""


class Transaction(Reader, Protocol):
    """Reads and writes that take effect together or not at all. It sees its own writes."""

    def create(self, resource: Mapping[str, Any], *, resource_id: str | None = None) -> Version:
        """The first version of a new resource, under a new id or the one given; id and version in the resource are ignored."""

    def update(self, resource: Mapping[str, Any], *, expected: int | None = None) -> Version:
        """The next version of the resource of that type and id; the first one if there is none yet.

        VersionConflict if `expected` is given and not the newest version (0: there must be none, `ANY_VERSION`: any).
        """

    def delete(self, type_name: str, resource_id: str, *, expected: int | None = None) -> Version | None:
        """The version that says it is deleted; the one there is if it was deleted already; None if it never existed."""

    def new_id(self) -> str:
        """An id nobody has, for references between resources that are yet to be created."""

    @property
    def written(self) -> Sequence[Version]:
        """What this transaction has written so far, in order."""

    def afterwards(self, call: Callable[[], None]) -> None:
        """Have `call` called once everything is safely on disk, and never if it is undone. It must not raise."""


class ResourceStore(Protocol):
    """Resources with all their versions."""

    def reading(self) -> AbstractContextManager[Reader]:
        """A consistent view, for the length of a `with`."""

    def transact(
        self, work: Callable[[Transaction], Result], *, conditional: Collection[str] = (), writing: Collection[str] = ()
    ) -> Result:
        """What `work` returns, once everything it wrote is safely on disk; nothing of it is stored if it raises.

        `work` may be run again if the database asks for it (two transactions waiting for each other), so it must have no effect
        outside the transaction. `conditional` are the types of which `work` searches before it writes: nobody else writes
        resources of these types between the search and the commit. `writing` are all types it is going to write, where that is
        known beforehand: two that announce what they do never wait for each other in a circle.
        """

    def listen(self, listener: WriteListener) -> None:
        """Have `listener` called at the end of every transaction that wrote something, after those that were there before."""

    def check(self) -> None:
        """Nothing if the database answers; Unavailable otherwise."""

    def close(self) -> None:
        """Give the connections back."""


# Called at the end of every transaction, still inside it, with what was written: what must happen if and only if that is stored
# (rows of an outbox, for instance) is written here.
WriteListener = Callable[[Transaction, Sequence[Version]], None]
