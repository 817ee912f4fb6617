"""Which items of the plan table a case calls for, and which are withheld and why. Pure; referrals are `plan.py`.

Words of `PlanRule.applies_to`: ``any``, ``pattern:...``, ``condition:...``, ``stage:n`` of the combined pattern,
``red-flag:...`` (raised), ``finding:id statement``.

Words of `PlanRule.withheld_when`: ``flag:any`` and ``flag:emergency`` (a raised red flag, of any urgency or of that one),
``red-flag:...``, ``category:...`` of a raised red flag, ``urgency:emergency`` of the whole case, ``condition:...`` that carries
weight, ``finding:id statement``.

Beside that an item is withheld by every raised flag whose threat does not permit its safety classes (`safety.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from service.engine.model import (
    PLAN_KINDS,
    Answer,
    Case,
    CombinedPattern,
    KnowledgeBase,
    PlanItem,
    PlanRule,
    Prediction,
    RedFlagScreen,
    Urgency,
)
from service.engine.safety import against, is_child, state
from service.records import dataclass

# How near a reason is to this patient: an answer or a stage, a condition, a pattern, anybody.
_SPECIFIC = {"finding": 0, "red-flag": 0, "stage": 0, "condition": 1, "pattern": 2, "any": 3}


@dataclass(frozen=True, slots=True)
class _Match:
    """A rule that applies: its place in the table, why, and how near and how probable the best reason is."""

    place: int
    rule: PlanRule
    because: tuple[str, ...]
    rank: tuple[int, float, int]


def care_plan(
    knowledge: KnowledgeBase,
    case: Case,
    screen: RedFlagScreen,
    patterns: Sequence[Prediction],
    conditions: Sequence[Prediction],
    combined: CombinedPattern | None,
    urgency: Urgency,
) -> tuple[PlanItem, ...]:
    """The plan of one case, by kind and within a kind the most specific first; withheld items stand in it with their reasons.

    `patterns` and `conditions` in descending order; both empty where no answer stands behind them, since a prior is no reason
    to treat: then only what an answer or a red flag calls for is given, and what holds for anybody. There is no plan for a
    child: the tables describe adults.
    """
    if not knowledge.plan_rules or is_child(case):
        return ()
    answers = {answer.finding_id: answer for answer in case.answers}
    reasons = _reasons(knowledge, screen, patterns, conditions, combined)
    holding = _holding(knowledge, screen, conditions, urgency)
    chosen = _chosen(knowledge, _matches(knowledge.plan_rules, reasons, answers))
    return tuple(_item(match, holding, answers, screen, knowledge) for match in chosen)


# --- which items apply ---------------------------------------------------------------------------------------------------


def _reasons(
    knowledge: KnowledgeBase,
    screen: RedFlagScreen,
    patterns: Sequence[Prediction],
    conditions: Sequence[Prediction],
    combined: CombinedPattern | None,
) -> dict[str, float]:
    """What may call for an item, each with its probability: how much it counts among others of its sort."""
    found = {"any": 0.0} | {f"red-flag:{flag.rule.id}": 1.0 for flag in screen.raised}
    from_probability = knowledge.constant("plan_pattern_from")
    found |= {
        f"pattern:{one.target}": one.probability
        for place, one in enumerate(patterns)
        if place == 0 or one.probability >= from_probability
    }
    found |= {f"condition:{one.target}": one.probability for one in _carrying_weight(knowledge, conditions)}
    if combined is not None:
        stage, probability = combined.stages[0]
        found[f"stage:{stage}"] = probability
    return found


def _carrying_weight(knowledge: KnowledgeBase, conditions: Iterable[Prediction]) -> list[Prediction]:
    """The conditions from the probability on that calls for a referral: a lower one for those that are dangerous."""
    dangerous = {one.id for one in knowledge.conditions if one.urgency in ("emergency", "urgent")}
    usual, lower = knowledge.constant("referral_from"), knowledge.constant("referral_dangerous_from")
    return [one for one in conditions if one.probability >= (lower if one.target in dangerous else usual)]


def _matches(rules: Sequence[PlanRule], reasons: Mapping[str, float], answers: Mapping[str, Answer]) -> list[_Match]:
    """Every rule that applies, the most specific first."""
    found = []
    for place, rule in enumerate(rules):
        because = tuple(
            word for word in rule.applies_to
            if (state(word, answers) is True if word.startswith("finding:") else word in reasons)
        )  # fmt: skip
        if because:
            nearest = min((_SPECIFIC[word.partition(":")[0]], -reasons.get(word, 1.0)) for word in because)
            found.append(_Match(place, rule, because, (*nearest, place)))
    return sorted(found, key=lambda match: match.rank)


def _chosen(knowledge: KnowledgeBase, matches: Sequence[_Match]) -> list[_Match]:
    """At most as many as a plan holds, in the order of the kinds.

    The best of each kind have a place; the others compete for what is left, the most specific first.
    """
    most, per_kind = int(knowledge.constant("plan_items_most")), int(knowledge.constant("plan_items_per_kind"))
    replaced = {other for match in matches for other in match.rule.replaces}
    by_kind: dict[str, list[_Match]] = {kind: [] for kind in PLAN_KINDS}
    matches = [match for match in matches if match.rule.id not in replaced]
    for match in matches:
        by_kind[match.rule.kind].append(match)
    first = [found[0] for found in by_kind.values() if found]
    first += [match for match in matches if match.rule.always and match not in first]
    rest = sorted((match for found in by_kind.values() for match in found[1:per_kind]), key=lambda match: match.rank)
    kept = [*first, *(match for match in rest if match not in first)][:most]
    return sorted(kept, key=lambda match: (PLAN_KINDS.index(match.rule.kind), match.rank))


# --- what is withheld ----------------------------------------------------------------------------------------------------


def _holding(
    knowledge: KnowledgeBase, screen: RedFlagScreen, conditions: Sequence[Prediction], urgency: Urgency
) -> dict[str, tuple[str, ...]]:
    """Everything that may withhold an item here -> the reasons to show for it."""
    found: dict[str, tuple[str, ...]] = {f"condition:{one.target}": (f"condition:{one.target}",)
                                         for one in _carrying_weight(knowledge, conditions)}  # fmt: skip
    if urgency == "emergency":
        found["urgency:emergency"] = ("urgency:emergency",)
    for flag in screen.raised:
        reason = f"red-flag:{flag.rule.id}"
        words = [reason, "flag:any", f"category:{flag.rule.category}"]
        if flag.urgency == "emergency":
            words.append("flag:emergency")
        for word in words:
            found[word] = (*found.get(word, ()), reason)
    return found


def _item(
    match: _Match,
    holding: Mapping[str, tuple[str, ...]],
    answers: Mapping[str, Answer],
    screen: RedFlagScreen,
    knowledge: KnowledgeBase,
) -> PlanItem:
    """The item given, given under reserve, or withheld."""
    rule = match.rule
    because = tuple(_shown(word) for word in match.because)
    withheld = list(against(rule.safety, screen, knowledge))
    unasked: list[str] = []
    for word in rule.withheld_when:
        if word.startswith("finding:"):
            holds = state(word, answers)
            if holds:
                withheld.append(_shown(word))
            elif holds is None:
                unasked.append(_shown(word))
        else:
            withheld += holding.get(word, ())
    if withheld:
        return PlanItem(rule, because, tuple(dict.fromkeys(withheld)))
    if not rule.after_screening:
        return PlanItem(rule, because)
    unasked = [f"red-flag:{one.id}" for one in screen.not_screened] + unasked
    return PlanItem(rule, because, open_screening=tuple(dict.fromkeys(unasked)))


def _shown(word: str) -> str:
    """The word without its statement: the reason as it is told."""
    return word.partition(" ")[0]
