"""What validators say that stands, and why: known_warnings.json."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from conformance.tools import HERE
from conformance.validators import Issue


@dataclass(frozen=True, slots=True)
class KnownWarning:
    """A kind of remark of one validator that we let stand."""

    validator: str
    pattern: str
    reason: str
    file: str = ""  # found in the name of the file; of a fault, because an error may stand only where it is known


def known_warnings() -> list[KnownWarning]:
    """Those of known_warnings.json."""
    listed = json.loads((HERE / "known_warnings.json").read_text(encoding="utf-8"))["warnings"]
    return [KnownWarning(**warning) for warning in listed]


def known_faults() -> list[KnownWarning]:
    """Errors that are the validator's own."""
    listed = json.loads((HERE / "known_warnings.json").read_text(encoding="utf-8"))["faults_of_validators"]
    return [KnownWarning(**fault) for fault in listed]


def explained_by(issue: Issue, known: Sequence[KnownWarning]) -> KnownWarning | None:
    """The first that names this warning, or None."""
    return next((one for one in known if one.validator == issue.validator and _names(one, issue)), None)


def _names(known: KnownWarning, issue: Issue) -> bool:
    return bool(re.search(known.pattern, issue.text) and re.search(known.file, issue.file))
