"""What works beside the requests on what is stored."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from service.assessment.run import Parts
from service.clients.outbound import Outbound
from service.delivery.subscriptions import Heartbeats, SubscriptionHandler
from service.delivery.worker import Handler, RetryPolicy, Worker
from service.fhir.resource_types import RESOURCE_TYPES
from service.fhir.search import SearchContext, read_query
from service.interactions.arrival import Arrival
from service.interactions.auditing import AuditTrail
from service.interactions.exporting import Exports
from service.interactions.finding import finder
from service.interactions.provenance import PROVENANCE_PROFILE, ProvenanceWriter
from service.interactions.subscribing import KIND, SubscriptionEvents, SubscriptionRules
from service.interactions.subscription_queries import SubscriptionQueries
from service.records import dataclass
from service.settings import Settings
from service.storage.outbox import Outbox
from service.storage.store import ResourceStore, WriteListener


@dataclass(frozen=True, slots=True)
class StoredParts:
    """What the doors use of it, and what runs in the background once it is told to."""

    arrival: Arrival
    outbox: Outbox
    subscription_rules: SubscriptionRules
    subscription_queries: SubscriptionQueries
    exports: Exports
    trail: AuditTrail
    # From our FHIR base as others reach it, and who else delivers kinds of its own.
    worker_at: Callable[[str, Mapping[str, Handler]], Worker]


def build_stored_parts(
    settings: Settings,
    parts: Parts,
    store: ResourceStore,
    outbound: Outbound,
    *,
    now: Callable[[], datetime],
    audit: WriteListener | None = None,
) -> StoredParts:
    """The parts, listening to the store: assessments first, so that what follows sees them too. Nothing runs yet."""
    from service.storage.sql_outbox import SqlOutbox  # SQLAlchemy: only where something is stored
    from service.storage.sql_store import SqlStore

    assert isinstance(store, SqlStore)
    types = frozenset(offered.name for offered in RESOURCE_TYPES if offered.stored)
    servers = (settings.public_url,) if settings.public_url else ()

    def context() -> SearchContext:
        return SearchContext(servers=servers, types=types, now=now())

    find = finder(context)
    outbox = SqlOutbox(store, now=now)
    rules = frozenset(filter(None, settings.assess_on_arrival.split(",")))
    arrival = Arrival(parts, find, rules)
    subscription_rules = SubscriptionRules(
        base_url=settings.base_url,
        types=types,
        check_endpoint=outbound.check,
        check_query=lambda kind, pairs: read_query(kind, pairs, context=context(), strict=True),
    )
    events = SubscriptionEvents(subscription_rules, find, outbox, now)
    if rules:
        store.listen(arrival.listen)
    provenance = f"{settings.base_url}/StructureDefinition/{PROVENANCE_PROFILE}|{parts.version}"
    store.listen(ProvenanceWriter(arrival.is_ours, now, provenance).listen)
    if audit is not None:
        store.listen(audit)
    store.listen(events.listen)

    def worker_at(address: str, others: Mapping[str, Handler]) -> Worker:
        handlers: dict[str, Handler] = {
            **others,
            KIND: SubscriptionHandler(store, outbox, outbound, address, settings.base_url, now, lambda: str(uuid.uuid4()))
        }
        worker = Worker(
            outbox,
            handlers,
            now=now,
            draw=random.random,
            policy=RetryPolicy(
                settings.delivery_attempts, settings.delivery_retry_seconds, settings.delivery_longest_seconds
            ),
            lease_seconds=2 * settings.outbound_seconds + 10,
            threads=settings.delivery_threads,
            chores=(Heartbeats(store, outbox, events, now),),
        )
        outbox.put_out = worker.wake  # sent at once, not at the next look
        return worker

    queries = SubscriptionQueries(store, outbox, find, settings.base_url, now, lambda: str(uuid.uuid4()))
    exports = Exports(
        store,
        settings.data_path / "exports",
        context=context,
        now=now,
        new_id=lambda: str(uuid.uuid4()),
        keep=timedelta(hours=settings.export_hours),
    )
    return StoredParts(arrival, outbox, subscription_rules, queries, exports, AuditTrail(store), worker_at)
