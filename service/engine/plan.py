"""Which referrals a result calls for, and how urgent each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from service.engine.model import (
    URGENCY_ORDER,
    Answer,
    Case,
    KnowledgeBase,
    Prediction,
    Recommendation,
    RedFlagScreen,
    Referral,
    Urgency,
)
from service.engine.safety import against, is_child, state


def recommend(
    knowledge: KnowledgeBase,
    case: Case,
    screen: RedFlagScreen,
    patterns: Sequence[Prediction],
    conditions: Sequence[Prediction],
) -> tuple[Recommendation, ...]:
    """Referrals for every raised red flag, the leading pattern and the conditions that carry weight, most urgent first.

    A condition calls for its own referral from a probability of the tables on, a dangerous one (urgent or emergency) from a
    lower one. Each service and each specialty appears once, with the most urgent of the reasons for it. In an emergency
    nothing is proposed that can wait: it would only stand in the way. What a raised flag does not permit is left out, and so
    is an image that is the answer just given. For a child only the flags count, and a paediatrician is called for.
    """
    calls = _calls(knowledge, case, screen, patterns, conditions)
    answers = {answer.finding_id: answer for answer in case.answers}
    chosen: dict[str, tuple[Referral, Urgency, list[str]]] = {}
    for reason, urgency in calls:
        for referral in knowledge.referrals:
            if reason not in referral.applies_to or not fits(referral, answers):
                continue
            if against(referral.safety, screen, knowledge):
                continue
            needed = referral.urgency or urgency
            _, known, reasons = chosen.get(referral.id, (referral, needed, []))
            chosen[referral.id] = (referral, most_urgent((known, needed)), [*reasons, reason])
    ordered = sorted(chosen.values(), key=lambda item: URGENCY_ORDER.index(item[1]))
    if any(flag.urgency == "emergency" for flag in screen.raised):
        ordered = [item for item in ordered if item[1] in ("emergency", "urgent")]
    places = {referral.id: place for place, referral in enumerate(knowledge.referrals)}
    return _once([Recommendation(referral, urgency, tuple(reasons)) for referral, urgency, reasons in ordered], places)


def fits(referral: Referral, answers: Mapping[str, Answer]) -> bool:
    """Whether these answers leave a referral its point: `only_when` and `unless` of its row."""
    if referral.only_when and not any(state(word, answers) for word in referral.only_when):
        return False
    return not any(state(word, answers) for word in referral.unless)


def _once(recommendations: Sequence[Recommendation], places: Mapping[str, int]) -> tuple[Recommendation, ...]:
    """Of several for one specialty or service the most urgent, of equals the first of the table, with the reasons of all.

    Two that disagree help nobody. `recommendations` come by urgency.
    """
    found: dict[str, Recommendation] = {}
    for one in recommendations:
        place = one.referral.specialty or one.referral.service
        kept = found.get(place, one)
        because = tuple(dict.fromkeys((*kept.because, *one.because)))
        if one.urgency == kept.urgency and places[one.referral.id] < places[kept.referral.id]:
            kept = one
        found[place] = replace(kept, because=because)
    return tuple(found.values())


def _calls(
    knowledge: KnowledgeBase,
    case: Case,
    screen: RedFlagScreen,
    patterns: Sequence[Prediction],
    conditions: Sequence[Prediction],
) -> list[tuple[str, Urgency]]:
    """What calls for a referral, and how urgently."""
    regions = {condition.id: condition for condition in knowledge.conditions}
    calls: list[tuple[str, Urgency]] = [(f"red-flag:{flag.rule.id}", flag.urgency) for flag in screen.raised]
    if is_child(case):
        return [*calls, ("undecided:under-18", "urgent")]
    if patterns:
        calls.append((f"pattern:{patterns[0].target}", "routine"))
    from_probability = {
        urgency: knowledge.constant("referral_dangerous_from" if urgency in ("emergency", "urgent") else "referral_from")
        for urgency in URGENCY_ORDER
    }
    for prediction in conditions:
        condition = regions[prediction.target]
        if prediction.probability >= from_probability[condition.urgency]:
            calls.append((f"condition:{condition.id}", condition.urgency))
    return calls


def most_urgent(urgencies: Sequence[Urgency]) -> Urgency:
    """The most urgent of several; ``routine`` if there are none."""
    return min(urgencies, key=URGENCY_ORDER.index, default="routine")


def overall_urgency(screen: RedFlagScreen, recommendations: Sequence[Recommendation]) -> Urgency:
    """Urgency of the case: that of its most urgent red flag or recommendation."""
    return most_urgent([*(flag.urgency for flag in screen.raised), *(item.urgency for item in recommendations)])
