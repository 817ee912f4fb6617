"""The sentences the service writes, one JSON file per language: key -> template."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter

from service.errors import Fault, KnowledgeBaseError

REFERENCE = "en"  # the language whose keys and values every other has to have


@dataclass(frozen=True)
class Texts:
    """Sentences of one language."""

    language: str
    templates: dict[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The sentence of that key with the values put in; KeyError if key or value is missing."""
        return self.templates[key].format(**values)

    def number(self, printed: object) -> str:
        """A figure as this language writes it: with a decimal comma where that is the custom."""
        return str(printed).replace(".", self.templates["decimal-mark"])

    def percent(self, printed: object) -> str:
        """A percentage as this language writes it."""
        return self.templates["percent"].format(value=self.number(printed))

    def __contains__(self, key: str) -> bool:
        return key in self.templates


@cache
def load_texts(language: str) -> Texts:
    """The texts of a language; FileNotFoundError if there is no file for it, KnowledgeBaseError if it is not complete."""
    templates = _read(language)
    faults = list(differences(templates, _read(REFERENCE), f"texts/{language}.json"))
    if faults:
        raise KnowledgeBaseError(faults)
    return Texts(templates["language"], templates)


def texts_directory() -> Path:
    return Path(__file__).parent / "texts"


def values_of(template: str) -> frozenset[str]:
    """The names of the values a template takes."""
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name is not None)


def _read(language: str) -> dict[str, str]:
    file = texts_directory() / f"{language}.json"
    templates: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return templates


def differences(templates: Mapping[str, str], reference: Mapping[str, str], name: str) -> Iterator[Fault]:
    """What a file of sentences lacks or has too much of; found at the start, not in a request."""
    for key in sorted(reference.keys() - templates.keys()):
        yield Fault("required", "A sentence is missing.", f"{name} {key}")
    for key in sorted(templates.keys() - reference.keys()):
        yield Fault("not-found", "A sentence nobody writes.", f"{name} {key}")
    for key in sorted(reference.keys() & templates.keys()):
        if not templates[key].strip():
            yield Fault("required", "A sentence is empty.", f"{name} {key}")
        elif values_of(templates[key]) != values_of(reference[key]):
            yield Fault("invalid", "A sentence does not take the values of the English one.", f"{name} {key}")
