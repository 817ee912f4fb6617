"""Which English texts the translations of a language were made from, so that a changed one asks for its translation.

Kept as one fingerprint per text in `translations/<language>.reviewed.csv`. A translation that still says what a table said
last month misleads more than a missing one: nothing shows that it is wrong.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path

COLUMNS = ("text", "fingerprint")
DIGITS = 8


def fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:DIGITS]


def outdated(file: Path, english: Mapping[tuple[str, ...], str]) -> list[tuple[str, ...]]:
    """The paths of `english` whose text is not the one the translation was made from; all of them without a file."""
    made_from: dict[str, str] = {}
    if file.is_file():
        with file.open(encoding="utf-8", newline="") as table:
            made_from = {row["text"]: row["fingerprint"] for row in csv.DictReader(table)}
    return [path for path, text in english.items() if made_from.get("/".join(path)) != fingerprint(text)]


def write_reviews(file: Path, english: Mapping[tuple[str, ...], str]) -> None:
    """Note that the translations of a language say what these texts say."""
    with file.open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(("/".join(path), fingerprint(text)) for path, text in sorted(english.items()))
