"""What is done after a hook call was answered, on a thread of its own."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from service.clients.outbound import Outbound
from service.clients.smart import BackendClient, BackendTokens, read_private_key
from service.delivery.ehr_write_back import WriteBack, WriteBackHandler
from service.delivery.worker import Handler
from service.errors import Fault, InvalidInput, ServiceError
from service.hooks.registry import HookService
from service.hooks.request import HookRequest
from service.hooks.run import HookAnswer
from service.interactions.write_back import KIND, WRITABLE, keep_and_queue
from service.settings import Settings
from service.storage.hook_records import CardShown, HookRecords
from service.storage.store import ResourceStore

log = logging.getLogger("service.hooks")

MOST_WAITING = 1_000


class AfterHooks:
    """Remembers the cards handed out and keeps assessments for the record: a clinician waits for the advice, not for this.

    What is lost when the process ends at that moment, or while the database does not answer, is the kind of a card or a copy for
    the record; nothing of it was acknowledged to anybody.
    """

    def __init__(
        self,
        records: HookRecords,
        now: Callable[[], datetime],
        *,
        keep: Callable[[HookAnswer], None] | None = None,
        server: str = "",
        handlers: Mapping[str, Handler] = MappingProxyType({}),
    ) -> None:
        self.handlers = handlers  # of what is put into the outbox here
        self._records = records
        self._now = now
        self._keep = keep
        self._server = server
        self._waiting: queue.Queue[Callable[[], None]] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self, service: HookService, request: HookRequest, answer: HookAnswer) -> None:
        shown = [CardShown(one.card["uuid"], one.topic, one.differential) for one in answer.issued]
        if shown:
            self._later(lambda: self._records.shown(service.id, shown, self._now()))
        keep = self._keep
        if keep is not None and service.keeps(request.server, for_server=self._server) and answer.risk_assessment is not None:
            self._later(lambda: keep(answer))

    def wait(self) -> None:
        """Nothing, once all that was handed over has been worked on."""
        self._waiting.join()

    def _later(self, work: Callable[[], None]) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="after-hooks", daemon=True)
                self._thread.start()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(work)

    def _work(self) -> None:
        while True:
            work = self._waiting.get()
            try:
                work()
            except ServiceError as error:
                log.warning("work after a hook failed error=%s", type(error).__name__)
            except Exception as error:  # noqa: BLE001 - the thread has to go on; its text might hold what was worked on
                log.error("work after a hook failed error=%s", type(error).__name__)
            finally:
                self._waiting.task_done()


def build_after_hooks(
    settings: Settings,
    store: ResourceStore,
    records: HookRecords,
    outbound: Outbound,
    *,
    now: Callable[[], datetime],
    new_id: Callable[[], str],
) -> AfterHooks:
    """What follows a hook call; with write-back on, also who delivers what that puts into the outbox."""
    if settings.ehr_write_back == "off":
        return AfterHooks(records, now)
    from service.storage.sql_outbox import SqlOutbox
    from service.storage.sql_store import SqlStore

    assert isinstance(store, SqlStore)
    write_back = build_write_back(settings, outbound, now=now, new_id=new_id)
    outbox = SqlOutbox(store, now=now)

    def keep(answer: HookAnswer) -> None:
        made = answer.risk_assessment
        if made is not None:
            store.transact(
                lambda transaction: keep_and_queue(transaction, outbox, made, server=write_back.server),
                writing=("RiskAssessment", "Provenance"),
            )

    return AfterHooks(records, now, keep=keep, server=write_back.server, handlers={KIND: WriteBackHandler(store, write_back)})


def build_write_back(
    settings: Settings, outbound: Outbound, *, now: Callable[[], datetime], new_id: Callable[[], str]
) -> WriteBack:
    """How assessments get into the record system of the settings; InvalidInput that names what is missing or wrong."""
    if settings.ehr_fhir_url is None:
        raise InvalidInput(
            Fault(
                "required",
                "There is no record system to write to.",
                where="HIPSPINE_EHR_FHIR_URL",
                repair="Set it to the FHIR base of the record system.",
            )
        )
    types = tuple(filter(None, (part.strip() for part in settings.ehr_write_types.split(","))))
    unknown = [name for name in types if name not in WRITABLE]
    if unknown:
        message, repair = f"{', '.join(unknown)} is nothing that is written.", f"Choose from {', '.join(WRITABLE)}."
        raise InvalidInput(Fault("value", message, where="HIPSPINE_EHR_WRITE_TYPES", repair=repair))
    outbound.check(settings.ehr_fhir_url, where="HIPSPINE_EHR_FHIR_URL")
    tokens = _tokens(settings, outbound, now, new_id)
    # Within the lease that the worker has on a delivery, so that nobody else begins with it meanwhile.
    seconds = 2 * settings.outbound_seconds
    return WriteBack(settings.ehr_fhir_url, outbound, tokens, types, settings.base_url, now, seconds)


def _tokens(
    settings: Settings, outbound: Outbound, now: Callable[[], datetime], new_id: Callable[[], str]
) -> BackendTokens | None:
    if settings.ehr_token_url is None:
        return None
    outbound.check(settings.ehr_token_url, where="HIPSPINE_EHR_TOKEN_URL")
    try:
        text = Path(settings.ehr_private_key or "").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidInput(
            Fault(
                "not-found",
                f"The private key cannot be read ({type(error).__name__}).",
                where="HIPSPINE_EHR_PRIVATE_KEY",
                repair="Make one with: python -m service ehr key FILE",
            )
        ) from None
    key = read_private_key(text, where="HIPSPINE_EHR_PRIVATE_KEY")
    client = BackendClient(settings.ehr_token_url, settings.ehr_client_id, key, settings.ehr_scopes)
    return BackendTokens(client, outbound, clock=lambda: now().timestamp(), new_id=new_id)
