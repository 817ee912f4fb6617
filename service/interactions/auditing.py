"""The audit trail: events are taken at once and stored a moment later, many in one transaction, so that no caller waits for it.

What the process holds when it is killed is lost with it: half a second at most. A process that ends in the ordinary way stores
what it has. If storing cannot keep up, callers store for themselves rather than anything being dropped.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

from service.errors import ServiceError
from service.storage.store import ResourceStore, Transaction

Resource = dict[str, Any]

log = logging.getLogger("service.audit")

FLUSH_SECONDS = 0.5
AT_ONCE = 200
MOST_WAITING = 5_000


class AuditTrail:
    """The trail of one process."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        self._waiting: queue.SimpleQueue[Resource] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def record(self, event: Resource) -> None:
        """Take an event; it is stored soon."""
        self._waiting.put(event)
        if self._waiting.qsize() > MOST_WAITING:
            self.flush()

    def flush(self) -> int:
        """How many waiting events were stored."""
        stored = 0
        while batch := self._batch():
            try:
                self._store.transact(lambda transaction, batch=batch: _write(transaction, batch))  # type: ignore[misc]
            except ServiceError as error:
                log.error("audit events could not be stored count=%d kind=%s", len(batch), error.faults[0].kind)
                for event in batch:  # kept for the next turn
                    self._waiting.put(event)
                return stored
            stored += len(batch)
        return stored

    def start(self) -> None:
        """Store in the background from now on."""
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Store what is waiting, and stop."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(5)
        self.flush()

    def _run(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            self.flush()

    def _batch(self) -> list[Resource]:
        batch: list[Resource] = []
        while len(batch) < AT_ONCE:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return batch


def _write(transaction: Transaction, events: list[Resource]) -> None:
    for event in events:
        transaction.create(event)
