"""What is known: the tables as frozen rows, and the knowledge base that holds them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from typing import Literal

from service.engine.model.kinds import AnswerType, Region, Role, SourceKind, Urgency
from service.engine.model.rules import PlanRule, Qualifier, RedFlagRule, Referral, Threat
from service.engine.model.sharing import LevelRate, LevelShare, StageRate
from service.engine.model.statements import Test
from service.records import dataclass


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a number comes from, as shown to a reader: never the address it was seen at."""

    id: str
    text: str
    authors: str = ""
    year: int | None = None
    title: str = ""
    journal: str = ""
    doi: str = ""
    pmid: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One diagnosis. `prevalence` is its share of presentations with hip-region pain, with plausible limits."""

    id: str
    label: str
    region: Region
    urgency: Urgency
    prevalence: float
    prevalence_low: float
    prevalence_high: float
    source_id: str
    source_kind: SourceKind
    note: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A named set of conditions, used as a target or comparator of published figures."""

    id: str
    label: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One question, sign, test, image or demographic item. `choices` or `unit` by `answer_type`."""

    id: str
    label: str
    kind: str
    answer_type: AnswerType
    dependency_group: str
    burden: int
    answerable_by: Literal["patient", "examiner", "record"]
    choices: tuple[str, ...] = ()
    unit: str = ""
    how_elicited: str = ""
    self_reportable: bool = False
    definite: bool = False  # image-guided block or definite imaging: the wider cap applies
    present_when: Test | None = None  # of a yes/no finding: the measured values that mean "present", in `unit`
    minimum: float | None = None  # of a quantity, in its unit
    maximum: float | None = None
    valid_days: int | None = None  # how long an answer counts, by judgement; None: for good
    lifelong: bool = False  # once so it stays so: a problem that is over still states it

    @property
    def counted(self) -> bool:
        """Whether its value is a number of things, and so a whole one."""
        return self.answer_type == "quantity" and self.unit == "1"


@dataclass(frozen=True, slots=True)
class Incompatible:
    """Two answers that cannot both be true of one patient at one time."""

    finding_id: str
    when: Test
    other_id: str
    other_when: Test


@dataclass(frozen=True, slots=True)
class Level:
    """One of the exclusive outcomes of an observable, with its background rate P(level | no condition)."""

    id: str
    when: Test
    background: float
    background_low: float
    background_high: float


@dataclass(frozen=True, slots=True)
class Observable:
    """What one answer lets the engine observe: exclusive levels whose background rates sum to 1.

    A yes/no finding has one observable with the levels ``present`` and ``absent``, in that order. A finding that asks
    two things at once (radiograph and MRI of the hip) has two observables. `id` is the finding's id, with ``:part``
    where there are several. An answer of which no level is true says nothing about the observable.
    """

    id: str
    finding_id: str
    levels: tuple[Level, ...]
    source_kind: SourceKind
    note: str = ""

    @property
    def binary(self) -> bool:
        return len(self.levels) == 2 and self.levels[0].id == "present"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A point value with its range; either end may be unknown."""

    point: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Likelihood:
    """One published or assigned accuracy figure: one row of the likelihoods table.

    `lr_pos` and `sensitivity` speak of answers for which `when` holds, `lr_neg` of those for which `when_not` holds.
    `comparator_id` is set where the people without the target had another condition (or group) of ours.
    `role` says whether the engine uses the row; `decision` why.
    """

    row_id: str
    finding_id: str
    observable_id: str
    target_id: str
    role: Role
    decision: str
    when: Test | None
    when_not: Test | None
    comparator: str
    comparator_kind: Literal["patients", "condition", "healthy", "none"]
    comparator_id: str
    sensitivity: Estimate | None
    specificity: Estimate | None
    lr_pos: Estimate | None
    lr_neg: Estimate | None
    quality: Literal["A", "B", "C", "D"]
    confidence: Literal["high", "moderate", "low"]
    source_id: str
    source_kind: SourceKind
    population: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Items that were published as one rule about `target_id`: (finding id, what its answer must be).

    Each of `rows` speaks of the number of items met (`when` is ``>=2``).
    """

    id: str
    label: str
    target_id: str
    items: tuple[tuple[str, Test], ...]
    rows: tuple[Likelihood, ...]


@dataclass(frozen=True, slots=True)
class Constant:
    """One number of the model that is not a rate of a finding: caps, weights, class masses."""

    id: str
    value: float
    low: float
    high: float
    source_kind: SourceKind
    note: str


@dataclass(frozen=True)
class KnowledgeBase:
    """Everything the tables say. Tuples keep the order of the tables."""

    version: str
    conditions: tuple[Condition, ...]
    groups: tuple[Group, ...]
    findings: tuple[Finding, ...]
    observables: tuple[Observable, ...]
    likelihoods: tuple[Likelihood, ...]
    red_flags: tuple[RedFlagRule, ...]
    referrals: tuple[Referral, ...]
    citations: Mapping[str, Citation]
    constants: Mapping[str, Constant]
    controversies: Mapping[str, str] = field(default_factory=dict)  # finding id -> where sources differ
    plan_rules: tuple[PlanRule, ...] = ()
    qualifiers: tuple[Qualifier, ...] = ()
    levels: tuple[LevelShare, ...] = ()
    level_rates: tuple[LevelRate, ...] = ()
    stages: tuple[StageRate, ...] = ()
    clusters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # a count of positive tests -> its parts
    published_clusters: tuple[Cluster, ...] = ()
    threats: Mapping[str, Threat] = field(default_factory=dict)
    incompatible: tuple[Incompatible, ...] = ()

    @cached_property
    def _by_id(self) -> dict[str, Finding]:
        return {finding.id: finding for finding in self.findings}

    def finding(self, finding_id: str) -> Finding:
        """KeyError if there is none of that id."""
        return self._by_id[finding_id]

    def constant(self, constant_id: str) -> float:
        return self.constants[constant_id].value
