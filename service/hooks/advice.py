"""What there is to say: which cards a call deserves. Decides, and words nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from service.assessment.run import Result
from service.engine.model import Assessment, Recommendation, RedFlag
from service.hooks.kinds import Indicator
from service.hooks.orders import OrderRules, RecognisedOrder, Sign
from service.mapping.writers.care_plan import imaging_proposals
from service.records import dataclass

PRESSING = ("emergency", "urgent")
OTHER_SOURCES = {"hip": ("spine", "sij"), "spine": ("hip",)}  # patterns under which an order for the region fits badly


@dataclass(frozen=True, slots=True)
class OrderAdvice:
    """An order that fits the record badly: because another source leads, because of signs against the hip, or both.

    `fits`: the source it is aimed at is the likelier one all the same, so that the signs are told and nothing is advised
    against it.
    """

    order: RecognisedOrder
    leads: bool
    signs: tuple[Sign, ...]
    fits: bool
    offered: tuple[str, ...]  # referral ids
    recommended: str  # one of them, or empty


def raised(assessment: Assessment) -> Sequence[RedFlag]:
    return assessment.red_flags.raised


def pressing(assessment: Assessment) -> bool:
    """Whether an alarm sign calls for action within days or at once."""
    return any(flag.urgency in PRESSING for flag in raised(assessment))


def indicator_of(assessment: Assessment) -> Indicator:
    """How urgent a card of alarm signs is. Urgency comes from the rules alone, never from a probability."""
    return "critical" if pressing(assessment) else "warning"


def order_advice(result: Result, orders: Sequence[RecognisedOrder], rules: OrderRules) -> Iterator[OrderAdvice]:
    """Advice on the orders that fit badly; nothing on the others.

    Silent while an alarm sign presses: no order is talked down then. Silent on an order that the assessment itself proposes.
    """
    assessment = result.assessment
    if pressing(assessment) or any(reason.code == "no-findings" for reason in assessment.undecided):
        return
    proposed = {one.referral.service for one in (*assessment.recommendations, *imaging_proposals(assessment))}
    signs = tuple(sign for sign in rules.against_hip if _given(sign, result))
    for order in orders:
        if order.rule.services & proposed and not order.rule.needs_site:
            continue
        leads = _leads(assessment, order, rules)
        against = signs if order.rule.region == "hip" else ()
        fits = not leads and not _spine_as_likely(assessment)
        if leads or against:
            offered = _offers(assessment, order, leads=leads, signs=against)
            yield OrderAdvice(order, leads, against, fits, offered, offered[0] if offered and not fits else "")


def _leads(assessment: Assessment, order: RecognisedOrder, rules: OrderRules) -> bool:
    leader = assessment.patterns[0]
    return leader.target in OTHER_SOURCES[order.rule.region] and leader.probability >= rules.points_from


def _spine_as_likely(assessment: Assessment) -> bool:
    """Whether the spine takes part at least as likely as the hip is the source alone."""
    probability = {one.target: one.probability for one in assessment.patterns}
    return probability.get("spine", 0.0) + probability.get("hip-and-spine", 0.0) >= probability.get("hip", 0.0)


def _given(sign: Sign, result: Result) -> bool:
    return any(answer.finding_id == sign.finding_id and answer.value in sign.values for answer in result.reading.case.answers)


def _offers(
    assessment: Assessment, order: RecognisedOrder, *, leads: bool, signs: Sequence[Sign]
) -> tuple[str, ...]:
    """Referral ids to offer, the one to recommend first.

    The rule's alternatives (an image of the other region), and what the assessment would do first. An image is recommended
    where treatment of the hip has failed or its MRI was normal, for that is a reason to image; otherwise the referral is.
    """
    first: list[Recommendation] = list(assessment.recommendations[:1]) if leads else []
    instead = list(order.rule.instead)
    if assessment.patterns[0].target == "sij":
        instead = []
    chosen = [one.referral.id for one in first]
    return tuple(dict.fromkeys([*instead, *chosen] if signs else [*chosen, *instead]))
