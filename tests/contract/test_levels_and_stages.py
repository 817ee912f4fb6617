"""Spinal levels and the combined pattern over HTTP: coded, summing, with their basis, in words, and never a prediction."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.fhir import r4

Resource = dict[str, Any]
DATA = Path(__file__).resolve().parents[1] / "data"
LEVELS = ["L1", "L2", "L3", "L4", "L5", "S1", "none"]


@pytest.fixture
def assess(client: FlaskClient) -> Callable[[Resource], Resource]:
    def assessed(resource: Resource) -> Resource:
        response = client.post("/fhir/$assess", data=json.dumps(resource), content_type="application/fhir+json")
        assert response.status_code == 200, response.text
        found: Resource = json.loads(response.data, parse_float=Decimal)
        return found

    return assessed


def example(name: str) -> Resource:
    found: Resource = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return found


def extensions(resource: Resource, name: str) -> list[Resource]:
    return [one for one in resource["extension"] if one["url"].endswith(f"/StructureDefinition/{name}")]


def inner(extension: Resource, url: str) -> list[Resource]:
    return [one for one in extension["extension"] if one["url"] == url]


def one(extension: Resource, url: str) -> Any:
    (found,) = inner(extension, url)
    return next(value for key, value in found.items() if key.startswith("value"))


@pytest.mark.parametrize("name", ["spine", "hip", "both", "sacroiliac", "emergency", "sparse"])
def test_every_answer_has_all_levels_once_coded_with_a_percentage(assess: Callable[..., Resource], name: str) -> None:
    resource = assess(example(name))
    levels = extensions(resource, "spinal-level")
    codings = [one(level, "level") for level in levels]
    assert [coding["code"] for coding in codings] == LEVELS
    assert all(coding["system"].endswith("/CodeSystem/spinal-level") and coding["display"] for coding in codings)
    figures = [one(level, "probability") for level in levels]
    assert all(Decimal(0) <= figure <= Decimal(100) for figure in figures)
    assert sum(figures) >= Decimal("99.9")
    assert r4.check({**resource}).faults == ()


def test_the_example_with_an_L4_root_names_L4_and_the_signs_that_speak_for_it(assess: Callable[..., Resource]) -> None:
    resource = assess(example("spine"))
    levels = {one(level, "level")["code"]: level for level in extensions(resource, "spinal-level")}
    figures = {code: one(level, "probability") for code, level in levels.items()}
    assert max(figures, key=lambda code: figures[code]) == "L4"
    reasons = inner(levels["L4"], "reason")
    assert {one(reason, "finding") for reason in reasons[:3]} <= {"derm_l4", "reflex_patellar", "fnst", "myo_l3", "myo_l4"}
    assert all(one(reason, "log-odds") > 0 for reason in reasons[:3])
    assert f"L4 {figures['L4']}%" in resource["text"]["div"]


def test_levels_and_stages_are_no_predictions(assess: Callable[..., Resource]) -> None:
    systems = {row["outcome"]["coding"][0]["system"].rpartition("/")[2] for row in assess(example("both"))["prediction"]}
    assert systems == {"source-pattern", "condition"}


def test_K28_hip_and_spine_together_get_stages_that_sum_to_exactly_100(assess: Callable[..., Resource]) -> None:
    resource = assess(example("both"))
    (combined,) = extensions(resource, "combined-pattern")
    stages = inner(combined, "stage")
    codes = [one(stage, "stage") for stage in stages]
    shares = [one(stage, "probability") for stage in stages]
    assert {code["code"] for code in codes} == {"stage-1", "stage-2", "stage-3"}
    assert all(code["system"].endswith("/CodeSystem/combined-stage") and code["display"] for code in codes)
    assert sum(shares) == Decimal("100.00")
    assert shares == sorted(shares, reverse=True)
    assert one(combined, "primary-spine") + one(combined, "primary-hip") == Decimal("100.00")
    assert one(combined, "primary")["code"] in {"spine", "hip", "undetermined"}
    assert inner(combined, "reason")


def test_the_text_says_that_no_study_stands_behind_the_stages(assess: Callable[..., Resource]) -> None:
    resource = assess(example("both"))
    (combined,) = extensions(resource, "combined-pattern")
    told = one(combined, "limits")
    assert "No study" in told
    assert "expert judgement" in told
    assert told in resource["text"]["div"]


def test_the_combined_pattern_is_absent_where_one_source_carries_the_weight(assess: Callable[..., Resource]) -> None:
    for name in ("spine", "sparse"):
        resource = assess(example(name))
        assert extensions(resource, "combined-pattern") == []
        assert "Spine and hip together" not in resource["text"]["div"]


@pytest.mark.parametrize("name", ["spine", "both"])
def test_every_row_behind_a_level_or_a_stage_has_its_source_in_the_answer(assess: Callable[..., Resource], name: str) -> None:
    resource = assess(example(name))
    cited = {row["valueId"] for source in extensions(resource, "evidence") for row in inner(source, "row")}
    named = {
        row["valueId"]
        for extension in (*extensions(resource, "spinal-level"), *extensions(resource, "combined-pattern"))
        for reason in inner(extension, "reason")
        for row in inner(reason, "row")
    }
    assert named
    assert named <= cited


def test_the_codes_of_levels_and_stages_can_be_read_from_the_server(client: FlaskClient) -> None:
    for code_system in ("spinal-level", "combined-stage", "combined-primary"):
        for kind in ("CodeSystem", "ValueSet"):
            assert client.get(f"/fhir/{kind}/{code_system}").status_code == 200
