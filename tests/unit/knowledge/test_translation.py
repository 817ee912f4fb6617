"""The further languages: every text has its translation, and a catalogue with a gap stops the start."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.cli.knowledge import missing_texts
from service.composition.languages import spoken_displays
from service.engine.model import KnowledgeBase
from service.errors import KnowledgeBaseError
from service.fhir.terminology import load_terminology
from service.knowledge.reviews import outdated, write_reviews
from service.knowledge.translation import SECTIONS, load_catalogue, needed, source_text, translate
from service.mapping.writers.texts import differences, load_texts
from service.resources import terminology_directory
from service.settings import CANONICAL_BASE

TRANSLATIONS = Path(__file__).parents[3] / "service" / "knowledge" / "translations"
LANGUAGES = sorted(file.stem for file in TRANSLATIONS.glob("*.json"))
each_language = pytest.mark.parametrize("language", LANGUAGES)

Displays = Mapping[str, Mapping[str, str]]
Catalogue = dict[str, Any]

# A figure a translation adds: what a British unit of alcohol is in grams.
ADDED_FIGURES = {("de", "findings/alcohol_heavy/how_elicited"): {"320"}}


@pytest.fixture(scope="session")
def displays() -> Displays:
    return spoken_displays(load_terminology(terminology_directory(), CANONICAL_BASE))


def catalogue(language: str) -> Catalogue:
    content: Catalogue = json.loads((TRANSLATIONS / f"{language}.json").read_text(encoding="utf-8"))
    return content


def held(content: Catalogue, path: tuple[str, ...]) -> str:
    found: Any = content
    for step in path:
        found = found[step]
    return str(found)


def pairs(language: str, knowledge: KnowledgeBase, displays: Displays) -> Iterator[tuple[str, str, str]]:
    """Path, English text and translation of everything in a catalogue."""
    content = catalogue(language)
    for path in needed(knowledge, displays):
        yield "/".join(path), source_text(knowledge, displays, path), held(content, path)


def figures(text: str) -> set[str]:
    """The numbers of a text, without the comma English sets between thousands."""
    return set(re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)))


def faults_of(folder: Path, content: Catalogue, knowledge: KnowledgeBase, displays: Displays) -> list[tuple[str, str]]:
    (folder / "de.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(KnowledgeBaseError) as raised:
        load_catalogue(folder, "de", knowledge, displays)
    return [(fault.kind, fault.where) for fault in raised.value.faults]


# --- nothing is missing ----------------------------------------------------------------------------------------------


def test_there_is_a_second_language() -> None:
    assert "de" in LANGUAGES


@each_language
def test_every_text_is_translated_and_from_its_present_english_wording(language: str) -> None:
    """Read the translations of what is listed again, then `python -m service knowledge --reviewed LANGUAGE`."""
    assert missing_texts(language) == {}


def test_a_language_without_files_lacks_every_text(knowledge: KnowledgeBase, displays: Displays) -> None:
    missing = missing_texts("xx")
    assert missing["texts"] == {key: text for key, text in load_texts("en").templates.items() if key != "language"}
    assert all(held(missing, path) == source_text(knowledge, displays, path) for path in needed(knowledge, displays))


def test_a_changed_english_text_asks_for_its_translation_until_that_is_reviewed(tmp_path: Path) -> None:
    file = tmp_path / "de.reviewed.csv"
    before = {("plan", "rest", "text"): "About half were better.", ("texts", "title"): "Hip-region pain"}
    after = before | {("plan", "rest", "text"): "About three in ten were better.", ("texts", "new"): "New"}
    assert outdated(file, before) == list(before)
    write_reviews(file, before)
    assert outdated(file, before) == []
    assert outdated(file, after) == [("plan", "rest", "text"), ("texts", "new")]


@each_language
def test_a_catalogue_loads_and_names_its_language(language: str, knowledge: KnowledgeBase, displays: Displays) -> None:
    assert load_catalogue(TRANSLATIONS, language, knowledge, displays).language == language == catalogue(language)["language"]


@each_language
def test_a_translation_changes_words_and_nothing_else(language: str, knowledge: KnowledgeBase, displays: Displays) -> None:
    spoken = translate(knowledge, load_catalogue(TRANSLATIONS, language, knowledge, displays))
    assert spoken != knowledge
    words_back: dict[str, Any] = {
        field: tuple(
            replace(one, **{name: getattr(english, name) for name in names})
            for one, english in zip(getattr(spoken, field), getattr(knowledge, field), strict=True)
        )
        for field, names in SECTIONS.values()
    }
    assert replace(spoken, controversies=knowledge.controversies, **words_back) == knowledge


# --- a gap stops the start -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", [*SECTIONS, "choices", "controversies", "displays"])
def test_a_missing_key_of_any_section_stops_the_start(
    section: str, tmp_path: Path, knowledge: KnowledgeBase, displays: Displays
) -> None:
    content = catalogue("de")
    removed = next(path for path in needed(knowledge, displays) if path[0] == section)
    inner = content
    for step in removed[:-1]:
        inner = inner[step]
    del inner[removed[-1]]
    assert faults_of(tmp_path, content, knowledge, displays) == [("required", f"translations/de.json {'/'.join(removed)}")]


def test_a_whole_section_missing_names_every_text_of_it(tmp_path: Path, knowledge: KnowledgeBase, displays: Displays) -> None:
    content = catalogue("de")
    del content["referrals"]
    assert len(faults_of(tmp_path, content, knowledge, displays)) == 2 * len(knowledge.referrals)


def test_an_empty_text_stops_the_start(tmp_path: Path, knowledge: KnowledgeBase, displays: Displays) -> None:
    content = catalogue("de")
    content["findings"]["pain_groin"]["label"] = "  "
    faults = faults_of(tmp_path, content, knowledge, displays)
    assert faults == [("required", "translations/de.json findings/pain_groin/label")]


def test_a_translation_of_nothing_stops_the_start(tmp_path: Path, knowledge: KnowledgeBase, displays: Displays) -> None:
    content = catalogue("de")
    content["findings"]["retired"] = {"label": "Nicht mehr gefragt"}
    faults = faults_of(tmp_path, content, knowledge, displays)
    assert faults == [("not-found", "translations/de.json findings/retired/label")]


# --- the sentences ---------------------------------------------------------------------------------------------------


@each_language
def test_the_sentences_have_the_keys_and_values_of_the_english_ones(language: str) -> None:
    english, other = load_texts("en").templates, load_texts(language).templates
    assert other.keys() == english.keys()
    assert list(differences(other, english, "texts")) == []
    assert load_texts(language).language == language


@pytest.mark.parametrize(
    ("key", "sentence", "kind"),
    [
        ("title", None, "required"),
        ("title", " ", "required"),
        ("answer", "Am ehesten {pattern}.", "invalid"),
        ("title", "Schmerz bei {subject}", "invalid"),
        ("retired", "Wird nicht mehr gesagt.", "not-found"),
    ],
)
def test_a_sentence_missing_empty_useless_or_without_its_values_is_found(key: str, sentence: str | None, kind: str) -> None:
    english = load_texts("en").templates
    changed = {name: text for name, text in {**load_texts("de").templates, key: sentence}.items() if text is not None}
    assert [(fault.kind, fault.where) for fault in differences(changed, english, "texts/de.json")] == [
        (kind, f"texts/de.json {key}")
    ]


# --- it is a translation ---------------------------------------------------------------------------------------------


@each_language
def test_no_text_is_left_in_english(language: str, knowledge: KnowledgeBase, displays: Displays) -> None:
    assert [path for path, english, text in pairs(language, knowledge, displays) if text == english] == []


@each_language
def test_a_sentence_is_the_english_one_only_where_it_holds_nothing_but_values(language: str) -> None:
    english, other = load_texts("en").templates, load_texts(language).templates
    same = [text for key, text in english.items() if other[key] == text]
    assert [text for text in same if re.search("[a-z]", re.sub(r"{.*?}", "", text))] == []


@each_language
def test_a_translation_holds_the_figures_of_its_english_text(language: str, knowledge: KnowledgeBase, displays: Displays) -> None:
    """A percentage corrected in a table and not in a translation would tell two readers two things."""
    differing = {
        path: (figures(english), figures(text))
        for path, english, text in pairs(language, knowledge, displays)
        if figures(text) != figures(english) | ADDED_FIGURES.get((language, path), set())
    }
    assert differing == {}
    english, other = load_texts("en").templates, load_texts(language).templates
    assert {key for key in english if figures(english[key]) != figures(other[key])} == set()
