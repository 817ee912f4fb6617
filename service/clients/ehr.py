"""The record system's FHIR server, read with the token of one hook call: several queries side by side, within one time.

What comes back says how far it is to be trusted: all of it, part of it, nothing, and why.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from typing import Any, Literal
from urllib.parse import urljoin

from service.clients.outbound import Outbound
from service.errors import MalformedInput, OutboundRefused, TooLarge, UpstreamFailed
from service.records import dataclass

Resource = dict[str, Any]
# refused: the host may not be called. denied: 401 or 403. failed: no usable answer. partial: only some of it was read.
Problem = Literal["", "refused", "denied", "failed", "partial"]

FHIR_JSON = "application/fhir+json"
QUERIES_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Fetched:
    """The resources one query gave. `problem` is empty if that is all there is.

    `malformed` is the number of entries that hold no resource: what was meant by them nobody can tell.
    """

    resources: tuple[Resource, ...] = field(default=(), repr=False)
    problem: Problem = ""
    malformed: int = 0


@dataclass(frozen=True, slots=True)
class ReadBounds:
    """How long all queries of one call may take together, and how much of one query is read."""

    seconds: float = 3.0
    max_pages: int = 10
    max_resources: int = 1_000


class RecordServer:
    """Reads any listed server. One per process; threads share it and its connections."""

    def __init__(
        self,
        outbound: Outbound,
        *,
        decode: Callable[[bytes], Resource],
        bounds: ReadBounds | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbound = outbound
        self._decode = decode
        self._bounds = bounds or ReadBounds()
        self._clock = clock
        self._pool = ThreadPoolExecutor(QUERIES_AT_ONCE * 2, thread_name_prefix="record")

    def fetch(self, base: str, queries: Mapping[str, str], *, token: str | None) -> dict[str, Fetched]:
        """What each query gives, by key. A query is relative to the base, or an address below it (a next page).

        Never raises for what a server does; a query that is not done in time counts as failed.
        """
        if not queries:
            return {}
        deadline = self._clock() + self._bounds.seconds
        headers = {"Accept": FHIR_JSON} | ({"Authorization": f"Bearer {token}"} if token else {})
        futures = {key: self._pool.submit(self._read, base, query, headers, deadline) for key, query in queries.items()}
        found = {}
        for key, future in futures.items():
            try:
                # Each read ends by itself at the deadline; the little more is for threads that waited for their turn.
                found[key] = future.result(timeout=max(0.0, deadline - self._clock()) + 0.1)
            except TimeoutError:
                future.cancel()
                found[key] = Fetched(problem="failed")
        return found

    def _read(self, base: str, query: str, headers: Mapping[str, str], deadline: float) -> Fetched:
        address: str | None = urljoin(base.rstrip("/") + "/", query)
        kinds = ("Bundle", re.split(r"[/?]", query, maxsplit=1)[0])
        resources: list[Resource] = []
        malformed = matches = 0

        def ended(problem: Problem) -> Fetched:
            """What was read by now; that it is not all, if there is any of it, else why there is nothing."""
            return Fetched(tuple(resources), "partial" if problem and (resources or malformed) else problem, malformed)

        try:
            # Checked for the first page too: a query that is an address came from the caller.
            origin = self._outbound.check(base, where="fhirServer").origin
            for _ in range(self._bounds.max_pages):
                if address is None:
                    break
                if self._outbound.check(address, where="fhirServer").origin != origin:
                    return ended("partial")
                answer = self._outbound.send("GET", address, headers=headers, seconds=deadline - self._clock())
                if not answer.ok:
                    return ended("denied" if answer.status in (401, 403) else "failed")
                page = self._decode(answer.body)
                if page.get("resourceType") not in kinds or not isinstance(page.get("entry"), list | None):
                    return ended("failed")
                resources += held_in(page)
                malformed += malformed_in(page)
                matches += matches_in(page)
                if complains(page):
                    return ended("partial")
                address = urljoin(address, following) if (following := next_page(page)) else None
                if address is None and lacks(page, matches):
                    return ended("partial")
                if len(resources) + malformed >= self._bounds.max_resources and address is not None:
                    break
        except OutboundRefused:
            return ended("refused")
        except (UpstreamFailed, MalformedInput, TooLarge):
            return ended("failed")
        return ended("" if address is None else "partial")


def held_in(page: Resource) -> Iterator[Resource]:
    """The resources of a Bundle, or the resource itself; messages of the server are not among them."""
    if page.get("resourceType") != "Bundle":
        yield page
        return
    entries = page.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        if _is_resource(entry) and entry["resource"]["resourceType"] != "OperationOutcome":
            yield entry["resource"]


def malformed_in(page: Resource) -> int:
    """How many entries of a Bundle hold no resource, or something that is none."""
    entries = page.get("entry") if page.get("resourceType") == "Bundle" else None
    return sum(not _is_resource(entry) for entry in (entries if isinstance(entries, list) else ()))


def matches_in(page: Resource) -> int:
    """How many entries of a Bundle count for its `total`: neither messages of the server nor what was included."""
    entries = page.get("entry") if page.get("resourceType") == "Bundle" else None
    return sum(_mode(entry) == "match" for entry in (entries if isinstance(entries, list) else ()))


def lacks(page: Resource, matches: int) -> bool:
    """Whether a last page shows that there is more: by a total that was not reached, or a next page without an address."""
    total, links = page.get("total"), page.get("link")
    if page.get("resourceType") != "Bundle":
        return False
    if isinstance(links, list) and any(isinstance(link, dict) and link.get("relation") == "next" for link in links):
        return True
    return isinstance(total, int) and total > matches


def _is_resource(entry: Any) -> bool:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    return isinstance(resource, dict) and isinstance(resource.get("resourceType"), str)


def _mode(entry: Any) -> str:
    search = entry.get("search") if isinstance(entry, dict) else None
    if _is_resource(entry) and entry["resource"]["resourceType"] == "OperationOutcome":
        return "outcome"
    return str(search.get("mode", "match")) if isinstance(search, dict) else "match"


def complains(page: Resource) -> bool:
    """Whether a Bundle says that something went wrong while it was made; a warning or a hint is not that."""
    entries = page.get("entry") if page.get("resourceType") == "Bundle" else None
    outcomes = [entry.get("resource") for entry in (entries if isinstance(entries, list) else ()) if isinstance(entry, dict)]
    return any(
        issue.get("severity") in ("error", "fatal")
        for outcome in outcomes
        if isinstance(outcome, dict) and outcome.get("resourceType") == "OperationOutcome"
        for issue in (outcome["issue"] if isinstance(outcome.get("issue"), list) else ())
        if isinstance(issue, dict)
    )


def next_page(page: Resource) -> str | None:
    """The address of the next page of a Bundle; None if there is none."""
    links = page.get("link") if page.get("resourceType") == "Bundle" else None
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
            return str(link["url"])
    return None
