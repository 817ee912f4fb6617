"""The engine's vocabulary: what is known (knowledge base), what was found (case), what follows (assessment).

Frozen dataclasses over plain values. Nothing here knows FHIR, files or the clock.
Probabilities are fractions 0..1 everywhere in the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

SourceKind = Literal["seen", "recalled", "expert"]
Region = Literal["spine", "hip", "sij", "peripheral-nerve", "pelvis", "serious", "both", "other"]
Urgency = Literal["emergency", "urgent", "soon", "routine"]
AnswerType = Literal["boolean", "choice", "quantity"]
Side = Literal["left", "right", "bilateral"]
Role = Literal["input", "check", "unusable"]
LevelPart = Literal["root", "segment"]

URGENCY_ORDER: tuple[Urgency, ...] = ("emergency", "urgent", "soon", "routine")
PATTERNS: tuple[str, ...] = (
    "spine", "hip", "sij", "hip-and-spine", "other-combination", "peripheral-nerve", "pelvis", "serious", "none-identified",
)

SPINAL_LEVELS: tuple[str, ...] = ("L1", "L2", "L3", "L4", "L5", "S1")
NO_LEVEL = "none"
STAGES: tuple[int, ...] = (1, 2, 3)
PlanKind = Literal[
    "imaging", "first-line", "further", "exercise", "existing-exercise", "self-care", "advice", "prevention",
    "natural-history", "expected-response",
]
PLAN_KINDS: tuple[PlanKind, ...] = (
    "imaging", "first-line", "further", "exercise", "existing-exercise", "self-care", "advice", "prevention",
    "natural-history", "expected-response",
)

UndecidedCode = Literal[
    "no-findings", "low-coverage", "leading-below-half", "narrow-lead", "little-information", "under-18"
]

AnswerValue = bool | str | float
# Of an answer of which only a bound is known: ``<`` 38 is below 38, we do not know where.
Comparator = Literal["", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Test:
    """A machine-readable statement about one answer.

    Written ``true``, ``false``, ``=A|B`` (choice), or one or two bounds such as ``<=15`` and ``>15 <=25`` (quantity).
    """

    text: str
    truth: bool | None = None
    choices: tuple[str, ...] = ()
    bounds: tuple[tuple[str, float], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Test:
        """The statement written as `text`; ValueError if it has none of the forms above."""
        stripped = text.strip()
        if stripped in ("true", "false"):
            return cls(stripped, truth=stripped == "true")
        if stripped.startswith("=") and not _is_number(stripped[1:]):
            return cls(stripped, choices=tuple(stripped[1:].split("|")))
        bounds = []
        for part in stripped.split():
            sign = next((sign for sign in ("<=", ">=", "<", ">", "=") if part.startswith(sign)), None)
            if sign is None or not _is_number(part[len(sign):]):
                raise ValueError(f"not a statement about an answer: {text!r}")
            bounds.append((sign, float(part[len(sign):])))
        if not bounds:
            raise ValueError("an empty statement about an answer")
        return cls(stripped, bounds=tuple(bounds))

    def holds(self, value: AnswerValue) -> bool:
        """Whether the statement is true of a known answer."""
        if self.truth is not None:
            return value is self.truth
        if self.choices:
            return value in self.choices
        if isinstance(value, bool | str):
            return False
        return all(_COMPARE[sign](value, bound) for sign, bound in self.bounds)

    def decides(self, value: AnswerValue, comparator: Comparator = "") -> bool | None:
        """Whether the statement is true of every value an answer allows, false of every one, or neither (None).

        >>> Test.parse(">=38").decides(37.5, "<"), Test.parse(">=38").decides(39.0, "<")
        (False, None)
        """
        if not comparator:
            return self.holds(value)
        if len(self.bounds) != 1 or isinstance(value, bool | str):
            return None
        sign, bound = self.bounds[0]
        upward, open_end = comparator in (">", ">="), comparator in ("<", ">")
        beyond = value > bound if upward else value < bound
        if sign != "=" and upward == (sign in (">", ">=")):
            # Both open to the same side: true if the bound given lies at or beyond the one asked for.
            return True if beyond or (value == bound and (sign in ("<=", ">=") or open_end)) else None
        return False if beyond or (value == bound and (sign in ("<", ">") or open_end)) else None

    def example(self) -> AnswerValue:
        """One answer of which the statement is true; for bounds the inner end, or one beyond an open one."""
        if self.truth is not None:
            return self.truth
        if self.choices:
            return self.choices[0]
        sign, bound = self.bounds[-1]
        return {"<=": bound, ">=": bound, "=": bound, ">": bound + 1.0, "<": bound - 1.0}[sign]


_COMPARE = {
    "<=": lambda value, bound: value <= bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    ">": lambda value, bound: value > bound,
    "=": lambda value, bound: value == bound,
}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# --- what is known -----------------------------------------------------------------------------------------------


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
class RedFlagRule:
    """A safety rule on findings alone.

    `when` is a nested mapping: ``{"finding": id, "is": test}``, ``{"age": test}``, ``{"all": [...]}`` or ``{"any": [...]}``.
    With ``"if_done": true`` beside a finding, no answer means it was not needed, rather than not screened.
    A `weak` rule (age, old cancer, steroids) raises at most ``urgent`` however it is combined.
    """

    id: str
    label: str
    category: str
    urgency: Urgency
    when: Mapping[str, object]
    message: str
    action: str
    weak: bool = False
    conditions: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    source_id: str = ""


@dataclass(frozen=True, slots=True)
class Qualifier:
    """When one answer says nothing: `value` of the finding does not count where what is known does not fulfil `needs`.

    "Not better" after two visits is no failed trial; where nothing the rule asks for was answered, the answer counts.
    `needs` is written as in `RedFlagRule.when`.
    """

    id: str
    finding_id: str
    value: str
    needs: Mapping[str, object]
    reason: str
    claims: tuple[str, ...] = ()
    source_id: str = ""


@dataclass(frozen=True, slots=True)
class Referral:
    """A coded next step. `applies_to` names a pattern, a condition or a red flag (``pattern:spine``, ``condition:aaa``,
    ``red-flag:cauda_equina``); `service` and `specialty` are concepts of the terminology."""

    id: str
    applies_to: tuple[str, ...]
    service: str
    specialty: str
    label: str
    reason: str
    urgency: Urgency | None = None  # None: the urgency of what it applies to
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Constant:
    """One number of the model that is not a rate of a finding: caps, weights, class masses."""

    id: str
    value: float
    low: float
    high: float
    source_kind: SourceKind
    note: str


@dataclass(frozen=True, slots=True)
class LevelShare:
    """P(spinal level | this condition alone): one row of the table of levels; `level` is ``L1``..``S1`` or ``none``.

    `part` says what a level of this condition is: a nerve root, or the segment that hurts, named by its upper vertebra.
    """

    row_id: str
    condition_id: str
    part: LevelPart
    level: str
    p: float
    p_low: float
    p_high: float
    source_id: str
    source_kind: SourceKind
    note: str = ""


@dataclass(frozen=True, slots=True)
class LevelRate:
    """P(finding present | this root or segment); a level without a row has the background rate of the finding.

    Findings of one `group` tell the level by the same means.
    """

    row_id: str
    finding_id: str
    group: str
    part: LevelPart
    level: str
    p: float
    p_low: float
    p_high: float
    quality: Literal["A", "B", "C", "D"]
    source_id: str
    source_kind: SourceKind
    note: str = ""


@dataclass(frozen=True, slots=True)
class StageRate:
    """One number of the staging of the combined pattern.

    With `given` (``hip-and-spine``, or ``spine`` for a spine without a hip condition) P(stage) before any answer; else
    P(level of the observable | stage).
    """

    row_id: str
    given: Literal["", "hip-and-spine", "spine"]
    observable_id: str
    level: str
    stage: int
    p: float
    p_low: float
    p_high: float
    quality: Literal["A", "B", "C", "D"]
    source_id: str
    source_kind: SourceKind
    note: str = ""


@dataclass(frozen=True, slots=True)
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

    def finding(self, finding_id: str) -> Finding:
        """KeyError if there is none of that id."""
        for finding in self.findings:
            if finding.id == finding_id:
                return finding
        raise KeyError(finding_id)

    def constant(self, constant_id: str) -> float:
        return self.constants[constant_id].value



# --- what was found ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """One known answer. `comparator` is set where only a bound of a quantity is known (``<38``)."""

    finding_id: str
    value: AnswerValue
    comparator: Comparator = ""
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One patient at one moment. A finding without an answer is unknown, which is not absent."""

    answers: tuple[Answer, ...] = ()
    age_years: float | None = None
    sex: Literal["female", "male"] | None = None
    side: Side | None = None
    asked_unknown: tuple[str, ...] = ()  # asked, and the answer was "unknown"; counts as no answer

    def value(self, finding_id: str) -> AnswerValue | None:
        return next((answer.value for answer in self.answers if answer.finding_id == finding_id), None)


# --- what follows ------------------------------------------------------------------------------------------------


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
class PlanRule:
    """One item a plan can hold: a row of the plan table.

    `applies_to` as in `Referral`, with ``stage:1`` .. ``stage:3`` and ``any``; `withheld_when` names red-flag categories,
    urgencies (``urgency:emergency``) and conditions under which it must not be given. `evidence` is a grade A-D or
    ``expert``; `thinner` says where the literature is thinner than what is commonly claimed. `service/engine/care.py`
    tells the words that both lists may hold. With `after_screening` an item is given only under the reserve that the open
    red-flag questions are answered; an `always` item is never left out for length; `replaces` names items it stands for.
    """

    id: str
    kind: PlanKind
    applies_to: tuple[str, ...]
    label: str
    text: str
    evidence: str
    source_id: str
    thinner: str = ""
    dosage: str = ""
    withheld_when: tuple[str, ...] = ()
    reassess_after_days: int | None = None
    visits: tuple[int, int] | None = None
    service: str = ""
    claims: tuple[str, ...] = ()
    after_screening: bool = False
    always: bool = False
    replaces: tuple[str, ...] = ()


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


Robustness = Literal["robust", "moderate", "fragile"]


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
    mass_of_three: float = 0.0      # posterior mass of the sets of three: the edge of "at most three at once"
