"""The language of an answer: Accept-Language chooses it, words follow, codes and figures stay."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from service.composition.languages import spoken_displays
from service.engine.model import KnowledgeBase
from service.knowledge.translation import needed, source_text
from service.mapping.options import OPTION_NAMES
from service.mapping.writers.texts import load_texts

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from service.composition.parts import Service

Resource = dict[str, Any]
Answers = Callable[..., Resource]

DATA = Path(__file__).parents[1] / "data"
EXAMPLES = sorted(file.stem for file in DATA.glob("*.json"))
EVERYTHING = "&".join(f"{name}=true" for name in OPTION_NAMES)
# Elements that hold words; every other one is a code, a figure, a display of a code system, a reference or a date.
WORDS = {"div", "language", "text", "rationale", "mitigation", "valueString", "name", "title", "description", "scheduledString"}
OF_THE_MOMENT = {"occurrenceDateTime", "authoredOn", "created", "start", "end"}
# The readers word their remarks in English, whatever the answer is written in.
REMARKS = ("warning", "ignored-input")
FRAGMENT = re.compile(r"[^{}:;.]+")  # what stands between the values and marks of a sentence


def answer(client: FlaskClient, submission: Resource, language: str | None = None, *, query: str = "") -> Resource:
    headers = {} if language is None else {"Accept-Language": language}
    address = "/fhir/$assess" + (f"?{query}" if query else "")
    response = client.post(address, data=json.dumps(submission), content_type="application/fhir+json", headers=headers)
    assert response.status_code == 200, response.text
    return dict(response.get_json())


def example(name: str) -> Resource:
    resource: Resource = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return resource


def leaves(element: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every single value of a resource with the names that lead to it."""
    if isinstance(element, dict):
        for name, value in element.items():
            yield from leaves(value, (*path, name))
    elif isinstance(element, list):
        for number, value in enumerate(element):
            yield from leaves(value, (*path, str(number)))
    else:
        yield path, element


def lasting(resource: Resource) -> dict[tuple[str, ...], Any]:
    """What two assessments of one submission share: all but their own id and the moment they were made."""
    return {path: value for path, value in leaves(resource) if path != ("id",) and path[-1] not in OF_THE_MOMENT}


def spoken(resource: Resource) -> str:
    """All that is worded for a reader: the narrative and every sentence outside it, but for remarks and citations."""
    told = dict(resource)
    told["extension"] = [one for one in resource["extension"] if not one["url"].endswith(REMARKS)]
    sentences = [str(value) for path, value in leaves(told) if path[-1] in WORDS]
    return unescape(" ".join(sentences))


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de", "de"),
        ("de-CH", "de"),
        ("DE-AT, en;q=0.4", "de"),
        ("fr, de;q=0.5", "de"),
        ("en;q=0.9, de;q=0.8", "en"),
        ("en-GB", "en"),
        ("en;q=0, *", "de"),
        ("de;q=0, fr", "en"),
        ("fr, *;q=0.1", "en"),
        ("fr", "en"),
        ("*", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_the_header_chooses_the_language(client: FlaskClient, respond: Answers, header: str | None, language: str) -> None:
    headers = {} if header is None else {"Accept-Language": header}
    body = json.dumps(respond(pain_groin="present", fadir="present"))
    response = client.post("/fhir/$assess", data=body, content_type="application/fhir+json", headers=headers)
    assert response.status_code == 200
    assert response.headers["Content-Language"] == language
    assert "Accept-Language" in response.headers["Vary"]
    written = response.get_json()
    assert written["language"] == language
    assert written["text"]["div"].startswith(
        f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{language}" xml:lang="{language}">'
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_words_change_and_codes_figures_and_displays_stay(client: FlaskClient, name: str) -> None:
    english, german = (lasting(answer(client, example(name), one, query=EVERYTHING)) for one in ("en", "de"))
    assert english.keys() == german.keys() | {path for path in english if path[-1] == "div"}
    differing = {path for path, value in english.items() if german[path] != value}
    assert {path[-1] for path in differing} <= WORDS
    assert ("language",) in differing
    assert ("text", "div") in differing


@pytest.mark.parametrize("name", EXAMPLES)
def test_one_submission_has_one_identifier_in_every_language(client: FlaskClient, name: str) -> None:
    assert answer(client, example(name), "de")["identifier"] == answer(client, example(name), "en")["identifier"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_english_sentence_stands_in_a_german_answer(client: FlaskClient, service: Service, name: str) -> None:
    told = spoken(answer(client, example(name), "de", query=EVERYTHING))
    assert left_in_english(told, service) == []


def test_an_english_answer_does_hold_english_sentences(client: FlaskClient, service: Service) -> None:
    """The check above finds what it looks for."""
    assert len(left_in_english(spoken(answer(client, example("both"), "en", query=EVERYTHING)), service)) > 50


def test_a_re_assessment_tells_the_change_in_the_language_asked_for(
    client: FlaskClient, service: Service, respond: Answers
) -> None:
    first = answer(client, respond(pain_groin="present", fadir="present", treatment_weeks=2), "de")
    later = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "earlier-assessment", "resource": first},
            {"name": "questionnaire-response", "resource": respond(pain_groin="absent", hip_treatment_response="not-better")},
        ],
    }
    second = answer(client, later, "de")
    assert "Seit der vorigen Einschätzung" in second["text"]["div"]
    assert "Leistenschmerz: damals vorhanden, jetzt nicht vorhanden" in second["text"]["div"]
    assert left_in_english(spoken(second), service) == []


def test_an_assessment_in_one_language_is_read_back_in_another(client: FlaskClient, respond: Answers) -> None:
    """Codes carry the answers over, not words."""
    for before, after in (("de", "en"), ("en", "de")):
        first = answer(client, respond(pain_groin="present", faber="groin-or-anterior-pain"), before)
        later = {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "earlier-assessment", "resource": first},
                {"name": "questionnaire-response", "resource": respond(slr="absent")},
            ],
        }
        second = answer(client, later, after)
        used = [one for one in second["extension"] if one["url"].endswith("/used-finding")]
        codes = {one["extension"][0]["valueCoding"]["code"] for one in used}
        assert codes == {"pain_groin", "faber", "slr"}


def test_remarks_of_the_readers_are_counted_for_the_reader_and_stay_in_their_extensions(
    client: FlaskClient, respond: Answers
) -> None:
    foreign = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "https://other.example/codes", "code": "weather"}]},
        "subject": {"reference": "Patient/1"},
        "valueString": "rain",
    }
    entries = [{"resource": respond(pain_groin="present")}, {"resource": foreign}]
    unread = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    english, german = answer(client, unread, "en"), answer(client, unread, "de")
    said_in_english, said_in_german = (unescape(one["text"]["div"]) for one in (english, german))
    for kind, word, counted, german_count in (
        ("ignored-input", "reason", "Left out of the submission: {};", "Nicht berücksichtigte Angaben: {};"),
        ("warning", "message", "Remarks on the submission: {};", "Hinweise zur Eingabe: {};"),
    ):
        remarks = [
            part["valueString"]
            for one in german["extension"]
            if one["url"].endswith(f"/{kind}")
            for part in one["extension"]
            if part["url"] == word
        ]
        assert remarks
        assert not any(sentence in said_in_german or sentence in said_in_english for sentence in remarks)
        assert counted.format(len(remarks)) in said_in_english and german_count.format(len(remarks)) in said_in_german


def left_in_english(told: str, service: Service) -> list[str]:
    """English sentences of the files, and English texts of the tables, found in what an answer tells."""
    return [text for text in {*_fragments(), *_texts(service.parts.knowledge, service)} if text in told]


def _fragments() -> Iterator[str]:
    for template in load_texts("en").templates.values():
        for fragment in FRAGMENT.findall(re.sub(r"{.*?}", "{}", template)):
            if len(fragment.split()) > 2:
                yield fragment.strip()


def _texts(knowledge: KnowledgeBase, service: Service) -> Iterator[str]:
    displays = spoken_displays(service.parts.terminology)
    for path in needed(knowledge, displays):
        text = source_text(knowledge, displays, path)
        if len(text.split()) > 1 and any(mark.isalpha() for mark in text):
            yield text
