"""The audit trail: events are taken at once and stored a moment later, many in one transaction, so that no caller waits for it.

What the process holds when it is killed is lost with it: half a second of reads and refusals at most, for the event of a write is
stored with the write (`service/web/audit.py`). A process that ends in the ordinary way stores what it has. If storing cannot keep
up, callers store for themselves. While the database does not answer, so many are held; beyond that the newest are counted in the
log and dropped, before the process runs out of memory.
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
MOST_HELD = 50_000


class AuditTrail:
    """The trail of one process."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        self._waiting: queue.SimpleQueue[Resource] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def record(self, event: Resource) -> None:
        """Take an event; it is stored soon."""
        waiting = self._waiting.qsize()
        if waiting >= MOST_HELD:
            log.error("audit event dropped: the database does not take them waiting=%d", waiting)
            return
        self._waiting.put(event)
        if waiting >= MOST_WAITING:
            self.flush()

    def flush(self) -> int:
        """How many waiting events were stored."""
        stored = 0
        while batch := self._batch():
            try:
                self._store_all(batch)
            except ServiceError as error:
                log.error("audit events could not be stored count=%d kind=%s", len(batch), error.faults[0].kind)
                for event in batch:  # kept for the next turn
                    self._waiting.put(event)
                return stored
            except Exception as error:  # noqa: BLE001  (one event that cannot be stored must not keep the others from it)
                log.error("audit events could not be stored count=%d error=%s", len(batch), type(error).__name__)
                stored += sum(map(self._store_alone, batch))
            else:
                stored += len(batch)
        return stored

    def _store_all(self, events: list[Resource]) -> None:
        self._store.transact(lambda transaction: _write(transaction, events))

    def _store_alone(self, event: Resource) -> bool:
        try:
            self._store_all([event])
        except ServiceError:
            self._waiting.put(event)
            return False
        except Exception as error:  # noqa: BLE001  (tried twice; the log says that there was one)
            log.error("audit event dropped error=%s", type(error).__name__)
            return False
        return True

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
