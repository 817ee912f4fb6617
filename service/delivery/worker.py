"""Threads that work off the outbox: claim what is due, hand it to the handler of its kind, settle it or try again later.

Any number of threads, processes and hosts may do so on one database. A delivery that cannot succeed, or failed too often, is put
aside as dead; an operator can have it tried again (`python -m service outbox retry`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from service.errors import OutboundRefused, ServiceError, Unavailable
from service.records import dataclass
from service.storage.outbox import Also, Delivery, Outbox

log = logging.getLogger("service.delivery")

_FORGET_EVERY = timedelta(hours=1)


class DeliveryFailed(Exception):
    """The target did not take it. `final` means that trying again cannot help. The text names no patient."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class Handler(Protocol):
    """Who knows how to deliver one kind."""

    def deliver(self, delivery: Delivery) -> Also | None:
        """Nothing once the target has taken it, or what is to be stored with its being settled. DeliveryFailed, or a
        ServiceError of the way out, if it has not."""

    def buried(self, delivery: Delivery, reason: str) -> Also | None:
        """What is to be stored with a delivery's being given up."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and when: the wait doubles from `first_seconds` to at most `longest_seconds`, each cut by up to half at random,
    so that many that failed together do not come back together. After `attempts` failures it is over."""

    attempts: int = 14
    first_seconds: float = 5.0
    longest_seconds: float = 3600.0

    def wait(self, failures: int, draw: float) -> float:
        """Seconds to wait after that many failures; `draw` is a random number in [0, 1).

        >>> RetryPolicy(first_seconds=4).wait(1, 0.0), RetryPolicy(first_seconds=4).wait(3, 0.5)
        (4.0, 12.0)
        """
        whole = min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures - 1, 30))
        return whole * (1 - draw / 2)


class Worker:
    """The threads of one process. `now` gives an aware datetime, `draw` a random number in [0, 1).

    `lease_seconds` is longer than any handler may take, and so the longest that a delivery waits whose worker died.
    """

    def __init__(
        self,
        outbox: Outbox,
        handlers: Mapping[str, Handler],
        *,
        now: Callable[[], datetime],
        draw: Callable[[], float],
        policy: RetryPolicy | None = None,
        lease_seconds: float = 60.0,
        threads: int = 1,
        poll_seconds: float = 1.0,
        keep: timedelta = timedelta(days=7),
        chores: tuple[Callable[[], None], ...] = (),
    ) -> None:
        self._outbox = outbox
        self._handlers = handlers
        self._now = now
        self._draw = draw
        self._policy = policy or RetryPolicy()
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._keep = keep
        self._chores = chores
        self._stopping = threading.Event()
        self._work = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"delivery-{number}", daemon=True)
            for number in range(threads)
        ]
        self._forgotten_at: datetime | None = None

    def start(self) -> None:
        """Begin to work in the background."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Take nothing more and wait for what is being sent, at most so long. What is not finished is sent again later."""
        self._stopping.set()
        self._work.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(seconds)

    def wake(self) -> None:
        """There may be something to do: look now rather than at the next turn."""
        self._work.set()

    def run_once(self) -> bool:
        """Whether there was a delivery to work on; it is settled or postponed when this returns."""
        claimed = self._outbox.claim(tuple(self._handlers), lease_seconds=self._lease_seconds)
        for delivery in claimed:
            self._handle(delivery)
        return bool(claimed)

    def _run(self, number: int) -> None:
        while not self._stopping.is_set():
            try:
                busy = self.run_once()
                if number == 0 and not busy:
                    self._tidy()
            except Unavailable:
                busy = False  # the store has logged it; it will be there again
            except Exception as error:  # noqa: BLE001  (a thread that ends would leave deliveries lying without a word)
                log.error("delivery worker error=%s", type(error).__name__)
                busy = False
            if not busy:
                self._work.wait(self._poll_seconds)
                self._work.clear()

    def _handle(self, delivery: Delivery) -> None:
        handler = self._handlers[delivery.kind]
        try:
            also = handler.deliver(delivery)
        except DeliveryFailed as failure:
            self._failed(delivery, handler, str(failure), final=failure.final)
        except OutboundRefused as refusal:
            self._failed(delivery, handler, refusal.faults[0].message, final=True)
        except Unavailable:
            raise
        except ServiceError as error:
            self._failed(delivery, handler, error.faults[0].message, final=False)
        except Exception as error:  # noqa: BLE001  (its text might hold what was sent)
            log.error("delivery id=%d kind=%s error=%s", delivery.id, delivery.kind, type(error).__name__)
            self._failed(delivery, handler, f"The service failed on it ({type(error).__name__}).", final=False)
        else:
            settled = self._outbox.settle(delivery, "delivered", also=also)
            log.info("delivery id=%d kind=%s attempts=%d settled=%s", delivery.id, delivery.kind, delivery.attempts + 1, settled)

    def _failed(self, delivery: Delivery, handler: Handler, reason: str, *, final: bool) -> None:
        failures = delivery.attempts + 1
        if final or failures >= self._policy.attempts:
            log.warning("delivery id=%d kind=%s attempts=%d is given up", delivery.id, delivery.kind, failures)
            self._outbox.settle(delivery, "dead", error=reason, also=handler.buried(delivery, reason))
            return
        wait = self._policy.wait(failures, self._draw())
        log.info("delivery id=%d kind=%s attempts=%d failed next_try_s=%.1f", delivery.id, delivery.kind, failures, wait)
        self._outbox.postpone(delivery, self._now() + timedelta(seconds=wait), error=reason)

    def _tidy(self) -> None:
        for chore in self._chores:
            chore()
        now = self._now()
        if self._forgotten_at is None or now - self._forgotten_at > _FORGET_EVERY:
            self._forgotten_at = now
            self._outbox.forget(now - self._keep)
