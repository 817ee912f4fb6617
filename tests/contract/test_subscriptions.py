"""Subscriptions: asked for, shaken hands on, told of events at least once, by a real server to a real receiver."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import requests
from support.other_hosts import Asked, OtherHost, answer, other_host
from support.servers import ROOT, LiveServer, clean_environment

Resource = dict[str, Any]
DATA = Path(__file__).resolve().parents[1] / "data"
BASE = "https://hipspine.example/fhir"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
JSON = {"Content-Type": "application/fhir+json"}


class Receiver:
    """A subscriber on loopback; `status` is what it answers, and can be changed while it runs."""

    def __init__(self, host: OtherHost) -> None:
        self.host = host

    def notifications(self, kind: str = "") -> list[Resource]:
        bundles = [json.loads(asked.body) for asked in list(self.host.asked)]
        return [bundle for bundle in bundles if kind in ("", status_of(bundle)["type"])]

    def wait_for(self, number: int, kind: str = "event-notification", seconds: float = 20) -> list[Resource]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if len(found := self.notifications(kind)) >= number:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{len(self.notifications(kind))} of {number} {kind} within {seconds} s")


def status_of(bundle: Resource) -> Resource:
    """The parameters of a notification's status by name, references and codes as their text."""
    found: Resource = {}
    for parameter in bundle["entry"][0]["resource"]["parameter"]:
        value = next((value for name, value in parameter.items() if name.startswith("value")), parameter.get("part"))
        found[parameter["name"]] = value["reference"] if isinstance(value, dict) and "reference" in value else value
    return found


def event_numbers(bundles: list[Resource]) -> list[int]:
    return [int(status_of(bundle)["notification-event"][0]["valueString"]) for bundle in bundles]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with other_host(lambda handler, asked: answer(handler, 200)) as host:
        yield Receiver(host)


@pytest.fixture(scope="module")
def subscribed_server(start_server: Callable[..., LiveServer], module_database_url: str) -> LiveServer:
    return serve(start_server, module_database_url)


def serve(start_server: Callable[..., LiveServer], database_url: str, **more: str) -> LiveServer:
    return start_server(
        HIPSPINE_DATABASE_URL=database_url,
        HIPSPINE_OUTBOUND_PRIVATE_HOSTS="127.0.0.1:*",
        HIPSPINE_OUTBOUND_SECONDS="2",
        **{"HIPSPINE_DELIVERY_RETRY_SECONDS": "0.2", "HIPSPINE_DELIVERY_LONGEST_SECONDS": "1",
           "HIPSPINE_DELIVERY_ATTEMPTS": "100", **more},
    )


def subscription(endpoint: str, *, topic: str = "risk-assessment", content: str = "id-only", **more: Any) -> Resource:
    filters = [{"url": f"{BACKPORT}/backport-filter-criteria", "valueString": one} for one in more.pop("filters", [])]
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "test",
        "criteria": f"{BASE}/SubscriptionTopic/{topic}",
        **({"_criteria": {"extension": filters}} if filters else {}),
        "channel": {
            "type": "rest-hook",
            "endpoint": endpoint,
            "payload": "application/fhir+json",
            "_payload": {"extension": [{"url": f"{BACKPORT}/backport-payload-content", "valueCode": content}]},
        },
        **more,
    }


def post(server: LiveServer, path: str, body: Resource, **headers: str) -> requests.Response:
    return requests.post(f"{server.fhir}{path}", data=json.dumps(body), headers={**JSON, **headers}, timeout=30)


def subscribe(server: LiveServer, receiver: Receiver, body: Resource) -> Resource:
    """The Subscription, once it is active."""
    before = len(receiver.notifications("handshake"))
    response = post(server, "/Subscription", body)
    assert response.status_code == 201, response.text
    created: Resource = response.json()
    assert created["status"] == "requested"
    receiver.wait_for(before + 1, "handshake")
    return wait_for_status(server, created["id"], "active")


def wait_for_status(server: LiveServer, subscription_id: str, status: str, seconds: float = 20) -> Resource:
    deadline = time.monotonic() + seconds
    found: Resource = {}
    while time.monotonic() < deadline:
        found = requests.get(f"{server.fhir}/Subscription/{subscription_id}", timeout=10).json()
        if found["status"] == status:
            return found
        time.sleep(0.05)
    raise AssertionError(f"the Subscription is {found}")


def off(server: LiveServer, body: Resource) -> None:
    requests.delete(f"{server.fhir}/Subscription/{body['id']}", timeout=10)


def assessment(patient: str, **more: Any) -> Resource:
    return {"resourceType": "RiskAssessment", "status": "final", "subject": {"reference": f"Patient/{patient}"}, **more}


def test_a_subscription_becomes_active_by_a_handshake_and_hears_of_events(
    subscribed_server: LiveServer, receiver: Receiver
) -> None:
    server = subscribed_server
    made = subscribe(server, receiver, subscription(f"{receiver.host.url}/hook"))
    (handshake,) = receiver.notifications("handshake")
    assert handshake["type"] == "history"
    assert handshake["meta"]["profile"] == [f"{BACKPORT}/backport-subscription-notification-r4"]
    told = status_of(handshake)
    assert told["subscription"] == f"{server.fhir}/Subscription/{made['id']}"
    assert (told["status"], told["events-since-subscription-start"]) == ("requested", "0")
    stored = post(server, "/RiskAssessment", assessment("s1")).json()
    (event,) = receiver.wait_for(1)
    told = status_of(event)
    assert (told["status"], told["events-since-subscription-start"]) == ("active", "1")
    assert told["topic"] == f"{BASE}/SubscriptionTopic/risk-assessment"
    entry = event["entry"][1]
    assert entry["fullUrl"] == f"{server.fhir}/RiskAssessment/{stored['id']}"
    assert (entry["request"], "resource" in entry) == ({"method": "POST", "url": "RiskAssessment"}, False)
    assert requests.get(entry["fullUrl"], timeout=10).json()["id"] == stored["id"]
    post(server, "/Patient", {"resourceType": "Patient"})
    time.sleep(0.5)
    assert len(receiver.notifications("event-notification")) == 1
    off(server, made)


@pytest.mark.parametrize(("content", "entries", "held"), [("empty", 1, False), ("id-only", 2, False), ("full-resource", 2, True)])
def test_a_notification_holds_as_much_as_was_asked_for(
    subscribed_server: LiveServer, receiver: Receiver, content: str, entries: int, held: bool
) -> None:
    made = subscribe(subscribed_server, receiver, subscription(receiver.host.url, content=content))
    stored = post(subscribed_server, "/RiskAssessment", assessment("s2")).json()
    (event,) = receiver.wait_for(1)
    assert len(event["entry"]) == entries
    assert ("resource" in event["entry"][-1] and event["entry"][-1]["resource"] == stored) == held
    assert (stored["id"] in json.dumps(event)) == (content != "empty")
    off(subscribed_server, made)


def test_filters_are_searches(subscribed_server: LiveServer, receiver: Receiver) -> None:
    wanted = subscription(receiver.host.url, filters=["RiskAssessment?patient=Patient/s3", "identifier=urn:x|1,urn:x|2"])
    made = subscribe(subscribed_server, receiver, wanted)
    known = {"identifier": [{"system": "urn:x", "value": "2"}]}
    for one in (assessment("s4", **known), assessment("s3"), assessment("s3", **known)):
        last = post(subscribed_server, "/RiskAssessment", one).json()
    (event,) = receiver.wait_for(1)
    assert event["entry"][1]["fullUrl"].endswith(last["id"])
    time.sleep(0.4)
    assert len(receiver.notifications("event-notification")) == 1
    off(subscribed_server, made)


def test_a_search_in_the_manner_of_r4_is_taken_too(subscribed_server: LiveServer, receiver: Receiver) -> None:
    body = subscription(receiver.host.url, criteria="Observation?code=http://loinc.org|1-8")
    del body["channel"]["_payload"]
    made = subscribe(subscribed_server, receiver, body)
    for code in ("2-2", "1-8"):
        coded = {"coding": [{"system": "http://loinc.org", "code": code}]}
        post(subscribed_server, "/Observation", {"resourceType": "Observation", "status": "final", "code": coded})
    (event,) = receiver.wait_for(1)
    assert "topic" not in status_of(event) and event["entry"][1]["request"]["url"] == "Observation"
    off(subscribed_server, made)


def test_a_red_flag_is_a_topic_of_its_own(subscribed_server: LiveServer, receiver: Receiver) -> None:
    made = subscribe(subscribed_server, receiver, subscription(receiver.host.url, topic="red-flag", content="full-resource"))
    for name in ("hip.json", "emergency.json"):
        answer_ = subscribed_server.assess(json.loads((DATA / name).read_text())).json()
        post(subscribed_server, "/RiskAssessment", answer_)
    (event,) = receiver.wait_for(1)
    urls = [one["url"] for one in event["entry"][1]["resource"]["extension"]]
    assert f"{BASE}/StructureDefinition/red-flag" in urls
    time.sleep(0.4)
    assert len(receiver.notifications("event-notification")) == 1
    off(subscribed_server, made)


def test_headers_of_the_channel_are_sent(subscribed_server: LiveServer, receiver: Receiver) -> None:
    body = subscription(receiver.host.url)
    body["channel"]["header"] = ["X-Secret: abc"]
    made = subscribe(subscribed_server, receiver, body)
    assert receiver.host.asked[0].headers["x-secret"] == "abc"
    assert receiver.host.asked[0].headers["content-type"].startswith("application/fhir+json")
    off(subscribed_server, made)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"channel": {"type": "email", "endpoint": "mailto:a@b"}}, "Subscription.channel.type"),
        ({"channel": {"type": "rest-hook"}}, "Subscription.channel.endpoint"),
        ({"criteria": f"{BASE}/SubscriptionTopic/nope"}, "Subscription.criteria"),
        ({"criteria": "Observation?bogus=1"}, "Subscription.criteria"),
        ({"criteria": "Observation"}, "Subscription.criteria"),
    ],
)
def test_what_cannot_be_subscribed_to_is_refused_with_its_place(
    subscribed_server: LiveServer, receiver: Receiver, change: Resource, where: str
) -> None:
    response = post(subscribed_server, "/Subscription", subscription(receiver.host.url) | change)
    assert response.status_code == 422, response.text
    assert where in [one["expression"][0] for one in response.json()["issue"]]


def test_a_host_that_is_not_listed_is_never_called(subscribed_server: LiveServer) -> None:
    for endpoint in ("http://169.254.169.254/latest", "https://elsewhere.example/hook", "file:///etc/passwd"):
        response = post(subscribed_server, "/Subscription", subscription(endpoint))
        assert response.status_code == 422, response.text
        assert response.json()["issue"][0]["expression"] == ["Subscription.channel.endpoint"]


def test_a_client_cannot_say_itself_that_it_is_active(subscribed_server: LiveServer, receiver: Receiver) -> None:
    response = post(subscribed_server, "/Subscription", subscription(receiver.host.url, status="active", error="x"))
    assert response.json()["status"] == "requested" and "error" not in response.json()
    off(subscribed_server, response.json())


def test_topics_status_and_events_can_be_asked_for(subscribed_server: LiveServer, receiver: Receiver) -> None:
    server = subscribed_server
    topics = requests.get(f"{server.fhir}/Subscription/$topics", timeout=10).json()
    urls = [part["valueCanonical"] for topic in topics["parameter"] for part in topic["part"] if part["name"] == "url"]
    assert f"{BASE}/SubscriptionTopic/risk-assessment" in urls
    statement = requests.get(f"{server.fhir}/metadata", timeout=10).json()
    entry = next(one for one in statement["rest"][0]["resource"] if one["type"] == "Subscription")
    assert [extension["valueCanonical"] for extension in entry["extension"]] == urls
    made = subscribe(server, receiver, subscription(receiver.host.url))
    for _ in range(3):
        post(server, "/RiskAssessment", assessment("s5"))
    receiver.wait_for(3)
    status = requests.get(f"{server.fhir}/Subscription/{made['id']}/$status", timeout=10).json()
    assert status["type"] == "searchset"
    told = status_of(status)
    assert (told["type"], told["status"], told["events-since-subscription-start"]) == ("query-status", "active", "3")
    several = requests.get(f"{server.fhir}/Subscription/$status?status=active", timeout=10).json()
    assert several["total"] == 1
    again = requests.get(f"{server.fhir}/Subscription/{made['id']}/$events?eventsSinceNumber=2&content=full-resource", timeout=10)
    numbers = [part[0]["valueString"] for name, part in parameters_of(again.json()) if name == "notification-event"]
    assert numbers == ["2", "3"] and again.json()["entry"][1]["resource"]["resourceType"] == "RiskAssessment"
    assert requests.get(f"{server.fhir}/Subscription/nope/$status", timeout=10).status_code == 404
    assert requests.get(f"{server.fhir}/Subscription/{made['id']}/$events?eventsSinceNumber=x", timeout=10).status_code == 400
    off(server, made)


def parameters_of(bundle: Resource) -> list[tuple[str, Any]]:
    return [(one["name"], one.get("part")) for one in bundle["entry"][0]["resource"]["parameter"]]


def test_one_that_is_asked_for_anew_while_an_event_waits_gets_both(subscribed_server: LiveServer) -> None:
    """The handshake of the new request lies behind the event, which must not be given up for want of it."""
    status = [200]
    with other_host(lambda handler, asked: answer(handler, status[0])) as host:
        receiver, server = Receiver(host), subscribed_server
        made = subscribe(server, receiver, subscription(host.url))
        status[0] = 500
        post(server, "/RiskAssessment", assessment("anew"))
        receiver.wait_for(1)  # and refused
        again = {**made, "reason": "asked for anew"}
        requests.put(f"{server.fhir}/Subscription/{made['id']}", data=json.dumps(again), headers=JSON, timeout=10)
        status[0] = 200
        assert wait_for_status(server, made["id"], "active")["reason"] == "asked for anew"
        assert len(receiver.notifications("handshake")) >= 2
        assert event_numbers(receiver.wait_for(2))[-1] == 1
        off(server, made)


def test_a_heartbeat_comes_when_nothing_else_does(subscribed_server: LiveServer, receiver: Receiver) -> None:
    body = subscription(receiver.host.url)
    body["channel"]["extension"] = [{"url": f"{BACKPORT}/backport-heartbeat-period", "valueUnsignedInt": 1}]
    made = subscribe(subscribed_server, receiver, body)
    receiver.wait_for(2, "heartbeat", seconds=15)
    off(subscribed_server, made)


def test_what_is_given_up_puts_the_subscription_in_error_and_can_be_revived(
    start_server: Callable[..., LiveServer], database_url: str
) -> None:
    status = [200]

    def behave(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        answer(handler, status[0])

    server = serve(start_server, database_url, HIPSPINE_DELIVERY_ATTEMPTS="3")
    with other_host(behave) as host:
        receiver = Receiver(host)
        made = subscribe(server, receiver, subscription(host.url))
        status[0] = 500
        post(server, "/RiskAssessment", assessment("s6"))
        failed = wait_for_status(server, made["id"], "error")
        assert "500" in failed["error"] and len(receiver.notifications("event-notification")) == 3
        listed = outbox_command(database_url, "list", "--state", "dead")
        assert "dead" in listed.stdout and "answered 500" in " ".join(listed.stdout.split())
        status[0] = 200
        handshakes = len(receiver.notifications("handshake"))
        again = {**failed, "status": "requested"}
        requests.put(f"{server.fhir}/Subscription/{made['id']}", data=json.dumps(again), headers=JSON, timeout=10)
        receiver.wait_for(handshakes + 1, "handshake")
        wait_for_status(server, made["id"], "active")
        assert outbox_command(database_url, "retry", "--all").stdout.startswith("1 delivery")
        receiver.wait_for(4)
        assert outbox_command(database_url, "retry", "--all").returncode == 1
    server.stop()


def outbox_command(database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", "outbox", *arguments],
        env=clean_environment(HIPSPINE_DATABASE_URL=database_url, COLUMNS="200"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_nothing_is_lost_when_receiver_and_service_are_killed(
    start_server: Callable[..., LiveServer], database_url: str
) -> None:
    """Events are stored while the receiver is down; the service is killed with SIGKILL in the middle; then both come back."""
    up = [True]
    taken: list[Resource] = []

    def behave(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        if not up[0]:
            raise ConnectionResetError  # the connection breaks off without an answer
        taken.append(json.loads(asked.body))
        answer(handler, 200)

    server = serve(start_server, database_url)
    with other_host(behave) as host:
        made = subscribe(server, Receiver(host), subscription(host.url))
        stored = [post(server, "/RiskAssessment", assessment("s7")).json()["id"] for _ in range(3)]
        Receiver(host).wait_for(1)
        up[0] = False
        stored += [post(server, "/RiskAssessment", assessment("s7")).json()["id"] for _ in range(5)]
        time.sleep(0.3)
        server.stop(signal.SIGKILL)
        server = serve(start_server, database_url)
        stored += [post(server, "/RiskAssessment", assessment("s7")).json()["id"] for _ in range(2)]
        assert len(taken) < len(stored)
        up[0] = True
        deadline = time.monotonic() + 60  # a lease of the killed process has to run out first
        events: list[Resource] = []
        while time.monotonic() < deadline and len(set(event_numbers(events))) < len(stored):
            time.sleep(0.1)
            events = [bundle for bundle in list(taken) if status_of(bundle)["type"] == "event-notification"]
        heard = [bundle["entry"][1]["fullUrl"].rpartition("/")[2] for bundle in events]
        assert list(dict.fromkeys(heard)) == stored  # all of them, in order; one may come twice
        assert sorted(set(event_numbers(events))) == list(range(1, len(stored) + 1))
        assert wait_for_status(server, made["id"], "active")
    server.stop()
