"""Notifications of Subscriptions: Bundles of type history that begin with the status of the Subscription, as Parameters (R4).

Source: http://hl7.org/fhir/uv/subscriptions-backport (R4 form)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from service.fhir.times import instant
from service.fhir.topics import BACKPORT
from service.records import dataclass

Resource = dict[str, Any]
Kind = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]
Content = Literal["empty", "id-only", "full-resource"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: its number, when, to which resource (``RiskAssessment/1``), by which method, what is there now."""

    number: int
    time: str
    focus: str
    method: str
    resource: Resource | None = None


@dataclass(frozen=True, slots=True)
class About:
    """The Subscription a notification belongs to. `address` is our FHIR base, `topic` empty for a search in the manner of R4."""

    address: str
    subscription_id: str
    status: str
    topic: str
    events: int
    content: Content
    error: str = ""

    @property
    def url(self) -> str:
        return f"{self.address}/Subscription/{self.subscription_id}"


def status_parameters(about: About, kind: Kind, events: Sequence[Event] = ()) -> Resource:
    """The SubscriptionStatus of R5 in the form R4 has for it."""
    parameters: list[Resource] = [
        {"name": "subscription", "valueReference": {"reference": about.url}},
        *([{"name": "topic", "valueCanonical": about.topic}] if about.topic else []),
        {"name": "status", "valueCode": about.status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(about.events)},
    ]
    for event in events:
        parts: list[Resource] = [
            {"name": "event-number", "valueString": str(event.number)},
            {"name": "timestamp", "valueInstant": event.time},
        ]
        if about.content != "empty":
            parts.append({"name": "focus", "valueReference": {"reference": f"{about.address}/{event.focus}"}})
        parameters.append({"name": "notification-event", "part": parts})
    if about.error:
        parameters.append({"name": "error", "valueCodeableConcept": {"text": about.error}})
    return {
        "resourceType": "Parameters",
        "meta": {"profile": [f"{BACKPORT}/backport-subscription-status-r4"]},
        "parameter": parameters,
    }


def notification(
    about: About, kind: Kind, events: Sequence[Event] = (), *, bundle_id: str, status_id: str, now: datetime
) -> Resource:
    """The Bundle to send. With the content ``empty`` it holds the status alone."""
    status = {**status_parameters(about, kind, events), "id": status_id}
    entries: list[Resource] = [
        {
            "fullUrl": f"urn:uuid:{status_id}",
            "resource": status,
            "request": {"method": "GET", "url": f"{about.url}/$status"},
            "response": {"status": "200"},
        }
    ]
    if about.content != "empty":
        entries += [_entry(about, event) for event in events]
    return {
        "resourceType": "Bundle",
        "id": bundle_id,
        "meta": {"profile": [f"{BACKPORT}/backport-subscription-notification-r4"]},
        "type": "history",
        "timestamp": instant(now),
        "entry": entries,
    }


def _entry(about: About, event: Event) -> Resource:
    kind = event.focus.partition("/")[0]
    entry: Resource = {"fullUrl": f"{about.address}/{event.focus}"}
    if about.content == "full-resource" and event.resource is not None:
        entry["resource"] = event.resource
    entry["request"] = {"method": event.method, "url": kind if event.method == "POST" else event.focus}
    entry["response"] = {"status": "201" if event.method == "POST" else "200"}
    return entry


def event_of(payload: Mapping[str, Any], resource: Resource | None = None) -> Event:
    """The event that a delivery of the outbox is about."""
    return Event(payload["event"], payload["time"], payload["focus"], payload["method"], resource)
