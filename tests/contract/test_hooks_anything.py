"""Whatever a record system sends: an answer that keeps the rules or a refusal, never a fault of ours."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.hook_calls import broken_rules, bundle, case, hook_call, order

Resource = dict[str, Any]

HOOKS = ("patient-view", "encounter-start", "order-select", "order-sign", "encounter-discharge")
ODD = (
    "<script>", "Patient/x", "#", "urn:uuid:x", "../..", "🦴", "\x00", "http://169.254.169.254/", [], {}, [[]], [{}], [None],
)  # fmt: skip
KEYS = st.sampled_from(["resourceType", "coding", "entry", "reference", "x"])
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(ODD),
    st.dictionaries(KEYS, st.integers() | st.text(max_size=5), max_size=2),
)


def whole(hook: str) -> Resource:
    """A call that uses every part of the request."""
    resources = case("spine")
    physiotherapy = order("91251008", "http://snomed.info/sct", site="29836001", id="b")
    body = hook_call(hook, resources, orders=[order("36013-1"), physiotherapy])
    finding = {"system": "https://hipspine.example/fhir/CodeSystem/finding", "code": "pain_groin"}
    observation = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "code": {"coding": [finding]},
        "component": [{"code": {"coding": [finding]}, "valueBoolean": True}],
        "valueBoolean": True,
        "subject": {"reference": "Patient/example-spine"},
    }
    pain = {"coding": [{"system": "http://snomed.info/sct", "code": "49218002"}]}
    condition = {"resourceType": "Condition", "id": "c", "code": pain, "subject": {"reference": "Patient/example-spine"}}
    encounter = {"resourceType": "Encounter", "id": "encounter-1", "status": "finished", "class": {}, "reasonCode": [pain]}
    body["prefetch"] |= {
        "patient": {"resourceType": "Patient", "id": "example-spine", "birthDate": "1970-01-01", "gender": "male"},
        "findings": bundle([observation], link=[{"relation": "self", "url": "x"}]),
        "conditions": bundle([condition, {"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]}]),
        "encounter": encounter,
    }
    return body


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


def replaced(body: Resource, path: tuple[Any, ...], value: Any) -> None:
    place: Any = body
    for key in path[:-1]:
        try:
            place = place[key]
        except (KeyError, IndexError, TypeError):
            return  # an earlier replacement took it away
    if isinstance(place, dict | list):
        try:
            place[path[-1]] = value
        except (IndexError, TypeError):
            return


CHECKS = [HealthCheck.function_scoped_fixture]  # one client serves all examples; it keeps nothing of them
BODIES = {hook: whole(hook) for hook in HOOKS}
# Most values of a call are answers of the form, which are read as $assess reads them: what is around them is the hooks' own.
PATHS = {hook: sorted((path for path in places(body) if "item" not in path), key=str) for hook, body in BODIES.items()}


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=CHECKS)
@given(data=st.data())
def test_no_body_is_a_fault_of_ours(client: FlaskClient, data: st.DataObject) -> None:
    hook = data.draw(st.sampled_from(HOOKS))
    body = copy.deepcopy(BODIES[hook])
    for _ in range(data.draw(st.integers(1, 3))):
        replaced(body, data.draw(st.sampled_from(PATHS[hook])), data.draw(JUNK))
    response = client.post(f"/cds-services/{hook}", data=json.dumps(body), content_type="application/json")
    assert response.status_code in (200, 400, 412, 422), response.get_data(as_text=True)
    if response.status_code == 200:
        assert broken_rules(response.get_json()) == []
    else:
        assert response.get_json(force=True)["resourceType"] == "OperationOutcome"


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=CHECKS)
@given(data=st.data())
def test_no_feedback_is_a_fault_of_ours(client: FlaskClient, data: st.DataObject) -> None:
    entry = {
        "card": "4e0a3a1e-3283-4575-ab82-028d55fe2719",
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": "e56e1945-20b3-4393-8503-a1a20fd73152"}],
        "overrideReason": {"reason": {"code": "disagree", "system": "s"}, "userComment": "c"},
        "outcomeTimestamp": "2026-03-01T10:00:00Z",
    }
    body = {"feedback": [entry]}
    for _ in range(data.draw(st.integers(1, 3))):
        replaced(body, data.draw(st.sampled_from(sorted(places(body), key=str))), data.draw(JUNK))
    response = client.post("/cds-services/order-sign/feedback", data=json.dumps(body), content_type="application/json")
    assert response.status_code in (200, 400), response.get_data(as_text=True)
