"""A published cluster over HTTP: told as worked out from its items, with its source, its place in the sum, and in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

Resource = dict[str, Any]
ITEMS = {"improves_exercise_not_rest": "present", "second_half_night": "present", "alternating_buttock": "present"}
PICTURE = {"morning_stiffness": "over-60-min", "hla_b27": "present", "sacroiliitis_imaging": "present"}
TYPE = "application/fhir+json"


@pytest.fixture
def assess(client: FlaskClient, respond: Callable[..., Resource]) -> Callable[..., Resource]:
    def assessed(language: str = "en", **answers: object) -> Resource:
        body = json.dumps(respond(status="completed", **answers))
        response = client.post("/fhir/$assess", data=body, content_type=TYPE, headers={"Accept-Language": language})
        assert response.status_code == 200, response.text
        found: Resource = json.loads(response.data, parse_float=Decimal)
        return found

    return assessed


def extensions(resource: Resource, name: str) -> list[Resource]:
    return [one for one in resource["extension"] if one["url"].endswith(f"/StructureDefinition/{name}")]


def parts(extension: Resource, url: str) -> list[Any]:
    found = [one for one in extension["extension"] if one["url"] == url]
    return [next(value for key, value in one.items() if key.startswith("value") or key == "extension") for one in found]


def test_a_cluster_stands_among_what_was_used_with_the_items_it_comes_from(assess: Callable[..., Resource]) -> None:
    answer = assess(**ITEMS, lbp_present="present")
    (own,) = [one for one in extensions(answer, "used-finding") if parts(one, "finding")[0]["code"] == "berlin_pattern"]
    assert parts(own, "value") == [3]
    assert set(parts(own, "derived-from")) == set(ITEMS)
    assert parts(own, "finding")[0]["display"] == "Items of inflammatory back pain present (of four)"


def test_a_single_item_is_no_cluster(assess: Callable[..., Resource]) -> None:
    answer = assess(second_half_night="present", lbp_present="present")
    used = [parts(one, "finding")[0]["code"] for one in extensions(answer, "used-finding")]
    assert "berlin_pattern" not in used


def test_its_contribution_has_its_rows_and_the_sum_still_closes(assess: Callable[..., Resource]) -> None:
    answer = assess(**ITEMS, **PICTURE)
    disease = next(one for one in answer["prediction"] if one["outcome"]["coding"][0]["code"] == "ax_spa")
    (why,) = extensions(disease, "explanation")
    contributions = [one["extension"] for one in why["extension"] if one["url"] == "contribution"]
    total = parts(why, "prior-log-odds")[0] + sum(
        next(part["valueDecimal"] for part in one if part["url"] == "log-odds") for one in contributions
    )
    assert abs(total - parts(why, "posterior-log-odds")[0]) < Decimal("0.000001")
    (own,) = [one for one in contributions if {"url": "finding", "valueCode": "berlin_pattern"} in one]
    assert [part["valueId"] for part in own if part["url"] == "row"] == ["LC01", "LC02"]
    cited = [parts(one, "citation")[0]["citation"] for one in extensions(answer, "evidence") if "LC01" in parts(one, "row")]
    assert len(cited) == 1
    assert "Rudwaleit" in cited[0]


def test_a_cluster_has_words_in_every_language(assess: Callable[..., Resource]) -> None:
    """Its id is no word for a reader."""
    wanted = {"en": "Items of inflammatory back pain present", "de": "Merkmale des entzündlichen Rückenschmerzes"}
    for language, words in wanted.items():
        answer = assess(language, **ITEMS, **PICTURE)
        told = json.dumps([one.get("rationale", "") for one in answer["prediction"]], ensure_ascii=False) + answer["text"]["div"]
        assert words in told, language
        assert "berlin_pattern" not in told


def test_a_later_submission_counts_the_items_of_both_and_says_how_the_count_changed(
    assess: Callable[..., Resource], client: FlaskClient, respond: Callable[..., Resource]
) -> None:
    """What was worked out is not carried over as an answer; its items are, and the change is told with both counts."""
    earlier = assess(second_half_night="present", alternating_buttock="present", lbp_present="present")
    later = respond(status="completed", improves_exercise_not_rest="present")
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": earlier}, {"resource": later}]}
    response = client.post("/fhir/$assess", data=json.dumps(bundle, default=float), content_type=TYPE)
    assert response.status_code == 200, response.text
    (change,) = extensions(json.loads(response.data), "change")
    reasons = [
        {part["url"]: next(value for key, value in part.items() if key.startswith("value")) for part in one["extension"]}
        for one in change["extension"]
        if one["url"] == "reason"
    ]
    own = next(one for one in reasons if one["finding"] == "berlin_pattern")
    assert (own["before"], own["after"]) == (2, 3)
