"""The languages an answer can be worded in: one file of sentences and one catalogue of words each.

A language is data: `service/mapping/writers/texts/<language>.json` and `service/knowledge/translations/<language>.json`.
`python -m service knowledge --untranslated <language>` lists what a catalogue still lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from service.engine.model import KnowledgeBase
from service.fhir.terminology import Terminology
from service.knowledge.translation import load_catalogue, translate
from service.mapping.writers.texts import load_texts
from service.mapping.writers.vocabulary import Vocabulary
from service.mapping.writers.words import Words
from service.resources import tables_directory

DEFAULT = "en"
# Our own code systems whose displays appear in sentences and are not labels of the tables.
SPOKEN_SYSTEMS = ("source-pattern",)


def translated_vocabularies(knowledge: KnowledgeBase, terminology: Terminology) -> Mapping[str, Callable[[], Vocabulary]]:
    """Per further language, how to get its vocabulary; loaded and checked against the tables at the first use."""
    files = sorted((tables_directory().parent / "translations").glob("*.json"))
    return {file.stem: _loader(file.stem, knowledge, terminology) for file in files}


def spoken_displays(terminology: Terminology) -> dict[str, dict[str, str]]:
    """The English displays a catalogue has to translate: code system -> code -> display."""
    found: dict[str, dict[str, str]] = {}
    for system in SPOKEN_SYSTEMS:
        resource = terminology.resource("CodeSystem", system) or {"concept": []}
        found[system] = {concept["code"]: concept["display"] for concept in resource["concept"]}
    return found


def _loader(language: str, knowledge: KnowledgeBase, terminology: Terminology) -> Callable[[], Vocabulary]:
    @cache
    def load() -> Vocabulary:
        directory = tables_directory().parent / "translations"
        catalogue = load_catalogue(directory, language, knowledge, spoken_displays(terminology))
        words = Words(catalogue.choices, catalogue.displays)
        return Vocabulary(translate(knowledge, catalogue), terminology, load_texts(language), words)

    return load
