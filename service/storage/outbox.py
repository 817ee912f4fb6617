"""What is to be sent to other hosts, kept in the database that holds the resources, until it has been delivered.

A delivery is written in the transaction of the change it tells of, so that it exists if and only if the change does. Whoever
works on one has a lease: when the lease runs out (the process died, say) another takes over. So each is delivered at least once,
and a receiver may see one twice. Deliveries to one target go out one after the other, in the order they were written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from service.records import dataclass
from service.storage.store import Transaction

State = Literal["waiting", "delivered", "dead"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing to send. `kind` says who knows how, `target` to whom, `payload` what; it refers to resources, it holds none.

    `attempts` counts those that failed; `lease` is the token of the worker that has it; `error` says what went wrong the last
    time, without anything of a patient. Times are aware.
    """

    id: int
    kind: str
    target: str
    payload: Mapping[str, Any]
    state: State
    attempts: int
    created: datetime
    next_try: datetime
    lease: str = ""
    error: str = ""


# Done in the transaction that settles a delivery: what must be stored if and only if that is.
Also = Callable[[Transaction], None]


class Outbox(Protocol):
    """The deliveries of one database, for all processes that share it."""

    def put(self, transaction: Transaction, kind: str, target: str, payload: Mapping[str, Any]) -> None:
        """One more delivery, written with the transaction."""

    def claim(self, kinds: Collection[str], *, lease_seconds: float, limit: int = 1) -> Sequence[Delivery]:
        """Deliveries that are due, for this worker alone until the lease ends; at most one for each target."""

    def settle(
        self, delivery: Delivery, state: Literal["delivered", "dead"], *, error: str = "", also: Also | None = None
    ) -> bool:
        """Whether the delivery was still this worker's; if so it is over, and what `also` wrote is stored with that."""

    def postpone(self, delivery: Delivery, until: datetime, *, error: str) -> bool:
        """Whether the delivery was still this worker's; if so it failed once more and is due again then."""

    def count_event(self, transaction: Transaction, target: str) -> int:
        """The number of one more event for the target, from 1 on; two transactions never get the same."""

    def events_of(self, target: str) -> int:
        """How many events the target has had."""

    def last_activity(self, kind: str, target: str) -> datetime | None:
        """When something was last put out for the target or delivered to it."""

    def list(self, states: Collection[State], *, kind: str = "", target: str = "", limit: int = 100) -> Sequence[Delivery]:
        """Deliveries of these states, the oldest first."""

    def count(self) -> Mapping[tuple[str, State], int]:
        """How many there are of each kind and state."""

    def retry(self, ids: Collection[int] | None = None) -> int:
        """How many dead deliveries (None: all) are waiting again from now on, with their attempts counted anew."""

    def forget(self, before: datetime) -> int:
        """How many delivered ones, settled before that time, were removed."""
