"""The words of one language beside its sentences: choices, displays of our own codes, and the texts of the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from service.engine.model import Assessment, KnowledgeBase
from service.records import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """What choices of the tables and codes of our own code systems are called; what is not listed keeps its English name."""

    choices: Mapping[str, str] = field(default_factory=dict)
    displays: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def in_words_of(assessment: Assessment, knowledge: KnowledgeBase) -> Assessment:
    """The same assessment with the red flags, referrals and plan items worded as in `knowledge`; ids tell which is which."""
    rules = {rule.id: rule for rule in knowledge.red_flags}
    referrals = {referral.id: referral for referral in knowledge.referrals}
    plans = {rule.id: rule for rule in knowledge.plan_rules}
    screen = assessment.red_flags
    return replace(
        assessment,
        red_flags=replace(
            screen,
            raised=tuple(replace(flag, rule=rules[flag.rule.id]) for flag in screen.raised),
            absent=tuple(rules[rule.id] for rule in screen.absent),
            not_screened=tuple(rules[rule.id] for rule in screen.not_screened),
        ),
        recommendations=tuple(replace(item, referral=referrals[item.referral.id]) for item in assessment.recommendations),
        plan=tuple(replace(item, rule=plans[item.rule.id]) for item in assessment.plan),
    )
