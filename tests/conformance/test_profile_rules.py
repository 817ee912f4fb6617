"""Every rule of our profiles can be broken, and is then named by `$validate`.

That the examples conform before they are broken is tested in test_package.py.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from support.node import PROFILES

Resource = dict[str, Any]
MADE = PROFILES / "fsh-generated"
CONFIDENCE = "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/AIconfidence"


def extension(element: Resource, name: str) -> Resource:
    found: Resource = next(one for one in element["extension"] if one["url"].rpartition("/")[2] == name)
    return found


def probability(value: float) -> Callable[[Resource], None]:
    return lambda resource: resource["prediction"][-1].update(probabilityDecimal=value)


def another_share(resource: Resource) -> None:
    first = resource["prediction"][0]
    first["probabilityDecimal"] = round(first["probabilityDecimal"] - 1, 2)
    extension(first, "AIconfidence")["valueRange"]["low"]["value"] = 0


def twice(resource: Resource) -> None:
    resource["prediction"].append(copy.deepcopy(resource["prediction"][-1]))


def outside_its_interval(resource: Resource) -> None:
    high = extension(resource["prediction"][0], "AIconfidence")["valueRange"]["high"]
    high["value"] = resource["prediction"][0]["probabilityDecimal"] - 1


def without_interval(resource: Resource) -> None:
    held = resource["prediction"][0]
    held["extension"] = [one for one in held["extension"] if one["url"] != CONFIDENCE]


def kind(index: int, code: str) -> Callable[[Resource], None]:
    return lambda resource: extension(resource["prediction"][index], "prediction-kind").update(valueCode=code)


def coverage(resource: Resource) -> None:
    extension(resource, "coverage")["valueDecimal"] = 1.5


def neither_flips(resource: Resource) -> None:
    held = extension(resource, "flip-set")
    held["extension"] = [one for one in held["extension"] if not one["url"].startswith("becomes-")]


def neither_given_nor_withheld(resource: Resource) -> None:
    held = extension(resource, "plan-item")
    held["extension"] = [one for one in held["extension"] if one["url"] not in ("text", "withheld")]


def without(*names: str) -> Callable[[Resource], None]:
    def change(resource: Resource) -> None:
        for name in names:
            resource.pop(name, None)

    return change


def another_form(resource: Resource) -> None:
    resource["questionnaire"] = "https://other.example/Questionnaire/1"


def without_evidence(resource: Resource) -> None:
    for activity in resource["activity"]:
        activity.get("detail", {}).pop("extension", None)


def withheld_unexplained(resource: Resource) -> None:
    next(one["detail"] for one in resource["activity"] if "detail" in one)["doNotPerform"] = True


def nameless_agent(resource: Resource) -> None:
    resource["agent"][0]["who"] = {"display": "the engine"}


def another_extension(resource: Resource) -> None:
    del resource["extension"]


# Rule -> where, and what breaks it.
BROKEN: list[tuple[str, str, Callable[[Resource], None]]] = [
    ("hs-partition", "RiskAssessment-hip", another_share),
    ("hs-distinct", "RiskAssessment-hip", twice),
    ("hs-percent", "RiskAssessment-hip", probability(0.125)),
    ("hs-interval", "RiskAssessment-hip", outside_its_interval),
    ("hs-interval", "RiskAssessment-hip", without_interval),
    ("hs-is-partition", "RiskAssessment-hip", kind(0, "marginal")),
    ("hs-is-marginal", "RiskAssessment-hip", kind(-1, "partition")),
    ("hs-fraction", "RiskAssessment-hip", coverage),
    ("hs-flip", "RiskAssessment-both", neither_flips),
    ("hs-plan-item", "RiskAssessment-hip", neither_given_nor_withheld),
    ("hs-result", "Observation-both-1", without("valueQuantity", "valueCodeableConcept", "valueBoolean")),
    ("hs-intake-form", "QuestionnaireResponse-hip", another_form),
    ("hs-withheld", "CarePlan-hip-in-full-care-plan", without_evidence),
    ("hs-withheld", "CarePlan-hip-in-full-care-plan", withheld_unexplained),
    ("hs-agent", "Provenance-hip", nameless_agent),
    ("hs-model-card", "Device-hipspine", another_extension),
]


def validated(client: FlaskClient, resource: Resource) -> list[Resource]:
    response = client.post(
        f"/fhir/{resource['resourceType']}/$validate", json=resource, content_type="application/fhir+json"
    )
    issues: list[Resource] = response.get_json(force=True)["issue"]
    return [issue for issue in issues if issue["severity"] in ("error", "fatal")]


@pytest.mark.parametrize(("rule", "name", "change"), BROKEN, ids=[f"{rule}-{change.__name__}" for rule, _, change in BROKEN])
def test_a_broken_rule_of_ours_is_named(client: FlaskClient, rule: str, name: str, change: Callable[[Resource], None]) -> None:
    resource = json.loads((MADE / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    change(resource)
    assert rule in json.dumps(validated(client, resource))


def test_no_rule_is_forgotten() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (MADE / "resources").glob("StructureDefinition-*.json")]
    keys = {
        rule["key"]
        for text in texts
        for element in json.loads(text)["differential"]["element"]
        for rule in element.get("constraint", [])
    }
    assert keys == {rule for rule, _, _ in BROKEN}
