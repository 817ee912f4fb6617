"""Which form a body may have: what the caller sends and what it takes back. JSON of FHIR 4.0, nothing else."""

from __future__ import annotations

import re

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from service.errors import Fault
from service.web.errors import NotAcceptable, UnsupportedMediaType

FHIR_JSON = "application/fhir+json"
FORM = "application/x-www-form-urlencoded"
ACCEPTED = (FHIR_JSON, "application/json", "application/json+fhir")  # the last is the name of DSTU2, still sent
_MEDIA = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60}")
FHIR_VERSIONS = ("4.0", "4.0.1")
VERSION_SPEC = "http://hl7.org/fhir/R4/http.html#version-parameter"
MIME_SPEC = "http://hl7.org/fhir/R4/http.html#mime-type"

_REPAIR = f"Ask for {FHIR_JSON}, or leave the Accept header out."


def answer_media_type(accept: str | None, format_parameter: str | None) -> str:
    """The media type to answer with; `_format` wins over Accept. NotAcceptable if the caller takes none of ours.

    A caller that asks for plain application/json is answered so; the old name is answered with the present one.
    """
    if format_parameter:
        wanted = format_parameter.strip().replace(" ", "+")  # an unescaped + in a query string arrives as a space
        accept = FHIR_JSON if wanted.lower() == "json" else wanted
    if not accept or not accept.strip():
        return FHIR_JSON
    ranges = [(*parse_options_header(value), quality) for value, quality in parse_accept_header(accept, MIMEAccept)]
    qualities = {offer: _quality(offer, ranges) for offer in ACCEPTED}
    best = max(ACCEPTED, key=lambda offer: qualities[offer])  # of equals the first: FHIR JSON
    if qualities[best] > 0:
        return "application/json" if best == "application/json" else FHIR_JSON
    other_version = any(media in ACCEPTED and not _version_fits(parameters) for media, parameters, _ in ranges)
    if other_version:
        raise NotAcceptable(
            Fault(
                "not-supported",
                "This server speaks FHIR 4.0 only.",
                rule="fhirVersion must be 4.0.",
                repair=_REPAIR,
                spec=VERSION_SPEC,
            )
        )
    raise NotAcceptable(
        Fault(
            "not-supported", "This server answers in JSON only.", rule=f"Answers are {FHIR_JSON}.", repair=_REPAIR, spec=MIME_SPEC
        )
    )


def wants_page(accept: str | None) -> bool:
    """Whether an address that has JSON for machines and a page for people is to send the page; NotAcceptable if neither fits.

    Whoever takes both alike gets JSON: browsers name text/html, other programs mostly take anything.
    """
    if not accept or not accept.strip():
        return False
    wanted = parse_accept_header(accept, MIMEAccept)
    best = wanted.best_match(("application/json", "text/html"))
    if best is None:
        raise NotAcceptable(
            Fault(
                "not-supported",
                "This address answers in JSON or as a page.",
                where="Accept",
                rule="Answers are application/json or text/html.",
                repair="Ask for one of them, or leave the Accept header out.",
            )
        )
    return best == "text/html"


def check_body_media_type(content_type: str | None, content_encoding: str | None, *, wanted: str = FHIR_JSON) -> None:
    """Nothing if a body of that type can be read; UnsupportedMediaType, which advises the `wanted` type, otherwise."""
    media, parameters = parse_options_header(content_type or "")
    repair = f"Send the body as UTF-8 JSON with Content-Type: {wanted}."
    if media.lower() not in ACCEPTED:
        found = f"this one is {media}" if _MEDIA.fullmatch(media) else "there is none" if not media else "this one is none"
        rule = f"Content-Type must be one of {', '.join(ACCEPTED)}; {found}."
        raise UnsupportedMediaType(
            Fault("not-supported", "The body is not declared as JSON.", rule=rule, repair=repair, spec=MIME_SPEC)
        )
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType(
            Fault("not-supported", "The body is not declared as UTF-8.", rule="FHIR is UTF-8.", repair=repair, spec=MIME_SPEC)
        )
    if not _version_fits(parameters):
        raise UnsupportedMediaType(
            Fault(
                "not-supported",
                "The body is of another FHIR version.",
                rule="fhirVersion must be 4.0.",
                repair=repair,
                spec=VERSION_SPEC,
            )
        )
    _check_encoding(content_encoding)


def check_form_media_type(content_type: str | None, content_encoding: str | None) -> None:
    """Nothing if a body of that type is a form of search parameters; UnsupportedMediaType otherwise."""
    media, parameters = parse_options_header(content_type or "")
    if media.lower() != FORM or parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType(
            Fault(
                "not-supported",
                "The body of the search is not declared as a form.",
                rule=f"Content-Type must be {FORM}, in UTF-8.",
                repair="Send the parameters as a form, or as a GET in the address.",
                spec="http://hl7.org/fhir/R4/http.html#search",
            )
        )
    _check_encoding(content_encoding)


def _check_encoding(content_encoding: str | None) -> None:
    if (content_encoding or "identity").strip().lower() != "identity":
        raise UnsupportedMediaType(
            Fault(
                "not-supported",
                "The body is compressed.",
                rule="Bodies are read uncompressed.",
                repair="Leave Content-Encoding out.",
            )
        )


def _quality(offer: str, ranges: list[tuple[str, dict[str, str], float]]) -> float:
    """How much the caller wants an offer: by the most specific range that covers it, 0 if none does."""
    best = (0, 0.0)
    for media, parameters, quality in ranges:
        if not _version_fits(parameters):
            continue
        media = media.lower()
        specific = 3 if media == offer else 2 if media == "application/*" else 1 if media == "*/*" else 0
        if specific:
            best = max(best, (specific, quality))
    return best[1]


def _version_fits(parameters: dict[str, str]) -> bool:
    version = next((value for name, value in parameters.items() if name.lower() == "fhirversion"), None)
    return version is None or version in FHIR_VERSIONS
