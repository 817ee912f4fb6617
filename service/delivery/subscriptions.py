"""Notifications of Subscriptions: handshake, events, heartbeat, by rest-hook.

A Subscription that a client asks for becomes active once its endpoint has taken the handshake. One of which a notification had
to be given up says so in its status, and hears no more until a client asks for it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from service.clients.outbound import Outbound
from service.delivery.worker import DeliveryFailed
from service.errors import VersionConflict
from service.fhir.notifications import Event, Kind, event_of, notification
from service.fhir.r4 import read_stored, serialise
from service.fhir.topics import HEARTBEAT, TIMEOUT, extension_value
from service.interactions.subscribing import KIND, MEDIA_TYPES, SubscriptionEvents
from service.interactions.subscription_queries import about_of, content_of
from service.records import dataclass
from service.storage.outbox import Also, Delivery, Outbox
from service.storage.store import Reader, ResourceStore, Transaction

Resource = dict[str, Any]

log = logging.getLogger("service.delivery")


@dataclass(frozen=True, slots=True)
class SubscriptionHandler:
    """Delivers what the outbox holds for Subscriptions. `address` is our FHIR base as subscribers reach it."""

    store: ResourceStore
    outbox: Outbox
    outbound: Outbound
    address: str
    base_url: str
    now: Callable[[], datetime]
    new_id: Callable[[], str]

    def deliver(self, delivery: Delivery) -> Also | None:
        kind: Kind = delivery.payload["type"]
        subscription_id = delivery.target.partition("/")[2]
        with self.store.reading() as reader:
            subscription = current(reader, subscription_id)
            if subscription is None or subscription["status"] == "off":
                return None  # nobody wants it any more
            event = self._event(reader, delivery, subscription) if kind == "event-notification" else None
        status = subscription["status"]
        if (kind == "handshake" and status != "requested") or (kind == "heartbeat" and status != "active"):
            return None
        if kind == "event-notification" and status not in ("active", "requested"):
            raise DeliveryFailed("The Subscription is not active.", final=True)
        # One that was asked for anew while events waited: their handshake lies behind them, for they go out in order.
        asked_anew = kind == "event-notification" and status == "requested"
        if asked_anew:
            self._tell(subscription, "handshake", [])
        self._tell(subscription, kind, [event] if event is not None else [])
        if kind == "handshake" or asked_anew:
            return _change(subscription_id, from_=("requested",), status="active")
        return None

    def _tell(self, subscription: Resource, kind: Kind, events: list[Event]) -> None:
        about = about_of(subscription, self.outbox, address=self.address, base_url=self.base_url)
        bundle = notification(
            about, kind, events, bundle_id=self.new_id(), status_id=self.new_id(), now=self.now()
        )
        self._send(subscription["channel"], bundle)

    def buried(self, delivery: Delivery, reason: str) -> Also | None:
        """The Subscription in error, unless it is over or that was a heartbeat's fault alone."""

        error = f"A notification was given up. {reason}"
        return _change(delivery.target.partition("/")[2], from_=("requested", "active"), status="error", error=error)

    def _send(self, channel: Mapping[str, Any], bundle: Resource) -> None:
        headers = {"Content-Type": f"{str(channel.get('payload') or MEDIA_TYPES[0]).partition(';')[0]}; charset=utf-8"}
        for header in channel.get("header", ()):
            name, _, value = str(header).partition(":")
            headers[name.strip()] = value.strip()
        seconds = extension_value(channel, TIMEOUT)
        answer = self.outbound.send(
            "POST",
            channel["endpoint"],
            headers=headers,
            body=serialise(bundle),
            seconds=float(seconds) if seconds else None,
            where="Subscription.channel.endpoint",
        )
        if not answer.ok:
            raise DeliveryFailed(f"The endpoint answered {answer.status}.", final=answer.status == 410)

    def _event(self, reader: Reader, delivery: Delivery, subscription: Mapping[str, Any]) -> Event:
        resource = None
        if content_of(subscription) == "full-resource":
            kind, _, resource_id = delivery.payload["focus"].partition("/")
            version = reader.vread(kind, resource_id, delivery.payload["version"])
            if version is not None and version.body is not None:
                resource = read_stored(version.body)
        return event_of(delivery.payload, resource)


@dataclass(slots=True)
class Heartbeats:
    """Sees to it that a subscriber who wants to hear from us regularly does, also when nothing happens."""

    store: ResourceStore
    outbox: Outbox
    events: SubscriptionEvents
    now: Callable[[], datetime]

    def __call__(self) -> None:
        with self.store.reading() as reader:
            beating = [
                (one.id, float(period))
                for one in self.events.active(reader)
                if (subscription := current(reader, one.id)) is not None
                and (period := extension_value(subscription["channel"], HEARTBEAT))
            ]
        for subscription_id, period in beating:
            target = f"Subscription/{subscription_id}"
            last = self.outbox.last_activity(KIND, target)
            if last is not None and self.now() - last >= timedelta(seconds=period):
                self.store.transact(
                    lambda transaction, target=target: self.outbox.put(  # type: ignore[misc]
                        transaction, KIND, target, {"type": "heartbeat"}
                    )
                )


def _change(subscription_id: str, *, from_: Collection[str], **changes: str) -> Also:
    """The change of a Subscription in one of these states; nothing if a client deletes it or asks for it anew meanwhile."""

    def work(transaction: Transaction) -> None:
        version = transaction.read("Subscription", subscription_id)
        if version is None or version.body is None:
            return
        subscription = read_stored(version.body)
        if subscription["status"] in from_:
            with suppress(VersionConflict):
                transaction.update({**subscription, **changes}, expected=version.version)

    return work


def current(reader: Reader, subscription_id: str) -> Resource | None:
    """The Subscription as it is now; None if there is none (any more)."""
    version = reader.read("Subscription", subscription_id)
    return None if version is None or version.body is None else read_stored(version.body)
