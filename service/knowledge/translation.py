"""The words of the knowledge base in another language: one JSON file per language, checked against the tables.

A catalogue holds a translation for every label, sentence and choice of the tables; one that lacks a key, or has one the
tables do not know, stops the start. Ids and codes stay as they are, so the engine and every consumer see the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from service.engine.model import KnowledgeBase
from service.errors import Fault, KnowledgeBaseError
from service.records import dataclass

# Section of a catalogue -> (field of the knowledge base, texts of each entry).
SECTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "findings": ("findings", ("label", "how_elicited")),
    "clusters": ("published_clusters", ("label",)),
    "conditions": ("conditions", ("label",)),
    "red_flags": ("red_flags", ("label", "message", "action")),
    "referrals": ("referrals", ("label", "reason")),
    "plan": ("plan_rules", ("label", "text", "dosage", "thinner")),
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All words of one language. `entries` is section -> id -> text name -> text; `displays` is code system -> code -> text."""

    language: str
    entries: Mapping[str, Mapping[str, Mapping[str, str]]]
    choices: Mapping[str, str]
    controversies: Mapping[str, str]
    displays: Mapping[str, Mapping[str, str]]


def needed(knowledge: KnowledgeBase, displays: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, ...]]:
    """The path of every text a catalogue must hold. `displays` are those of the terminology: code system -> code -> text."""
    for section, (field, names) in SECTIONS.items():
        for item in getattr(knowledge, field):
            yield from ((section, item.id, name) for name in names if getattr(item, name))
    yield from (("choices", choice) for choice in dict.fromkeys(_choices(knowledge)))
    yield from (("controversies", finding_id) for finding_id in knowledge.controversies)
    yield from (("displays", system, code) for system, codes in displays.items() for code in codes)


def source_text(knowledge: KnowledgeBase, displays: Mapping[str, Mapping[str, str]], path: tuple[str, ...]) -> str:
    """The English text at a path of `needed`."""
    section, key = path[0], path[1]
    if section == "choices":
        return key
    if section == "controversies":
        return knowledge.controversies[key]
    if section == "displays":
        return displays[key][path[2]]
    field = SECTIONS[section][0]
    return str(getattr(next(item for item in getattr(knowledge, field) if item.id == key), path[2]))


def load_catalogue(
    directory: Path, language: str, knowledge: KnowledgeBase, displays: Mapping[str, Mapping[str, str]]
) -> Catalogue:
    """The catalogue of a language; KnowledgeBaseError listing every text that is missing, empty or of no use."""
    name = f"translations/{language}.json"
    content: dict[str, Any] = json.loads((directory / f"{language}.json").read_text(encoding="utf-8"))
    expected = set(needed(knowledge, displays))
    present = {path for path in _paths(content) if path[0] != "language"}
    faults = [Fault("required", "A text has no translation.", f"{name} {'/'.join(path)}") for path in sorted(expected - present)]
    faults += [Fault("not-found", "A translation of nothing.", f"{name} {'/'.join(path)}") for path in sorted(present - expected)]
    if faults:
        raise KnowledgeBaseError(faults)
    return Catalogue(
        language,
        {section: content.get(section, {}) for section in SECTIONS},
        content.get("choices", {}),
        content.get("controversies", {}),
        content.get("displays", {}),
    )


def translate(knowledge: KnowledgeBase, catalogue: Catalogue) -> KnowledgeBase:
    """The same knowledge base with every label and sentence of the catalogue. Choices keep their words: they are values."""
    changes: dict[str, Any] = {
        field: translated(getattr(knowledge, field), catalogue.entries[section])
        for section, (field, _) in SECTIONS.items()
    }
    return replace(knowledge, controversies=catalogue.controversies, **changes)


def translated(items: Iterable[Any], texts: Mapping[str, Mapping[str, str]]) -> tuple[Any, ...]:
    """The same items with the texts of their ids."""
    return tuple(replace(item, **texts[item.id]) if item.id in texts else item for item in items)


def _choices(knowledge: KnowledgeBase) -> Iterator[str]:
    for finding in knowledge.findings:
        yield from finding.choices


def _paths(content: Mapping[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _paths(value, (*before, key))
        elif str(value).strip():
            yield (*before, key)

