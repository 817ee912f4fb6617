"""Versions in headers: written weak, read weak or strong, one or several, and never guessed."""

from __future__ import annotations

import pytest

from service.errors import MalformedInput
from service.fhir.etags import NO_VERSION, etag, tagged_version, tagged_versions


def test_a_version_is_written_weak() -> None:
    assert etag(3) == 'W/"3"'


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ('W/"3"', (3,)),
        ('"3"', (3,)),
        ('W/"1", "2" ,W/"x"', (1, 2, NO_VERSION)),
        ("*", None),
        ('W/"0"', (NO_VERSION,)),
        ('W/"-1"', (NO_VERSION,)),
        ('W/"99999999999"', (NO_VERSION,)),
        ('W/"\N{ARABIC-INDIC DIGIT THREE}"', (NO_VERSION,)),
    ],
)
def test_tags_are_read(text: str, versions: tuple[int, ...] | None) -> None:
    assert tagged_versions(text, where="If-Match") == versions


@pytest.mark.parametrize("text", ["", "3", "W/3", 'w/"3"', '"3', '"1" "2"', 'W/"3",'])
def test_what_is_no_tag_is_refused(text: str) -> None:
    with pytest.raises(MalformedInput) as refused:
        tagged_versions(text, where="If-Match")
    assert refused.value.faults[0].where == "If-Match"


def test_a_write_expects_one_version() -> None:
    assert tagged_version('W/"4"', where="If-Match") == 4
    assert tagged_version("*", where="If-Match") is None
    with pytest.raises(MalformedInput):
        tagged_version('"1","2"', where="If-Match")
