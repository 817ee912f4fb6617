"""What can be asked about Subscriptions: how they stand, and what they were told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from service.errors import Fault, MalformedInput
from service.fhir.notifications import About, Event, event_of, notification, status_parameters
from service.fhir.parameters import Inputs
from service.fhir.r4 import read_stored
from service.fhir.topics import CONTENT, CONTENTS, extension_value, topic_of, topics_parameters
from service.interactions.finding import Find
from service.interactions.single import read
from service.interactions.subscribing import KIND
from service.records import dataclass
from service.storage.outbox import Delivery, Outbox
from service.storage.store import ResourceStore, Version

Resource = dict[str, Any]

MOST_EVENTS = 500


@dataclass(frozen=True, slots=True)
class SubscriptionQueries:
    """The queries of one store."""

    store: ResourceStore
    outbox: Outbox
    find: Find
    base_url: str
    now: Callable[[], datetime]
    new_id: Callable[[], str]

    def topics(self) -> Resource:
        """Parameters with the topics."""
        return topics_parameters(self.base_url)

    def status(self, resource_id: str | None, inputs: Inputs, address: str) -> Resource:
        """A searchset Bundle with the status of one Subscription, or of those of the given ids and statuses (none given: all)."""
        with self.store.reading() as reader:
            if resource_id is not None:
                versions = [read(reader, "Subscription", resource_id)]
            else:
                pairs = [("_id", ",".join(inputs.many("id")))] if "id" in inputs else []
                pairs += [("status", ",".join(inputs.many("status")))] if "status" in inputs else []
                versions = list(self.find(reader, "Subscription", pairs))
        bundle: Resource = {"resourceType": "Bundle", "id": self.new_id(), "type": "searchset", "total": len(versions)}
        if versions:
            bundle["entry"] = [
                {
                    "fullUrl": f"urn:uuid:{(status_id := self.new_id())}",
                    "resource": {**status_parameters(self._about(version, address), "query-status"), "id": status_id},
                    "search": {"mode": "match"},
                }
                for version in versions
            ]
        return bundle

    def events(self, resource_id: str, inputs: Inputs, address: str) -> Resource:
        """A notification with the events of that number or range again, as far as the outbox still holds them."""
        since, until = self._number(inputs, "eventsSinceNumber", 0), self._number(inputs, "eventsUntilNumber", 2**62)
        with self.store.reading() as reader:
            version = read(reader, "Subscription", resource_id)
            about = self._about(version, address)
            asked = inputs.one("content")
            if asked is not None:
                if asked not in CONTENTS:
                    raise MalformedInput(
                        Fault("code-invalid", "The content is none of the codes.", inputs.where("content"),
                              f"The codes are {', '.join(CONTENTS)}.", "Give one of them.")
                    )
                about = replace(about, content=asked)
            kept = self.outbox.list(["waiting", "delivered", "dead"], kind=KIND, target=version.reference, limit=10_000)
            chosen = [one for one in kept if since <= one.payload.get("event", -1) <= until][:MOST_EVENTS]
            events = [self._event(reader, one, about) for one in chosen]
        return notification(
            about, "query-event", events, bundle_id=self.new_id(), status_id=self.new_id(), now=self.now()
        )

    def _event(self, reader: Any, delivery: Delivery, about: About) -> Event:
        if about.content != "full-resource":
            return event_of(delivery.payload)
        kind, _, resource_id = delivery.payload["focus"].partition("/")
        version = reader.vread(kind, resource_id, delivery.payload["version"])
        return event_of(delivery.payload, read_stored(version.body) if version is not None and version.body else None)

    def _about(self, version: Version, address: str) -> About:
        assert version.body is not None
        return about_of(read_stored(version.body), self.outbox, address=address, base_url=self.base_url)

    @staticmethod
    def _number(inputs: Inputs, name: str, default: int) -> int:
        text = inputs.one(name)
        if text is None:
            return default
        if not (str(text).isascii() and str(text).isdigit() and len(str(text)) < 19):
            raise MalformedInput(
                Fault("value", f"{name} is no number of an event.", inputs.where(name), "Events are counted from 1.",
                      "Give a whole number.")
            )
        return int(text)


def content_of(subscription: Mapping[str, Any]) -> Any:
    """How much its notifications hold. A search as R4 has it that does not say: ids if it names a payload, else nothing."""
    channel = subscription["channel"]
    stated = extension_value(channel.get("_payload", {}), CONTENT)
    return stated or ("id-only" if channel.get("payload") else "empty")


def about_of(subscription: Mapping[str, Any], outbox: Outbox, *, address: str, base_url: str) -> About:
    """What a notification says of its Subscription."""
    criteria = str(subscription["criteria"])
    return About(
        address=address,
        subscription_id=subscription["id"],
        status=subscription["status"],
        topic=criteria if topic_of(criteria, base_url) is not None else "",
        events=outbox.events_of(f"Subscription/{subscription['id']}"),
        content=content_of(subscription),
        error=str(subscription.get("error", "")),
    )
