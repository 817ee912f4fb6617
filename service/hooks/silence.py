"""Which alarm signs speak although no hip or back pain is known, and which would only be noise then."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError, fields

from service.engine.model import Assessment, KnowledgeBase
from service.errors import Fault, KnowledgeBaseError
from service.hooks.advice import PRESSING, raised
from service.records import dataclass


@dataclass(frozen=True, slots=True)
class SilenceRules:
    """`unspecific` are findings that many patients have for reasons other than hip or spine: a fever, an old cancer.

    Everything else that raises an alarm speaks, so that a finding nobody thought of here is told rather than hidden.
    """

    unspecific: frozenset[str]
    pressing: frozenset[str]  # findings that a rule of pressing alarms asks for

    def broken_by(self, assessment: Assessment) -> bool:
        """Whether a pressing alarm rests on any finding that is not unspecific."""
        return any(flag.urgency in PRESSING and not self.unspecific.issuperset(flag.findings) for flag in raised(assessment))

    def broken_by_any(self, finding_ids: Iterable[str]) -> bool:
        """Whether any of these findings could raise an alarm that speaks; for what is recorded and cannot be read."""
        return not (self.pressing - self.unspecific).isdisjoint(finding_ids)


class _SilenceSchema(Schema):
    unspecific = fields.List(fields.String(), required=True)


def load_silence_rules(path: Path, *, knowledge: KnowledgeBase) -> SilenceRules:
    """The rules of the file; KnowledgeBaseError naming each finding that the tables do not know."""
    try:
        raw = _SilenceSchema().load(json.loads(path.read_text(encoding="utf-8")))
    except (ValidationError, ValueError) as error:
        raise KnowledgeBaseError(Fault("invalid", f"The rules of silence cannot be read: {error}", where=path.name)) from None
    unknown = sorted(set(raw["unspecific"]) - {finding.id for finding in knowledge.findings})
    if unknown:
        raise KnowledgeBaseError([Fault("not-found", f"There is no finding {one}.", where=path.name) for one in unknown])
    pressing = (rule.when for rule in knowledge.red_flags if rule.urgency in PRESSING)
    return SilenceRules(frozenset(raw["unspecific"]), frozenset(one for when in pressing for one in _findings(when)))


def _findings(when: Any) -> Iterator[str]:
    """The findings that a condition of a rule names, however deep."""
    if isinstance(when, Mapping):
        if isinstance(when.get("finding"), str):
            yield when["finding"]
        when = list(when.values())
    if isinstance(when, list | tuple):
        for inner in when:
            yield from _findings(inner)
