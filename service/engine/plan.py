"""Which referrals a result calls for, and how urgent each is."""

from __future__ import annotations

from collections.abc import Sequence

from service.engine.model import (
    URGENCY_ORDER,
    KnowledgeBase,
    Prediction,
    Recommendation,
    RedFlagScreen,
    Referral,
    Urgency,
)


def recommend(
    knowledge: KnowledgeBase, screen: RedFlagScreen, patterns: Sequence[Prediction], conditions: Sequence[Prediction]
) -> tuple[Recommendation, ...]:
    """Referrals for every raised red flag, the leading pattern and the conditions that carry weight, most urgent first.

    A condition calls for its own referral from a probability of the tables on, a dangerous one (urgent or emergency) from a
    lower one. Each referral appears once, with the most urgent of the reasons for it. In an emergency nothing is proposed
    that can wait: it would only stand in the way.
    """
    regions = {condition.id: condition for condition in knowledge.conditions}
    calls: list[tuple[str, Urgency]] = [(f"red-flag:{flag.rule.id}", flag.urgency) for flag in screen.raised]
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
    chosen: dict[str, tuple[Referral, Urgency, list[str]]] = {}
    for reason, urgency in calls:
        for referral in knowledge.referrals:
            if reason not in referral.applies_to:
                continue
            needed = referral.urgency or urgency
            _, known, reasons = chosen.get(referral.id, (referral, needed, []))
            chosen[referral.id] = (referral, most_urgent((known, needed)), [*reasons, reason])
    ordered = sorted(chosen.values(), key=lambda item: URGENCY_ORDER.index(item[1]))
    if any(flag.urgency == "emergency" for flag in screen.raised):
        ordered = [item for item in ordered if item[1] in ("emergency", "urgent")]
    return tuple(Recommendation(referral, urgency, tuple(reasons)) for referral, urgency, reasons in ordered)


def most_urgent(urgencies: Sequence[Urgency]) -> Urgency:
    """The most urgent of several; ``routine`` if there are none."""
    return min(urgencies, key=URGENCY_ORDER.index, default="routine")


def overall_urgency(screen: RedFlagScreen, recommendations: Sequence[Recommendation]) -> Urgency:
    """Urgency of the case: that of its most urgent red flag or recommendation."""
    return most_urgent([*(flag.urgency for flag in screen.raised), *(item.urgency for item in recommendations)])
