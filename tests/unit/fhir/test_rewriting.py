"""Links of a resource are replaced where R4 keeps a link, and nowhere else."""

from __future__ import annotations

import copy

import pytest

from service.fhir.rewriting import references, with_links

OLD, NEW = "urn:uuid:9e3c7f0a-5a0e-4a2f-9c58-1a0f8f5b9a01", "Patient/1"


def replaced(resource: dict) -> dict:
    before = copy.deepcopy(resource)
    after = with_links(resource, lambda text: NEW if text == OLD else None)
    assert resource == before, "the resource itself is not touched"
    return after


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Observation", "subject": {"reference": OLD}},
        {"resourceType": "Observation", "performer": [{"reference": "Practitioner/1"}, {"reference": OLD}]},
        {"resourceType": "Observation", "extension": [{"url": "https://x.example", "valueUri": OLD}]},
        {"resourceType": "Observation", "extension": [{"url": "https://x.example", "valueReference": {"reference": OLD}}]},
        {"resourceType": "Observation", "meta": {"source": OLD}},
        {"resourceType": "Patient", "_birthDate": {"extension": [{"url": "u", "valueReference": {"reference": OLD}}]}},
        {"resourceType": "Patient", "name": [{"given": ["a"], "_given": [None, {"extension": [{"url": "u", "valueUrl": OLD}]}]}]},
        {"resourceType": "Observation", "contained": [{"resourceType": "Provenance", "target": [{"reference": OLD}]}]},
        {"resourceType": "QuestionnaireResponse",
         "item": [{"linkId": "a", "item": [{"linkId": "b", "answer": [{"valueReference": {"reference": OLD}}]}]}]},
    ],
    ids=lambda resource: next(key for key in resource if key != "resourceType"),
)
def test_a_link_is_replaced_wherever_it_stands(resource: dict) -> None:
    text = str(replaced(resource))
    assert OLD not in text and NEW in text
    assert text == str(resource).replace(OLD, NEW), "nothing else has changed"


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Observation", "identifier": [{"system": "urn:ietf:rfc:3986", "value": OLD}]},
        {"resourceType": "Observation", "note": [{"text": OLD}]},
        {"resourceType": "Observation", "subject": {"display": OLD, "reference": "Patient/2"}},
        {"resourceType": "Observation", "valueString": OLD},
        {"resourceType": "Observation", "subject": {"reference": OLD + "x"}},
        {"resourceType": "Observation", "text": {"div": f"<div>{OLD} <b title=\"{OLD}\">x</b></div>"}},
    ],
    ids=lambda resource: next(key for key in resource if key != "resourceType"),
)
def test_text_that_is_no_link_stays(resource: dict) -> None:
    assert replaced(resource) == resource


def test_links_of_a_narrative_are_replaced_in_either_quotes() -> None:
    div = f"""<div><a href="{OLD}">a</a><img  src='{OLD}' alt="{OLD}"/></div>"""
    after = replaced({"resourceType": "Observation", "text": {"status": "generated", "div": div}})
    assert after["text"]["div"] == f"""<div><a href="{NEW}">a</a><img  src='{NEW}' alt="{OLD}"/></div>"""


def test_a_new_link_in_a_narrative_is_escaped() -> None:
    after = with_links({"resourceType": "Observation", "text": {"div": '<div><a href="x&amp;y">a</a></div>'}},
                       lambda text: 'p"&<' if text == "x&y" else None)
    assert after["text"]["div"] == '<div><a href="p&quot;&amp;&lt;">a</a></div>'


def test_references_are_listed_with_their_places() -> None:
    resource = {
        "resourceType": "Observation",
        "subject": {"reference": "Patient/1"},
        "performer": [{"display": "x"}, {"reference": "Practitioner/1"}],
        "contained": [{"resourceType": "Provenance", "id": "p", "target": [{"reference": "#"}]}],
        "identifier": [{"assigner": {"reference": "Organization/1"}, "value": "Patient/9"}],
    }
    assert dict(references(resource, "Bundle.entry[3].resource")) == {
        "Patient/1": "Bundle.entry[3].resource.subject.reference",
        "Practitioner/1": "Bundle.entry[3].resource.performer[1].reference",
        "#": "Bundle.entry[3].resource.contained[0].target[0].reference",
        "Organization/1": "Bundle.entry[3].resource.identifier[0].assigner.reference",
    }
