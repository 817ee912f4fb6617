"""What a raised red flag forbids of everything else: items and referrals by their class, examinations by their kind, and the day.

Each flag names a threat and each threat the classes it permits (`Threat`); a flag whose threat no table knows permits nothing
but what looks for it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from service.engine.ages import ADULT_AGE_YEARS
from service.engine.model import (
    Answer,
    Case,
    Finding,
    KnowledgeBase,
    PlanItem,
    Prediction,
    RedFlag,
    RedFlagScreen,
    SafetyClass,
    Test,
    Threat,
)

UNKNOWN = Threat("", ("protects", "specialist", "diagnoses"))


def is_child(case: Case) -> bool:
    """Whether the tables, which describe adults, say nothing of this person."""
    return case.age_years is not None and case.age_years < ADULT_AGE_YEARS


def against(classes: Sequence[SafetyClass], screen: RedFlagScreen, knowledge: KnowledgeBase) -> tuple[str, ...]:
    """The raised flags, as ``red-flag:id``, that do not permit something of these classes; empty if all do."""
    own = set(classes)
    return tuple(
        f"red-flag:{flag.rule.id}"
        for flag in screen.raised
        if not own <= set(knowledge.threats.get(flag.rule.threat, UNKNOWN).permits)
    )


def not_examined(screen: RedFlagScreen, knowledge: KnowledgeBase) -> frozenset[str]:
    """Kinds and ids of findings that are not proposed as the next examination while these flags are up."""
    return frozenset(
        word for flag in screen.raised for word in knowledge.threats.get(flag.rule.threat, UNKNOWN).not_examined
    )


def may_be_examined(finding: Finding, forbidden: frozenset[str]) -> bool:
    return finding.id not in forbidden and finding.kind not in forbidden


def reassess_after_days(screen: RedFlagScreen, plan: Sequence[PlanItem], knowledge: KnowledgeBase) -> int | None:
    """Days until the next assessment: by the most urgent flag or the earliest given item, whichever comes first.

    None in an emergency, which is not dated, and where nothing names a day.
    """
    if any(flag.urgency == "emergency" for flag in screen.raised):
        return None
    days = [item.rule.reassess_after_days for item in plan if not item.withheld and item.rule.reassess_after_days is not None]
    for flag in screen.raised:
        if flag.urgency == "urgent":
            days.append(int(knowledge.constant("urgent_within_days")))
        elif flag.urgency == "soon":
            days.append(int(knowledge.constant("soon_within_days")))
    return min(days, default=None)


def not_explained(knowledge: KnowledgeBase, conditions: Sequence[Prediction], flags: RedFlagScreen) -> tuple[RedFlag, ...]:
    """Raised flags that are urgent while the conditions they name are, all together, held for less likely than not.

    The flag counts; the figures, which cap every single sign, do not answer it.
    """
    probability = {one.target: one.probability for one in conditions}
    return tuple(
        flag
        for flag in flags.raised
        if flag.urgency in ("emergency", "urgent")
        and sum(probability.get(name, 0.0) for name in flag.rule.conditions) < knowledge.constant("undecided_leading_below")
    )


# --- statements about findings -----------------------------------------------------------------------------------------


def state(word: str, answers: Mapping[str, Answer]) -> bool | None:
    """Whether the statement of ``finding:id statement`` is true, false, or left open."""
    finding_id, test = statement(word)
    answer = answers.get(finding_id)
    return None if answer is None else test.decides(answer.value, answer.comparator)


@cache
def statement(word: str) -> tuple[str, Test]:
    """Finding and statement of a word, read once: the tables have a few dozen of them."""
    finding_id, _, text = word.removeprefix("finding:").partition(" ")
    return finding_id, Test.parse(text)
