"""What clinicians did with the cards: taken in once, kept, and counted without claiming more than the numbers say."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from support.hook_calls import case, hook_call, order

from service.app import create_app
from service.composition.parts import Service
from service.hooks.feedback import wilson
from service.settings import Settings

Resource = dict[str, Any]
WHEN = "2026-03-01T10:00:00Z"
OWN_REASONS = "https://hipspine.example/fhir/CodeSystem/override-reason"


@pytest.fixture
def storing(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/feedback.sqlite"


@pytest.fixture
def application(service: Service, settings: Settings, storing: str) -> Iterator[Flask]:
    app = create_app(replace(settings, database_url=storing), service=service)
    yield app
    app.extensions["hipspine-store"].close()


@pytest.fixture
def client(application: Flask) -> FlaskClient:
    return application.test_client()


def accepted(card: str, *suggestions: str, **more: Any) -> Resource:
    ids = suggestions or (str(uuid.uuid4()),)
    entry = {"card": card, "outcome": "accepted", "acceptedSuggestions": [{"id": one} for one in ids], "outcomeTimestamp": WHEN}
    return {name: value for name, value in {**entry, **more}.items() if value is not None}


def overridden(card: str, code: str | None = None, comment: str | None = None, **more: Any) -> Resource:
    entry: Resource = {"card": card, "outcome": "overridden", "outcomeTimestamp": WHEN, **more}
    if code or comment:
        reason = {"reason": {"system": OWN_REASONS, "code": code}} if code else {}
        entry["overrideReason"] = reason | ({"userComment": comment} if comment else {})
    return entry


def send(client: FlaskClient, *entries: Any, service: str = "order-sign") -> Any:
    return client.post(f"/cds-services/{service}/feedback", json={"feedback": list(entries)})


def reported(client: FlaskClient) -> Resource:
    return client.get("/reports/feedback").get_json()


def some() -> str:
    return str(uuid.uuid4())


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [accepted(some())],
        [accepted(some(), some(), some())],
        [overridden(some())],
        [overridden(some(), "disagree")],
        [overridden(some(), comment="seen last week")],
        [overridden(some(), "disagree", "seen last week"), accepted(some()), overridden(some())],
        [accepted(some(), outcomeTimestamp="2026-03-01T10:00:00.123+02:00")],
        [accepted(some(), outcomeTimestamp=None)],
        [accepted(some(), extension={"x": 1})],
    ],
)
def test_H16_valid_feedback_on_cards_known_or_not_is_200(client: FlaskClient, entries: list[Resource]) -> None:
    assert send(client, *entries).status_code == 200
    assert reported(client)["total"]["cards"] == len(entries)


@pytest.mark.parametrize(
    ("entry", "where"),
    [
        ({**accepted(some()), "acceptedSuggestions": None}, "feedback[1].acceptedSuggestions"),
        ({**accepted(some()), "acceptedSuggestions": []}, "feedback[1].acceptedSuggestions"),
        ({**accepted(some()), "acceptedSuggestions": ["x"]}, "feedback[1].acceptedSuggestions"),
        ({**accepted(some()), "acceptedSuggestions": "x"}, "feedback[1].acceptedSuggestions"),
        ({**overridden(some()), "outcome": "ignored"}, "feedback[1].outcome"),
        ({**overridden(some()), "outcome": None}, "feedback[1].outcome"),
        ({**overridden(some()), "card": None}, "feedback[1].card"),
        ({**overridden(some()), "card": "x"}, "feedback[1].card"),
        ({**overridden(some()), "overrideReason": {}}, "feedback[1].overrideReason"),
        ({**overridden(some()), "overrideReason": {"reason": {"system": "s"}}}, "feedback[1].overrideReason"),
        ({**overridden(some()), "overrideReason": {"reason": {"code": 5}}}, "feedback[1].overrideReason"),
        ({**overridden(some()), "outcomeTimestamp": "yesterday"}, "feedback[1].outcomeTimestamp"),
        ({**overridden(some()), "outcomeTimestamp": "2026-13-01T10:00:00Z"}, "feedback[1].outcomeTimestamp"),
        ("x", "feedback[1]"),
    ],
)
def test_H16_what_breaks_a_rule_is_400_and_nothing_of_it_is_kept(client: FlaskClient, entry: Any, where: str) -> None:
    response = send(client, overridden(some()), entry)
    assert response.status_code == 400
    outcome = response.get_json(force=True)
    assert [issue["expression"] for issue in outcome["issue"]] == [[where]]
    assert reported(client)["total"]["cards"] == 0


@pytest.mark.parametrize("body", [{}, {"feedback": None}, {"feedback": {}}, {"feedback": [{}] * 501}])
def test_H16_a_message_without_a_list_is_400(client: FlaskClient, body: Resource) -> None:
    assert client.post("/cds-services/order-sign/feedback", json=body).status_code == 400


def test_H16_repeats_are_200_and_recorded_once(client: FlaskClient) -> None:
    entry = overridden(some(), "disagree")
    assert [send(client, entry).status_code for _ in range(3)] == [200, 200, 200]
    found = reported(client)
    assert found["total"] == {"cards": 1, "accepted": 0, "overridden": 1, "tooFew": True}
    assert found["overrideReasons"] == [{"label": "I do not agree with the assessment", "cards": 1}]


def test_H16_an_unknown_service_is_404_and_reading_feedback_is_405(client: FlaskClient) -> None:
    assert send(client, overridden(some()), service="nothing").status_code == 404
    assert client.get("/cds-services/order-sign/feedback").status_code == 405


def test_H16_what_was_acknowledged_survives_the_end_of_the_process(
    client: FlaskClient, service: Service, settings: Settings, storing: str
) -> None:
    assert send(client, overridden(some())).status_code == 200
    again = create_app(replace(settings, database_url=storing), service=service)
    assert reported(again.test_client())["total"]["cards"] == 1
    again.extensions["hipspine-store"].close()


def test_where_nothing_is_stored_no_feedback_is_acknowledged(service: Service, settings: Settings) -> None:
    client = create_app(replace(settings, database_url="none"), service=service).test_client()
    assert send(client, overridden(some())).status_code == 404
    assert client.get("/reports/feedback").status_code == 404


def test_feedback_is_counted_by_service_source_reason_and_month(application: Flask, client: FlaskClient) -> None:
    body = hook_call("order-sign", case("spine"), orders=[order("36013-1")])
    (card,) = client.post("/cds-services/order-sign", json=body).get_json()["cards"]
    application.extensions["hipspine-after-hooks"].wait()
    suggestion = card["suggestions"][0]["uuid"]
    send(client, accepted(card["uuid"], suggestion))
    april = [overridden(some(), "disagree", outcomeTimestamp="2026-04-02T10:00:00Z") for _ in range(11)]
    send(client, *april, service="patient-view")
    send(client, overridden(some()), service="patient-view")
    found = reported(client)
    assert found["cardsShown"] == {"order-sign": 1}
    by_service = [(row["key"], row["cards"], row["accepted"]) for row in found["byService"]]
    assert by_service == [("order-sign", 1, 1), ("patient-view", 12, 0)]
    assert [(row["label"], row["cards"]) for row in found["byDifferential"]] == [("none named", 12), ("Spine only", 1)]
    assert [(row["label"], row["cards"]) for row in found["byTopic"]] == [("not remembered", 12), ("Fit of an order", 1)]
    assert [(row["key"], row["cards"]) for row in found["byMonth"]] == [("2026-03", 2), ("2026-04", 11)]
    assert found["overrideReasons"] == [
        {"label": "I do not agree with the assessment", "cards": 11},
        {"label": "no reason given", "cards": 1},
    ]


def test_small_numbers_have_no_share_and_larger_ones_an_interval(client: FlaskClient) -> None:
    send(client, *[accepted(some()) for _ in range(9)])
    assert reported(client)["total"] == {"cards": 9, "accepted": 9, "overridden": 0, "tooFew": True}
    send(client, overridden(some()))
    total = reported(client)["total"]
    assert total["acceptance"] == 0.9 and total["interval95"] == [0.5958, 0.9821] and "tooFew" not in total


def test_the_interval_is_wilsons() -> None:
    """Table I of Newcombe RG. Stat Med 1998;17:857 (method 3): 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    published = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0.0, 0.1611), (1, 29): (0.0061, 0.1718)}
    for (successes, trials), (low, high) in published.items():
        assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_people_get_a_page_and_comments_are_shown_nowhere(client: FlaskClient) -> None:
    send(client, *[overridden(some(), comment="the patient said so") for _ in range(12)])
    send(client, accepted(some()), service="patient-view")
    response = client.get("/reports/feedback", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    page = response.get_data(as_text=True)
    assert response.content_type == "text/html; charset=utf-8"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "order-sign" in page and "too few" in page and "0% (0–24%)" in page
    assert "the patient said so" not in page and "the patient said so" not in str(reported(client))


def test_the_report_in_another_form_is_406(client: FlaskClient) -> None:
    response = client.get("/reports/feedback", headers={"Accept": "application/xml"})
    assert (response.status_code, response.get_json(force=True)["issue"][0]["expression"]) == (406, ["Accept"])


def test_the_report_needs_a_token_where_hook_calls_do_unless_it_is_opened(
    service: Service, settings: Settings, storing: str
) -> None:
    for opened, status in ((False, 401), (True, 200)):
        guarded = replace(settings, database_url=storing, hooks_auth="required", reports_open=opened)
        app = create_app(guarded, service=service)
        assert app.test_client().get("/reports/feedback").status_code == status
        assert send(app.test_client(), overridden(some())).status_code == 401
        app.extensions["hipspine-store"].close()
