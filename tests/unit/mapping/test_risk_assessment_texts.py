"""The sentences of the writers: all there, none forgotten."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from service.engine.model import UndecidedCode
from service.mapping.writers.texts import load_texts

SERVICE = Path(__file__).resolve().parents[3] / "service"
READERS = tuple(path for folder in ("mapping/writers", "cli", "hooks") for path in sorted((SERVICE / folder).glob("*.py")))
# Keys put together from a prefix and a code.
FAMILIES = (
    "undecided-", "state-", "urgency-", "unit-", "spine-versus-hip-", "plan-kind-", "combined-primary-", "combined-stage-",
    "robustness-", "person-", "card-topic-", "override-reason-", "unseen-", "order-",
)


def test_every_sentence_is_used_somewhere() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in READERS)
    keys = {key for key in load_texts("en").templates if key != "language" and not key.startswith(FAMILIES)}
    assert keys == {key for key in keys if f'"{key}"' in source or f"'{key}'" in source}  # the second inside an f-string


def test_every_reason_for_not_telling_has_its_sentence() -> None:
    assert all(f"undecided-{code}" in load_texts("en") for code in get_args(UndecidedCode))


def test_a_sentence_without_one_of_its_values_is_an_error() -> None:
    with pytest.raises(KeyError):
        load_texts("en")("answer", pattern="Hip only")


def test_a_language_without_a_file_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        load_texts("xx")


@pytest.mark.parametrize("words", ["not a diagnosis", "not for emergencies", "clinicians"])
def test_T4_the_intended_use_says_whom_it_is_for_and_what_it_is_not(words: str) -> None:
    assert re.search(words, load_texts("en")("intended-use"), re.IGNORECASE)
