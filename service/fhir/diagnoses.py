"""Diagnoses on a problem list that are dangerous, or change what a sign means (`terminology/recorded-diagnoses.csv`).

A row of ICD-10-CM means its code and everything below it, with `last` the categories from one to the other; the row that names a
code most closely is the one that counts. A row of another code system means that one code.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from service.errors import Fault, KnowledgeBaseError
from service.records import dataclass

COLUMNS = ("system", "code", "last", "title", "red_flag", "finding", "valid_days", "verified", "source")
_CLASSIFICATION = "http://hl7.org/fhir/sid/icd-10-cm"
_CATEGORY = 3  # letters and digits of a category; a code with all its parts has seven
_WHOLE = 7
_SEQUELA = "S"  # the seventh character of a code for what an injury has left behind


@dataclass(frozen=True, slots=True)
class RecordedDiagnosis:
    """What a diagnosis means here: the red flag it raises by itself, the finding it states, or both; empty: none.

    `valid_days` is how long after it was recorded the flag is raised (judgement), None: for good.
    """

    system: str
    code: str
    last: str
    title: str
    red_flag: str
    finding: str
    valid_days: int | None
    verified: str


class RecordedDiagnoses:
    """The table, to be asked for the meaning of a code."""

    def __init__(self, rows: Iterable[RecordedDiagnosis] = ()) -> None:
        self.rows = tuple(rows)
        self._exact = {(row.system, row.code): row for row in self.rows}
        self._ranges = [row for row in self.rows if row.last]

    def meaning(self, system: str, code: str) -> RecordedDiagnosis | None:
        """The row of a code, None if it has none. Codes of the classification count with and without their dot."""
        if system != _CLASSIFICATION:
            return self._exact.get((system, code))
        bare = code.replace(".", "")
        if not bare.isalnum() or (len(bare) == _WHOLE and bare[-1] == _SEQUELA):
            return None
        for length in range(len(bare), _CATEGORY - 1, -1):
            part = bare[:length]
            row = self._exact.get((system, part if length == _CATEGORY else f"{part[:_CATEGORY]}.{part[_CATEGORY:]}"))
            if row is not None:
                return row
        category = bare[:_CATEGORY]
        return next((row for row in self._ranges if len(category) == _CATEGORY and row.code <= category <= row.last), None)


def load_diagnoses(path: Path) -> RecordedDiagnoses:
    """The table of a file; KnowledgeBaseError naming every bad row."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fault = Fault("structure", f"the table of recorded diagnoses cannot be read: {error}", path.name)
        raise KnowledgeBaseError(fault) from error
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise KnowledgeBaseError(Fault("structure", f"the columns must be {', '.join(COLUMNS)}", path.name))
    rows, faults = [], []
    for line, row in enumerate(reader, start=2):
        wrong = _fault(row)
        if wrong:
            faults.append(Fault("value", wrong, f"{path.name}:{line}"))
            continue
        values: Mapping[str, str] = {name: row[name] for name in COLUMNS if name not in ("valid_days", "source")}
        rows.append(RecordedDiagnosis(**values, valid_days=int(row["valid_days"]) if row["valid_days"] else None))
    if len({(row.system, row.code) for row in rows}) < len(rows):
        faults.append(Fault("value", "a code is listed twice", path.name))
    if faults:
        raise KnowledgeBaseError(faults)
    return RecordedDiagnoses(rows)


def _fault(row: Mapping[str, str]) -> str:
    if not all(row[name] for name in ("system", "code", "title", "verified", "source")):
        return "a diagnosis needs a system, a code, a title, how it was verified, and a source"
    if not (row["red_flag"] or row["finding"]):
        return "a diagnosis raises a red flag or states a finding"
    if row["valid_days"] and not row["valid_days"].isdigit():
        return "valid_days is a number of days, or empty"
    return ""
