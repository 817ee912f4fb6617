"""Versions in the headers of HTTP and in the requests of a Bundle's entries: ``W/"3"``."""

from __future__ import annotations

import re

from service.errors import Fault, MalformedInput

_TAG = re.compile(r'(?:W/)?"([^"\x00-\x1f]*)"')
NO_VERSION = -1  # a tag that no version of ours can have: it never matches


def etag(version: int) -> str:
    """The tag of a version."""
    return f'W/"{version}"'


def tagged_versions(text: str, *, where: str) -> tuple[int, ...] | None:
    """The versions that a list of tags names; None for ``*``, which means any. MalformedInput if it is no such list.

    A tag without the W/ is taken too: many clients send it so. A tag that is no number of ours becomes NO_VERSION.
    """
    if text.strip() == "*":
        return None
    tags = [_TAG.fullmatch(part.strip()) for part in text.split(",")]
    if not all(tags):
        raise MalformedInput(
            Fault(
                "value",
                "The version is not written as an ETag.",
                where=where,
                rule='A version is written W/"3", as the ETag header of an answer gives it.',
                repair="Send back the ETag as it was received.",
                spec="http://hl7.org/fhir/R4/http.html#versioning",
            )
        )
    return tuple(_number(tag[1]) for tag in tags if tag)


def tagged_version(text: str, *, where: str) -> int | None:
    """The one version that is named; None for ``*``. MalformedInput for several."""
    versions = tagged_versions(text, where=where)
    if versions is not None and len(versions) > 1:
        raise MalformedInput(
            Fault(
                "value",
                "Several versions are named.",
                where=where,
                rule="A write expects one version.",
                repair="Name the version that the change was made from.",
            )
        )
    return None if versions is None else versions[0]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 and text != "0" else NO_VERSION
