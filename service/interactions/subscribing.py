"""Subscriptions: what may be subscribed to and where, and which stored change is to be told to whom.

The telling itself waits in the outbox, written in the transaction of the change; `service/delivery/` sends it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from service.errors import Fault, FaultKind, InvalidInput, ServiceError
from service.fhir.r4 import read_stored
from service.fhir.times import instant
from service.fhir.topics import CONTENT, CONTENTS, FILTER, TOPICS, Topic, extension_value, topic_of
from service.interactions.finding import Find
from service.records import dataclass
from service.storage.outbox import Outbox
from service.storage.store import Reader, Transaction, Version

Resource = dict[str, Any]
Pairs = tuple[tuple[str, str], ...]

KIND = "subscription"
MEDIA_TYPES = ("application/fhir+json", "application/json")
_SPEC = "http://hl7.org/fhir/uv/subscriptions-backport"
# Headers that a subscriber may not set: they belong to the transport.
_RESERVED = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "te", "upgrade"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one active Subscription wants to hear of."""

    id: str
    resource_type: str
    topic: Topic | None
    filters: tuple[Pairs, ...]


@dataclass(frozen=True, slots=True)
class SubscriptionRules:
    """The rules of this instance. `check_endpoint` raises ServiceError for an address that may not be called; `check_query`
    MalformedInput for a search that cannot be understood; `types` are those stored here."""

    base_url: str
    types: Collection[str]
    check_endpoint: Callable[[str], object]
    check_query: Callable[[str, Pairs], object]

    def prepare(self, resource: Resource) -> Resource:
        """The Subscription as it is stored when a client sends it: requested, or off. InvalidInput with every fault."""
        faults = [*self._channel_faults(resource.get("channel", {})), *self._criteria_faults(resource)]
        if faults:
            raise InvalidInput(faults)
        # Only we say active or error: a client asks, by sending it (again).
        kept = {name: value for name, value in resource.items() if name != "error"}
        return {**kept, "status": "off" if resource.get("status") == "off" else "requested"}

    def wanted(self, subscription_id: str, resource: Mapping[str, Any]) -> Wanted | None:
        """What a stored Subscription wants; None if its criteria are none we understand (any more)."""
        criteria = str(resource.get("criteria", ""))
        topic = topic_of(criteria, self.base_url)
        if topic is not None:
            filters = tuple(self._filter(text, topic) for text in _filters(resource))
            return Wanted(subscription_id, topic.resource_type, topic, filters)
        kind, _, query = criteria.partition("?")
        if kind in self.types and query:
            return Wanted(subscription_id, kind, None, (_pairs(query),))
        return None

    def _channel_faults(self, channel: Mapping[str, Any]) -> Iterator[Fault]:
        where = "Subscription.channel"
        if channel.get("type") != "rest-hook":
            yield _fault(
                "not-supported", "The channel is of a type that is not offered.", f"{where}.type",
                "Notifications are sent by rest-hook.", "Set channel.type to rest-hook.",
            )
        endpoint = channel.get("endpoint")
        if not endpoint:
            yield _fault("required", "The channel has no endpoint.", f"{where}.endpoint", "A rest-hook has an address to call.",
                         "Give channel.endpoint.")
        else:
            try:
                self.check_endpoint(str(endpoint))
            except ServiceError as error:
                yield from (
                    Fault(one.kind, one.message, f"{where}.endpoint", one.rule, one.repair) for one in error.faults
                )
        payload = channel.get("payload")
        if payload is not None and str(payload).partition(";")[0].strip() not in MEDIA_TYPES:
            yield _fault("not-supported", "The payload is of a form that is not offered.", f"{where}.payload",
                         "Notifications are JSON.", f"Set channel.payload to {MEDIA_TYPES[0]}.")
        content = extension_value(channel.get("_payload", {}), CONTENT)
        if content is not None and content not in CONTENTS:
            yield _fault("code-invalid", "The content of the payload is none of the codes.", f"{where}.payload.extension",
                         f"The codes are {', '.join(CONTENTS)}.", "Give one of them.")
        for index, header in enumerate(channel.get("header", ())):
            name, colon, value = str(header).partition(":")
            if not colon or not name.strip().isascii() or name.strip().lower() in _RESERVED or "\n" in value or "\r" in value:
                yield _fault("value", "A header of the channel cannot be sent.", f"{where}.header[{index}]",
                             "A header is Name: value, and none that belongs to the transport.", "Correct it, or leave it out.")

    def _criteria_faults(self, resource: Mapping[str, Any]) -> Iterator[Fault]:
        criteria, where = str(resource.get("criteria", "")), "Subscription.criteria"
        topic = topic_of(criteria, self.base_url)
        queries: list[tuple[str, Pairs, str]] = []
        if topic is not None:
            for index, text in enumerate(_filters(resource)):
                at = f"{where}.extension[{index}]"
                pairs = self._filter(text, topic)
                unknown = [name for name, _ in pairs if name.partition(":")[0].partition(".")[0] not in topic.filters]
                if unknown or not pairs:
                    yield _fault("not-supported", "A filter names what the topic cannot be filtered by.", at,
                                 f"This topic takes {', '.join(topic.filters)}.", "Correct the filter, or leave it out.")
                else:
                    queries.append((topic.resource_type, pairs, at))
            if extension_value(resource.get("channel", {}).get("_payload", {}), CONTENT) is None:
                yield _fault("required", "The Subscription does not say how much its notifications hold.",
                             "Subscription.channel.payload.extension", "A subscription to a topic has backport-payload-content.",
                             f"Add the extension {CONTENT} with {', '.join(CONTENTS)}.")
        else:
            kind, _, query = criteria.partition("?")
            if kind not in self.types or not _pairs(query):
                known = ", ".join(one.canonical(self.base_url) for one in TOPICS)
                yield _fault("not-supported", "The criteria are neither one of our topics nor a search of a stored type.", where,
                             f"Topics: {known}. A search is Type?parameter=value.", "GET Subscription/$topics lists the topics.")
            else:
                queries.append((kind, _pairs(query), where))
        for kind, pairs, at in queries:
            try:
                self.check_query(kind, pairs)
            except InvalidInput as error:
                yield from (Fault(one.kind, one.message, at, one.rule, one.repair) for one in error.faults)

    @staticmethod
    def _filter(text: str, topic: Topic) -> Pairs:
        """A filter: ``RiskAssessment?risk=high``, or without the type."""
        kind, mark, query = text.partition("?")
        return _pairs(query if mark and kind == topic.resource_type else text if not mark else "")


@dataclass(slots=True)
class SubscriptionEvents:
    """Sees every transaction and writes down whom to tell. One per process; the Subscriptions it knows are read again when one
    of them has changed."""

    rules: SubscriptionRules
    find: Find
    outbox: Outbox
    now: Callable[[], datetime]
    _known: tuple[Wanted, ...] = ()
    _known_at: tuple[int, int] = (-1, -1)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def listen(self, transaction: Transaction, written: Sequence[Version]) -> None:
        # What this transaction says of Subscriptions is not kept for others: it may still be undone.
        changing = any(version.type == "Subscription" for version in written)
        active = self._read(transaction) if changing else self.active(transaction)
        for version in written:
            if version.type == "Subscription":
                self._handshake(transaction, version)
            elif not version.deleted:
                self._events(transaction, version, active)

    def active(self, reader: Reader) -> tuple[Wanted, ...]:
        """What the active Subscriptions want."""
        at = reader.state_of("Subscription")
        with self._lock:
            if at != self._known_at:
                self._known, self._known_at = self._read(reader), at
            return self._known

    def _read(self, reader: Reader) -> tuple[Wanted, ...]:
        found = self.find(reader, "Subscription", [("status", "active")])
        read = (self.rules.wanted(one.id, read_stored(one.body)) for one in found if one.body is not None)
        return tuple(one for one in read if one is not None)

    def _handshake(self, transaction: Transaction, version: Version) -> None:
        if version.body is not None and read_stored(version.body).get("status") == "requested":
            self.outbox.put(transaction, KIND, version.reference, {"type": "handshake"})

    def _events(self, transaction: Transaction, version: Version, active: Sequence[Wanted]) -> None:
        wanting = [one for one in active if one.resource_type == version.type]
        if not wanting:
            return
        assert version.body is not None
        resource = read_stored(version.body)
        for wanted in wanting:
            if wanted.topic is not None and not wanted.topic.covers(resource, self.rules.base_url):
                continue
            # Asked of the database, where the new values are indexed already: one meaning of a search for all doors.
            if all(self.find(transaction, version.type, [*pairs, ("_id", version.id)], limit=1) for pairs in wanted.filters):
                target = f"Subscription/{wanted.id}"
                payload = {
                    "type": "event-notification",
                    "event": self.outbox.count_event(transaction, target),
                    "time": instant(self.now()),
                    "focus": version.reference,
                    "version": version.version,
                    "method": version.method,
                }
                self.outbox.put(transaction, KIND, target, payload)


def _filters(resource: Mapping[str, Any]) -> list[str]:
    extensions = resource.get("_criteria", {}).get("extension", ())
    return [str(one.get("valueString", "")) for one in extensions if one.get("url") == FILTER]


def _pairs(query: str) -> Pairs:
    return tuple(parse_qsl(query, keep_blank_values=True))


def _fault(kind: FaultKind, message: str, where: str, rule: str, repair: str) -> Fault:
    return Fault(kind, message, where, rule, repair, spec=_SPEC)
