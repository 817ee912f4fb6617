"""The languages an answer can be worded in: one file of sentences and one catalogue of words each.

A language is data: `service/mapping/writers/texts/<language>.json` and `service/knowledge/translations/<language>.json`.
`python -m service knowledge --untranslated <language>` lists what a catalogue still lacks or has from an older English text;
`--reviewed <language>` notes that it is up to date.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from service.engine.model import KnowledgeBase
from service.fhir.terminology import Terminology
from service.knowledge.reviews import outdated
from service.knowledge.translation import load_catalogue, needed, source_text, translate
from service.mapping.answers import ABSENT, PRESENT, answer_code
from service.mapping.writers.texts import REFERENCE, load_texts, texts_directory
from service.mapping.writers.vocabulary import Vocabulary
from service.mapping.writers.words import Words
from service.resources import tables_directory

DEFAULT = "en"
# Our own code systems whose displays appear in sentences and are not labels of the tables.
SPOKEN_SYSTEMS = ("source-pattern",)
SENTENCES = "texts"  # stands before the key of a sentence where the texts of the tables have their section


def translated_vocabularies(knowledge: KnowledgeBase, terminology: Terminology) -> Mapping[str, Callable[[], Vocabulary]]:
    """Per further language, how to get its vocabulary; loaded and checked against the tables at the first use."""
    files = sorted(translations_directory().glob("*.json"))
    return {file.stem: _loader(file.stem, knowledge, terminology) for file in files}


def spoken_displays(terminology: Terminology) -> dict[str, dict[str, str]]:
    """The English displays a catalogue has to translate: code system -> code -> display."""
    found: dict[str, dict[str, str]] = {}
    for system in SPOKEN_SYSTEMS:
        resource = terminology.resource("CodeSystem", system) or {"concept": []}
        found[system] = {concept["code"]: concept["display"] for concept in resource["concept"]}
    return found


def translations_directory() -> Path:
    return tables_directory().parent / "translations"


def reviews_file(language: str) -> Path:
    """Where it is kept which English texts the translations of a language were made from."""
    return translations_directory() / f"{language}.reviewed.csv"


def english_texts(knowledge: KnowledgeBase, terminology: Terminology) -> dict[tuple[str, ...], str]:
    """Everything a further language has to word: path in its catalogue, or ``texts`` and key of a sentence -> English."""
    displays = spoken_displays(terminology)
    texts = {path: source_text(knowledge, displays, path) for path in needed(knowledge, displays)}
    sentences = load_texts(REFERENCE).templates
    return texts | {(SENTENCES, key): text for key, text in sentences.items() if key != "language"}


def untranslated(language: str, english: Mapping[tuple[str, ...], str]) -> dict[str, Any]:
    """English texts that a language lacks or has from an older wording, nested as its catalogue is; sentences as ``texts``."""
    held = _content(translations_directory() / f"{language}.json")
    held[SENTENCES] = _content(texts_directory() / f"{language}.json")
    old = set(outdated(reviews_file(language), english))
    missing: dict[str, Any] = {}
    for path, text in english.items():
        if path in old or not _held(held, path):
            place = missing
            for step in path[:-1]:
                place = place.setdefault(step, {})
            place[path[-1]] = text
    return missing


def _content(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return content


def _held(content: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        content = content.get(step) if isinstance(content, dict) else None
    return content


def _loader(language: str, knowledge: KnowledgeBase, terminology: Terminology) -> Callable[[], Vocabulary]:
    @cache
    def load() -> Vocabulary:
        catalogue = load_catalogue(translations_directory(), language, knowledge, spoken_displays(terminology))
        words = Words(catalogue.choices, catalogue.displays)
        return Vocabulary(translate(knowledge, catalogue), terminology, load_texts(language), words)

    return load


def wordings(translated: Mapping[str, Callable[[], Vocabulary]]) -> dict[str, Callable[[], Mapping[tuple[str, str], str]]]:
    """Per further language, how to get what our own codes are called in it: (id of the code system, code) -> text.

    What a language has no word for is left out. Made at the first use, as the vocabulary is.
    """
    return {language: _wording(vocabulary) for language, vocabulary in translated.items()}


def _wording(vocabulary: Callable[[], Vocabulary]) -> Callable[[], Mapping[tuple[str, str], str]]:
    @cache
    def words() -> Mapping[tuple[str, str], str]:
        spoken = vocabulary()
        labelled: dict[str, Iterable[Any]] = {
            "finding": spoken.knowledge.findings,
            "condition": spoken.knowledge.conditions,
            "red-flag": spoken.knowledge.red_flags,
            "plan-item": spoken.knowledge.plan_rules,
        }
        found = {(system, entry.id): entry.label for system, entries in labelled.items() for entry in entries}
        found |= {("answer", answer_code(choice)): text for choice, text in spoken.words.choices.items()}
        found |= {("answer", state): spoken.texts(f"state-{state}") for state in (PRESENT, ABSENT)}
        found |= {(system, code): text for system, codes in spoken.words.displays.items() for code, text in codes.items()}
        return found

    return words
