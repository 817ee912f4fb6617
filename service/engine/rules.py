"""Rules on findings in three states: true, false, unknown.

Three-valued logic: "all" is false as soon as one part is false, "any" is true as soon as one part is true; what nobody
answered is unknown, never absent. Written as in `RedFlagRule.when`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from service.engine.ages import years_of
from service.engine.model import Answer, AnswerValue, Case, Test
from service.engine.network import AGE_FINDING, SEX_FINDING
from service.records import dataclass

OLDEST_YEARS = 130  # of a band without an end


@dataclass(frozen=True, slots=True)
class Truth:
    """State of one rule; the findings that made it true, and those whose answer is missing.

    `answered` is False where it is false only because something that is not owed was not done.
    """

    state: bool | None
    because: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """What a rule may ask of a case."""

    answers: Mapping[str, Answer]
    age_years: float | None
    sex: str | None

    @classmethod
    def of(cls, case: Case) -> Facts:
        return cls({answer.finding_id: answer for answer in case.answers}, case.age_years, case.sex)

    def value(self, finding_id: str) -> AnswerValue | None:
        answer = self.answers.get(finding_id)
        return None if answer is None else answer.value


def evaluate(expression: Mapping[str, object], facts: Facts) -> Truth:
    """Whether a rule is true of a case, and on what answers."""
    if "all" in expression or "any" in expression:
        return _combine(expression, facts)
    if "age" in expression:
        return _age(statement_of(str(expression["age"])), facts)
    if "sex" in expression:
        sex = facts.sex or facts.value(SEX_FINDING)
        return Truth(None, missing=(SEX_FINDING,)) if sex is None else Truth(sex == expression["sex"])
    finding_id = str(expression["finding"])
    answer = facts.answers.get(finding_id)
    if answer is None:
        # An examination that is only done on suspicion (internal, or with a scanner) raises a flag but is not owed.
        return Truth(False, answered=False) if expression.get("if_done") else Truth(None, missing=(finding_id,))
    holds = statement_of(str(expression["is"])).decides(answer.value, answer.comparator)
    if holds is None:  # only a bound is known, and the threshold lies inside what it allows
        return Truth(None, missing=(finding_id,))
    return Truth(holds, because=(finding_id,) if holds else ())


@cache
def statement_of(text: str) -> Test:
    """The statement a rule makes, read once."""
    return Test.parse(text)


def _age(test: Test, facts: Facts) -> Truth:
    """An age in years decides; a band decides if the rule says the same of its first and its last year."""
    band = facts.value(AGE_FINDING)
    if facts.age_years is not None:
        ends = {test.holds(facts.age_years)}
    elif isinstance(band, str):
        first, last = years_of(band)
        ends = {test.holds(float(first)), test.holds(float(OLDEST_YEARS if last is None else last))}
    else:
        return Truth(None, missing=(AGE_FINDING,))
    return Truth(ends.pop()) if len(ends) == 1 else Truth(None, missing=(AGE_FINDING,))


def _combine(expression: Mapping[str, object], facts: Facts) -> Truth:
    """``all`` and ``any`` are each other's mirror: the deciding state is False for one and True for the other."""
    deciding = "any" in expression
    parts = expression["any" if deciding else "all"]
    if not isinstance(parts, list | tuple):
        raise TypeError("a rule needs a list under 'all' or 'any'")
    truths = [evaluate(part, facts) for part in parts]
    states = [truth.state for truth in truths]
    if deciding in states or None not in states:
        if deciding is (deciding in states):  # an "any" that is decided, an "all" that is not
            return Truth(True, tuple(dict.fromkeys(finding for truth in truths if truth.state for finding in truth.because)))
        return Truth(False, answered=any(truth.answered for truth in truths if truth.state is False))
    return Truth(None, missing=tuple([finding for truth in truths if truth.state is None for finding in truth.missing]))


def findings_of(expression: Mapping[str, object]) -> Iterator[str]:
    """Ids of the findings a rule asks for."""
    for part in (*_parts(expression, "all"), *_parts(expression, "any")):
        yield from findings_of(part)
    if "finding" in expression:
        yield str(expression["finding"])


def _parts(expression: Mapping[str, object], key: str) -> tuple[Mapping[str, object], ...]:
    parts = expression.get(key, ())
    return tuple(parts) if isinstance(parts, list | tuple) else ()
