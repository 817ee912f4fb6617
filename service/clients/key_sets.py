"""Public keys of record systems, from their key sets: kept for a while, fetched again when a key is new, never per request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.clients.outbound import Bounds, Outbound
from service.errors import OutboundRefused, UpstreamFailed

FRESH_SECONDS = 600.0
STALE_SECONDS = 86_400.0  # how long old keys serve while their source cannot be reached
SOONEST_SECONDS = 10.0  # between two fetches, so that made-up key ids cannot make this service call others all day
BOUNDS = Bounds(total_seconds=3.0, max_bytes=500_000, retries=1)
MOST_KEYS = 100

PublicKey = Mapping[str, Any]


@dataclass
class _Held:
    keys: dict[str, PublicKey] = field(default_factory=dict)
    fetched: float = float("-inf")  # when the keys came
    tried: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class KeySets:
    """The key sets of the addresses given, and of no others. One per process."""

    def __init__(self, outbound: Outbound, addresses: frozenset[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._outbound = outbound
        self._clock = clock
        self._held = {address: _Held() for address in addresses}
        for address in sorted(addresses):
            outbound.check(address, where="HIPSPINE_HOOKS_ISSUERS")

    def key(self, address: str, kid: str) -> PublicKey | None:
        """The public key of that id as a JWK; None if the set has none, or cannot be had."""
        held = self._held[address]
        with held.lock:  # one fetch at a time: the others wait for its keys
            age = self._clock() - held.fetched
            if (kid not in held.keys or age > FRESH_SECONDS) and self._clock() - held.tried > SOONEST_SECONDS:
                self._fetch(address, held)
            if self._clock() - held.fetched > STALE_SECONDS:
                return None
            return held.keys.get(kid)

    def _fetch(self, address: str, held: _Held) -> None:
        held.tried = self._clock()
        try:
            answer = self._outbound.send("GET", address, headers={"Accept": "application/json"}, bounds=BOUNDS)
            listed = json.loads(answer.body)["keys"] if answer.ok else None
        except (OutboundRefused, UpstreamFailed, ValueError, KeyError, TypeError, RecursionError):
            return
        if isinstance(listed, list):
            keys = [key for key in listed[:MOST_KEYS] if isinstance(key, dict) and isinstance(key.get("kid"), str)]
            held.keys = {key["kid"]: key for key in reversed(keys)}  # of two with one id the first counts
            held.fetched = held.tried
