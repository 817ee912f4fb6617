"""The sentences the service writes, one JSON file per language: key -> template."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Texts:
    """Sentences of one language."""

    language: str
    templates: dict[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The sentence of that key with the values put in; KeyError if key or value is missing."""
        return self.templates[key].format(**values)

    def __contains__(self, key: str) -> bool:
        return key in self.templates


@cache
def load_texts(language: str) -> Texts:
    """The texts of a language; FileNotFoundError if there is no file for it."""
    file = resources.files(__package__) / "texts" / f"{language}.json"
    templates = json.loads(file.read_text(encoding="utf-8"))
    return Texts(templates["language"], templates)
