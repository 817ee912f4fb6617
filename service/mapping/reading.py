"""What reading a submission yields, and the notebook its readers write into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from service.engine.model import Answer, AnswerValue, Case, Comparator, KnowledgeBase, Recorded, Side
from service.errors import Fault, FaultKind, Severity
from service.fhir.bundles import Held, Resource
from service.fhir.terminology import Terminology
from service.mapping.form import Form
from service.mapping.options import NOTHING_MORE, AssessOptions
from service.mapping.references import Reference
from service.mapping.times import effective_text
from service.records import dataclass


@dataclass(frozen=True, slots=True)
class ReadingContext:
    """What a submission is read against. `assessed_at` has a time zone; `questionnaire` is the form in force.

    `of_today`: it is a record, asked about today, whose parts were written at any time (`validity.py`). `record`: it is what is
    stored, of which a form that cannot be read is passed over; `withdrawn` are findings whose answers in the earlier assessment
    no longer stand. `form` is `questionnaire` prepared once by `own_form`; without it every reading prepares it anew. `stored`
    are resources that the submission names and this service holds: they are read as if they had been sent along.
    """

    knowledge: KnowledgeBase
    terminology: Terminology
    questionnaire: Mapping[str, Any]
    assessed_at: datetime
    base_url: str
    form: Form | None = None
    stored: tuple[Held, ...] = ()
    of_today: bool = False
    record: bool = False
    withdrawn: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class UsedAnswer:
    """One answer the case was built from. `inputs` are references as in `Input.reference`, the decisive one first.

    `value` is None where the question was asked and the answer was "unknown".
    """

    finding_id: str
    value: AnswerValue | None
    inputs: tuple[str, ...]
    effective: str = ""
    comparator: Comparator = ""
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """One thing of the submission that was not used. `what` names it, `where` is its path, `reason` one sentence.

    `not_understood`: it is about a finding, and what it says of it could not be read; it may say that an alarm sign is there.
    """

    what: str
    where: str
    reason: str
    not_understood: bool = False


@dataclass(frozen=True, slots=True)
class Input:
    """One resource that gave at least one used answer, and the reference by which the answer may name it.

    A reference ``#input-n`` means that the resource has neither id nor address and must be contained under that id.
    """

    resource: Resource
    reference: str
    where: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A submission as read: the case for the engine, and everything the answer has to say about its inputs.

    `contained` holds what `subject` refers to by ``#``; the answer must contain it as it is;
    `options` are those of the submission itself.
    """

    case: Case
    subject: Reference
    encounter: Reference | None
    used: tuple[UsedAnswer, ...]
    ignored: tuple[Ignored, ...]
    warnings: tuple[Fault, ...]
    inputs: tuple[Input, ...]
    preliminary: bool
    contained: tuple[Resource, ...] = ()
    options: AssessOptions = NOTHING_MORE
    earlier: EarlierAssessment | None = None
    contradicted: tuple[str, ...] = ()  # ids of findings to which the submission holds different answers


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """What one place of one resource says of one finding. `value` None: asked, and the answer was "unknown"."""

    finding_id: str
    value: AnswerValue | None
    source: Held
    where: str
    comparator: Comparator = ""
    side: Side | None = None
    final: bool = True
    carried: bool = False  # from an earlier assessment: any new answer goes before it
    dated: str | None = None  # where it is of another time than its resource; empty: of no known time
    implied_side: Side | None = None  # of an answer without a side: the one the form, or the earlier assessment, was about
    ahead: bool = False  # dated after the assessment, so that its date says nothing of which answer is newer

    @property
    def effective(self) -> str:
        """When it was so, as it was written; empty if nobody said."""
        return effective_text(self.source) if self.dated is None else self.dated


@dataclass(frozen=True, slots=True)
class EarlierAssessment:
    """An earlier assessment of this service for the same patient: its answers, and the percentages it gave the patterns."""

    held: Held
    answers: tuple[Answer, ...]
    patterns: Mapping[str, float]
    assessed: str

    @property
    def reference(self) -> Reference:
        """How the new assessment may name it: by id, by address, or by its identifier."""
        if self.held.id:
            return {"reference": f"RiskAssessment/{self.held.id}"}
        if self.held.full_url:
            return {"reference": self.held.full_url}
        return {"identifier": dict(next(iter(self.held.resource.get("identifier", ())), {}))}


@dataclass(slots=True)
class Notebook:
    """What the readers have found so far: faults that end the reading, remarks, and statements about findings."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    complaint_sides: list[Side] = field(default_factory=list)  # sides of the complaint itself (hip pain on the left)
    recorded: list[tuple[Recorded, Held]] = field(default_factory=list)  # diagnoses that raise a red flag, and where they stand
    contradicted: list[str] = field(default_factory=list)  # ids of findings with different answers of today
    preliminary: bool = False
    earlier: EarlierAssessment | None = None

    def add(self, page: Notebook) -> None:
        """Takes over what a page of its own holds."""
        self.faults += page.faults
        self.warnings += page.warnings
        self.ignored += page.ignored
        self.statements += page.statements
        self.complaint_sides += page.complaint_sides
        self.preliminary = self.preliminary or page.preliminary

    def fault(self, kind: FaultKind, message: str, where: str, *, rule: str = "", repair: str = "") -> None:
        self.faults.append(Fault(kind, message, where, rule, repair))

    def warn(
        self, kind: FaultKind, message: str, where: str, *, rule: str = "", repair: str = "", severity: Severity = "warning"
    ) -> None:
        self.warnings.append(Fault(kind, message, where, rule, repair, severity=severity))

    def ignore(self, held: Held, reason: str, where: str = "", *, not_understood: bool = False) -> None:
        self.ignored.append(Ignored(named(held), where or held.path, reason, not_understood))


def named(held: Held) -> str:
    """A short name of a resource for people: its type, and its id where it has one."""
    return f"{held.type}/{held.id}" if held.id else held.type
