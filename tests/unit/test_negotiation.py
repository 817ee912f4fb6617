"""Which media types are understood, from header values alone."""

from __future__ import annotations

import pytest

from service.web.errors import NotAcceptable, UnsupportedMediaType
from service.web.negotiation import answer_media_type, check_body_media_type

FHIR, JSON = "application/fhir+json", "application/json"


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        (None, FHIR),
        ("", FHIR),
        ("*/*", FHIR),
        ("application/*", FHIR),
        ("application/json", JSON),
        ("APPLICATION/FHIR+JSON", FHIR),
        ("application/fhir+json;fhirVersion=4.0", FHIR),
        ("application/json+fhir", FHIR),
        ("application/fhir+xml, application/json;q=0.1", JSON),
        ("application/json, text/plain, */*", FHIR),
        ("application/json;q=0.9, application/fhir+json;q=0.8", JSON),
        ("application/fhir+json;q=0, */*", JSON),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", FHIR),
        ("application/fhir+json;fhirVersion=5.0, application/fhir+json;fhirVersion=4.0;q=0.5", FHIR),
    ],
)
def test_R6_the_best_of_what_the_caller_takes_is_given(accept: str | None, answer: str) -> None:
    assert answer_media_type(accept, None) == answer


@pytest.mark.parametrize(
    "accept",
    [
        "application/fhir+xml",
        "text/html",
        "application/json;q=0",
        "application/fhir+json;fhirVersion=5.0",
        "*/*;q=0",
        "nonsense",
        ";;,",
    ],
)
def test_R6_R9_a_caller_that_takes_none_of_ours_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        answer_media_type(accept, None)


@pytest.mark.parametrize(
    "wanted", ["json", "application/json", "application/fhir+json", "application/fhir json", "application/json+fhir"]
)
def test_R7_format_wins_over_accept(wanted: str) -> None:
    assert answer_media_type("text/html", wanted) in (FHIR, JSON)


@pytest.mark.parametrize("wanted", ["xml", "application/fhir+xml", "ttl", "html"])
def test_R7_an_unknown_format_is_refused_whatever_accept_says(wanted: str) -> None:
    with pytest.raises(NotAcceptable):
        answer_media_type("*/*", wanted)


@pytest.mark.parametrize(
    "content_type",
    [
        FHIR,
        JSON,
        "application/json+fhir",
        "application/fhir+json; charset=UTF-8",
        "Application/FHIR+JSON;fhirVersion=4.0",
        'application/json; charset="utf-8"',
    ],
)
def test_R5_json_bodies_are_read(content_type: str) -> None:
    check_body_media_type(content_type, None)


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        (None, None),
        ("", None),
        ("text/plain", None),
        ("application/fhir+xml", None),
        ("application/x-www-form-urlencoded", None),
        ("application/fhir+json; charset=iso-8859-1", None),
        ("application/fhir+json; fhirVersion=5.0", None),
        (FHIR, "gzip"),
    ],
)
def test_R5_other_bodies_are_refused(content_type: str | None, encoding: str | None) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        check_body_media_type(content_type, encoding)
    assert caught.value.faults[0].repair
