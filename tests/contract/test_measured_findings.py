"""Measured values that decide a yes/no finding, as EHRs send them: body temperature in its LOINC code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

Resource = dict[str, Any]


def temperature(value: float, unit: str, **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": "t",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8310-5"}]},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2026-01-15T10:00:00+01:00",
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit, "unit": unit, **more},
    }


def flags(client: FlaskClient, observation: Resource) -> set[str]:
    response = client.post("/fhir/$assess", data=json.dumps(observation), content_type="application/fhir+json")
    assert response.status_code == 200, response.text
    return {
        part["valueCoding"]["code"]
        for extension in response.get_json()["extension"]
        if extension["url"].endswith("/red-flag")
        for part in extension["extension"]
        if "valueCoding" in part and part["valueCoding"]["system"].endswith("/red-flag")
    }


@pytest.mark.parametrize(("value", "unit"), [(101.3, "[degF]"), (38.5, "Cel"), (38.0, "Cel"), (311.65, "K")])
def test_C8_a_raised_temperature_is_fever_in_any_unit(client: FlaskClient, value: float, unit: str) -> None:
    assert "fever" in flags(client, temperature(value, unit))


@pytest.mark.parametrize(("value", "unit"), [(98.6, "[degF]"), (37.9, "Cel"), (38.5, "furlong")])
def test_C8_a_normal_temperature_or_an_unknown_unit_is_not_fever(client: FlaskClient, value: float, unit: str) -> None:
    assert "fever" not in flags(client, temperature(value, unit))


@pytest.mark.parametrize(("comparator", "value", "raised"), [(">", 38.0, True), (">", 37.0, False), ("<", 38.0, False)])
def test_C9_a_bound_decides_only_if_it_lies_beyond_the_threshold(
    client: FlaskClient, comparator: str, value: float, raised: bool
) -> None:
    assert ("fever" in flags(client, temperature(value, "Cel", comparator=comparator))) is raised


@pytest.mark.parametrize("value", [-5.0, 0.0, 98.6])
def test_C8_a_temperature_nobody_can_have_is_left_out_with_a_warning(client: FlaskClient, value: float) -> None:
    """Zero stands for "not measured" in some records, and 98.6 Cel for a number in another unit."""
    body = json.dumps(temperature(value, "Cel"))
    answer = client.post("/fhir/$assess", data=body, content_type="application/fhir+json").get_json()
    extensions = [extension["url"].rsplit("/", 1)[1] for extension in answer["extension"]]
    assert "used-finding" not in extensions and "warning" in extensions
