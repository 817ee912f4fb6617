"""What follows: the assessment of one case and its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from service.engine.model.kinds import Robustness, UndecidedCode, Urgency
from service.engine.model.rules import PlanRule, RedFlagRule, Referral
from service.engine.model.statements import AnswerValue
from service.records import dataclass


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one answer added to the log-odds (natural log) of a target; `rows` are the table rows behind it."""

    finding_id: str
    observable_id: str
    value: AnswerValue
    log_odds: float
    rows: tuple[str, ...]
    counted: Literal["full", "shared"]  # shared: a nearer finding of its dependency group counts in full


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a target stands where it stands: prior + sum of the contributions = posterior, in natural log-odds.

    `complete` is False where only the strongest contributions are listed; then they do not add up.
    """

    target: str
    prior_log_odds: float
    posterior_log_odds: float
    contributions: tuple[Contribution, ...]
    quadrature_nodes: int
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Prediction:
    """Probability of one source pattern or one condition, with its 90 % interval and what moved it."""

    target: str
    kind: Literal["pattern", "condition"]
    prior: float
    probability: float
    low: float
    high: float
    explanation: Explanation | None = None
    derived: bool = False  # an event over the modelled conditions (hip-spine syndrome), not one of them


@dataclass(frozen=True, slots=True)
class RedFlag:
    """A rule that is true of this case."""

    rule: RedFlagRule
    urgency: Urgency
    findings: tuple[str, ...]  # the answers that made it true
    diagnoses: tuple[str, ...] = ()  # titles of those on record that raise it by themselves


@dataclass(frozen=True, slots=True)
class RedFlagScreen:
    """All rules, each in one of three states; those on what nobody did and nobody owed are left out.

    `clear` only if every one that is owed was answered and false.
    """

    raised: tuple[RedFlag, ...]
    absent: tuple[RedFlagRule, ...]
    not_screened: tuple[RedFlagRule, ...]
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # rule id -> findings nobody answered

    @property
    def clear(self) -> bool:
        return not self.raised and not self.not_screened


@dataclass(frozen=True, slots=True)
class NextFinding:
    """An unanswered finding and what it is expected to tell about the source pattern, in bits."""

    finding_id: str
    bits: float


@dataclass(frozen=True, slots=True)
class Undecided:
    """One reason why the answer is "cannot tell yet"."""

    code: UndecidedCode


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One referral with the urgency it has for this case and what called for it."""

    referral: Referral
    urgency: Urgency
    because: tuple[str, ...]  # ``red-flag:...``, ``pattern:...``, ``condition:...``


@dataclass(frozen=True, slots=True)
class LevelReason:
    """What one answer does to the log-odds of a spinal level, everything else as it is; `rows` of the table behind it."""

    finding_id: str
    value: AnswerValue
    log_odds: float
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LevelProbability:
    """Probability that a nerve root or segment is involved, ``L1`` to ``S1``, or ``none``; several levels may be.

    `reasons` are the answers that speak most for or against this level, strongest first.
    """

    level: str
    probability: float
    reasons: tuple[LevelReason, ...] = ()


@dataclass(frozen=True, slots=True)
class StageReason:
    """One answer and the stage of the combined pattern it speaks for most.

    `log_odds` is what it does to the log-odds of that stage against the others, everything else as it is.
    """

    finding_id: str
    stage: int
    log_odds: float
    rows: tuple[str, ...] = ()
    value: AnswerValue = True


@dataclass(frozen=True, slots=True)
class CombinedPattern:
    """Spine and hip both carry weight: which is primary, and how far it has gone (stage 1, 2 or 3).

    `primary_probability` is that of the named source, for ``undetermined`` that of the likelier one; `primary_spine` that of
    the spine. `both` is the probability that a spine and a hip condition are there together.
    """

    primary: Literal["spine", "hip", "undetermined"]
    primary_probability: float
    stages: tuple[tuple[int, float], ...]  # stage -> probability, sums to 1, most probable first
    reasons: tuple[StageReason, ...]
    primary_spine: float = 0.5
    both: float = 0.0


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One item of the plan of this case, or one withheld from it and why."""

    rule: PlanRule
    because: tuple[str, ...]
    withheld: tuple[str, ...] = ()  # reasons, empty if the item is given
    open_screening: tuple[str, ...] = ()  # what has to be answered before it is done: ``red-flag:...``, ``finding:...``


@dataclass(frozen=True, slots=True)
class ResultEffect:
    """What one possible result of an unanswered finding would make of the source patterns."""

    finding_id: str
    value: AnswerValue
    expected: float                       # probability of this result now
    patterns: tuple[tuple[str, float], ...]  # pattern -> probability after it, in the order of `PATTERNS`
    flips: bool                           # whether another pattern would lead
    bedside: bool = True                  # False: imaging, needles, internal examination; never "the next question"


@dataclass(frozen=True, slots=True)
class FlipSet:
    """Results that together would put something else first: a source pattern, or the id of a referral."""

    results: tuple[tuple[str, AnswerValue], ...]
    expected: float  # probability that all of them come out so
    becomes: str


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What would change the answer.

    `effects` per unanswered finding and result (empty unless asked for); `best` the single bedside examination expected to
    tell most, and `splits` the two conditions or the two patterns it would tell apart best. `flip_pattern` and
    `flip_referral` are the smallest sets found that would change the leading pattern or the first referral, of equally
    small ones the most probable; None if there is none among the sets of at most `searched` results that were looked at.
    `robustness` is None where too little was looked at to say.
    """

    effects: tuple[ResultEffect, ...]
    best: NextFinding | None
    splits: tuple[str, ...]
    flip_pattern: FlipSet | None
    flip_referral: FlipSet | None
    searched: int
    robustness: Robustness | None


@dataclass(frozen=True, slots=True)
class ChangeReason:
    """One finding whose answer, or whose weight beside the other answers, changed; None: not answered."""

    finding_id: str
    before: AnswerValue | None
    after: AnswerValue | None
    log_odds: float


@dataclass(frozen=True, slots=True)
class Change:
    """An assessment beside an earlier one. `patterns` is (pattern, before, after); the rest is about the `leading` pattern:
    prior change + reasons = change of its log-odds."""

    patterns: tuple[tuple[str, float, float], ...]
    leading: str
    prior_log_odds: float
    log_odds: float
    reasons: tuple[ChangeReason, ...]


@dataclass(frozen=True, slots=True)
class Assessment:
    """The whole result. Patterns sum to 1, conditions are marginals; both in descending order."""

    knowledge_version: str
    patterns: tuple[Prediction, ...]
    conditions: tuple[Prediction, ...]
    spine_versus_hip: Explanation
    red_flags: RedFlagScreen
    urgency: Urgency
    coverage: float           # share of the expected information of the full form, 0..1
    information_bits: float   # Kullback-Leibler divergence of the pattern distribution from the prior
    undecided: tuple[Undecided, ...]
    next_findings: tuple[NextFinding, ...]
    recommendations: tuple[Recommendation, ...]
    used: tuple[str, ...]           # finding ids that moved or could move the posterior
    without_effect: tuple[str, ...]  # answered, but the model has no number for the answer
    levels: tuple[LevelProbability, ...] = ()
    combined: CombinedPattern | None = None
    plan: tuple[PlanItem, ...] = ()
    what_if: WhatIf | None = None
    reassess_after_days: int | None = None  # None: no date, nobody said how soon or it is an emergency
    mass_of_three: float = 0.0      # posterior mass of the sets of three: the edge of "at most three at once"
