"""The pages of what is published: complete, linked, escaped, and readable without the network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.composition.parts import Service
from service.fhir import definition_rows as rows
from service.fhir.conformance import Definitions
from service.web.definition_pages import TYPES, definition_pages
from service.web.fhir_rest import FhirId

Resource = dict[str, Any]
HOSTILE = '<script>alert(1)</script>"\'&'


class Read(HTMLParser):
    """Links, tags and text of a page; the text without what is between style tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]
        assert not {name for name, _ in attrs} & {"src", "onclick", "onload", "srcset"}

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data + " "


def page(client: FlaskClient, path: str) -> Read:
    response = client.get(path)
    assert response.status_code == 200, (path, response.text[:300])
    assert response.content_type == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    return Read(response.text)


def test_the_index_links_to_a_page_for_every_definition(client: FlaskClient, service: Service) -> None:
    linked = set(page(client, "/profiles/").links)
    for published in service.definitions:
        if published.type_name in TYPES:
            assert f"/profiles/{published.type_name}/{published.id}" in linked, published


@pytest.mark.slow
def test_every_page_can_be_read_and_every_link_inside_leads_somewhere(client: FlaskClient) -> None:
    inside: set[str] = set()
    for path in page(client, "/profiles/").links:
        if path.startswith("/profiles/"):
            read = page(client, path)
            assert "script" not in read.tags and "img" not in read.tags and "link" not in read.tags
            inside |= {link for link in read.links if link.startswith("/")}
            outside = {urlsplit(link).netloc for link in read.links if "//" in link}
            assert outside <= {"hl7.org"}, path
    for link in sorted(inside):
        assert client.get(link).status_code == 200, link


def test_the_page_of_a_profile_shows_elements_bindings_rules_and_examples(client: FlaskClient) -> None:
    read = page(client, "/profiles/StructureDefinition/spine-hip-risk-assessment")
    for words in ("prediction:sourcePattern", "1..1", "required", "hs-partition", "sum to 100", "RiskAssessment/emergency"):
        assert words in read.text, words
    assert "/profiles/ValueSet/source-pattern" in read.links and "/profiles/StructureDefinition/red-flag" in read.links
    assert re.search(r'"probabilityDecimal": \d+\.\d+', read.text)


def test_the_page_of_an_extension_shows_its_parts_reason_and_an_example(client: FlaskClient) -> None:
    read = page(client, "/profiles/StructureDefinition/change")
    for words in ("Why it exists", "prior-log-odds", "since", "dateTime", "decimal", "RiskAssessment/hip-again"):
        assert words in read.text, words


def test_the_page_of_an_operation_shows_its_parameters(client: FlaskClient) -> None:
    read = page(client, "/profiles/OperationDefinition/assess")
    for words in ("questionnaire-response", "POST [base]/QuestionnaireResponse/$assess", "earlier-assessment", "return"):
        assert words in read.text, words


def test_the_page_of_a_value_set_lists_its_codes_with_their_meaning(client: FlaskClient) -> None:
    read = page(client, "/profiles/ValueSet/urgency")
    assert "emergency" in read.text and "soon" in read.text and "Codes" in read.text


def test_an_example_is_served_whole(client: FlaskClient) -> None:
    found = client.get("/profiles/examples/RiskAssessment/hip").get_json(force=True)
    assert (found["resourceType"], found["id"]) == ("RiskAssessment", "hip")
    assert len(found["prediction"]) > 20


@pytest.mark.parametrize(
    "path", ["/profiles/Patient/1", "/profiles/StructureDefinition/none", "/profiles/examples/RiskAssessment/none", "/profiles/x"]
)
def test_a_page_that_is_not_there_is_404_with_an_outcome(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.get_json(force=True)["resourceType"] == "OperationOutcome"


def test_everything_on_a_page_is_escaped(tmp_path: Path) -> None:
    """Definitions are ours, but an example may hold what somebody sent."""
    url = "https://a.example/StructureDefinition/x"
    element = {"id": "Observation", "path": "Observation", "short": HOSTILE, "binding": {"valueSet": HOSTILE}}
    heads = ("title", "description", "purpose", "version", "baseDefinition")
    hostile: Resource = {"resourceType": "StructureDefinition", "id": "x", "url": url, "type": "Observation", "kind": "resource"}
    hostile |= dict.fromkeys(heads, HOSTILE) | {name: {"element": [element]} for name in ("differential", "snapshot")}
    sent = {"resourceType": "Observation", "id": "o", "meta": {"profile": [url]}, "note": [{"text": HOSTILE}]}
    app = Flask(__name__)
    app.url_map.converters["fhir_id"] = FhirId
    app.add_url_rule("/fhir/metadata", "fhir.metadata", lambda: "")
    app.add_url_rule("/package.tgz", "package.package", lambda: "")
    example = next(iter(Definitions([sent])))
    app.register_blueprint(definition_pages(Definitions([hostile]), lambda: [example]))
    for path in ("/profiles/", "/profiles/StructureDefinition/x"):
        text = app.test_client().get(path).text
        assert "<script" not in text and "&lt;script&gt;" in text, path


# --- the rows ---------------------------------------------------------------------------------------------------------


def test_only_what_a_profile_says_and_what_holds_it_is_shown_at_first(service: Service) -> None:
    definition = service.definitions.read("StructureDefinition", "spine-hip-referral")
    shown, every = rows.element_rows(definition, whole=False), rows.element_rows(definition, whole=True)
    assert len(shown) < len(every) / 2
    assert {row.name for row in shown} >= {"status", "intent", "reasonCode", "extension:urgency"}
    assert next(row.fixed for row in shown if row.name == "status") == "draft"


def test_nested_parts_of_an_extension_stand_below_theirs(service: Service) -> None:
    found = rows.extension_rows(service.definitions.read("StructureDefinition", "combined-pattern"))
    names = [(row.depth, row.name) for row in found]
    assert names.index((0, "stage")) + 1 == names.index((1, "stage"))
    assert next(row for row in found if row.name == "primary").value_set.endswith("/ValueSet/combined-primary")


def test_long_lists_of_an_example_are_cut_and_say_so() -> None:
    assert rows.shortened({"a": [1, 2, 3, 4, 5], "text": {"div": "<div>long</div>"}}) == {
        "a": [1, 2, 3, "… 2 more"],
        "text": {"div": "… (narrative, XHTML)"},
    }
