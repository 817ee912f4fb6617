"""The plan as a CarePlan and as draft requests for images, both inside the RiskAssessment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from service.engine.model import Assessment, PlanItem, Recommendation, Referral
from service.mapping.reading import Reading
from service.mapping.writers.extensions import clean, nested, part
from service.mapping.writers.plan import described, given, reasons, reassess_on, withheld
from service.mapping.writers.vocabulary import Vocabulary

Resource = dict[str, Any]

# Which request resource an activity would become; what is said rather than ordered is a communication.
ACTIVITY_KIND = {
    "first-line": "ServiceRequest",
    "further": "ServiceRequest",
    "exercise": "ServiceRequest",
    "imaging": "CommunicationRequest",
    "existing-exercise": "CommunicationRequest",
    "self-care": "CommunicationRequest",
    "advice": "CommunicationRequest",
    "prevention": "CommunicationRequest",
    "natural-history": "CommunicationRequest",
    "expected-response": "Appointment",
}


def imaging_proposals(assessment: Assessment) -> list[Recommendation]:
    """The images the plan proposes beside the referrals, as recommendations; none that a referral asks for already."""
    asked = {recommendation.referral.service for recommendation in assessment.recommendations}
    found: dict[str, Recommendation] = {}
    for item in given(assessment):
        rule = item.rule
        if rule.kind == "imaging" and rule.service and rule.service not in asked:
            referral = Referral(rule.id, rule.applies_to, rule.service, "", rule.label, rule.text, "routine", rule.claims)
            found.setdefault(rule.service, Recommendation(referral, "routine", item.because))
    return list(found.values())


def care_plan(
    assessment: Assessment, reading: Reading, *, requests: Sequence[Resource], assessed_at: datetime, vocabulary: Vocabulary
) -> Resource:
    """A contained CarePlan: a draft that names the requests beside it and describes every other item.

    What is withheld stands in it as an activity that must not be performed, with the reason. `supportingInfo` points back to
    the assessment, which ties the contained plan to it (dom-3).
    """
    texts = vocabulary.texts
    written = assessed_at.isoformat(timespec="seconds")
    days = [item.rule.reassess_after_days for item in given(assessment) if item.rule.reassess_after_days is not None]
    period = {"start": written}
    if days or assessment.reassess_after_days is not None:
        length = max(days, default=assessment.reassess_after_days or 0)
        period["end"] = (assessed_at + timedelta(days=length)).isoformat(timespec="seconds")
    requested = {recommendation.referral.id for recommendation in imaging_proposals(assessment)}
    plan: Resource = {
        "resourceType": "CarePlan",
        "id": "care-plan",
        "status": "draft",
        "intent": "proposal",
        "title": texts("care-plan-title"),
        "description": texts("plan-provisional") if assessment.undecided else texts("care-plan-description"),
        "subject": dict(reading.subject),
    }
    if reading.encounter is not None:
        plan["encounter"] = dict(reading.encounter)
    activities = [
        *({"reference": {"reference": f"#{request['id']}"}} for request in requests),
        *({"detail": _detail(item, assessed_at, vocabulary)} for item in given(assessment) if item.rule.id not in requested),
        *({"detail": _not_now(item, vocabulary)} for item in withheld(assessment)),
    ]
    plan |= {
        "period": period,
        "created": written,
        "author": {"reference": "#device"},
        "supportingInfo": [{"reference": "#"}],
    }
    if activities:
        plan["activity"] = activities
    plan["note"] = [{"text": texts("care-plan-note")}, {"text": texts("intended-use")}]
    return plan


def _detail(item: PlanItem, assessed_at: datetime, vocabulary: Vocabulary) -> Resource:
    rule = item.rule
    detail: Resource = {
        "extension": [
            nested(
                vocabulary.structure("plan-evidence"),
                part("grade", "valueCoding", vocabulary.coding("evidence-grade", rule.evidence)),
                part("citation", "valueRelatedArtifact", vocabulary.citation(rule.source_id)),
            )
        ],
        **_named(item, vocabulary),
        "reasonCode": [{"text": reason} for reason in reasons(item.because, vocabulary)],
        "status": "not-started",
        "doNotPerform": False,
    }
    reassess = reassess_on(item, assessed_at)
    if reassess is not None:
        detail["scheduledPeriod"] = {"start": assessed_at.date().isoformat(), "end": reassess.isoformat()}
    elif rule.dosage:
        detail["scheduledString"] = clean(rule.dosage)
    detail["description"] = described(item, vocabulary)
    return detail


def _not_now(item: PlanItem, vocabulary: Vocabulary) -> Resource:
    why = "; ".join(reasons(item.withheld, vocabulary))
    return {
        **_named(item, vocabulary),
        "status": "not-started",
        "statusReason": {"text": why},
        "doNotPerform": True,
        "description": clean(vocabulary.texts("plan-withheld", items=item.rule.label, reasons=why)),
    }


def _named(item: PlanItem, vocabulary: Vocabulary) -> Resource:
    """Kind and code of an activity: our own coding of the item, then those of the service it stands for."""
    codings = [vocabulary.coding("plan-item", item.rule.id)]
    if item.rule.service:
        codings += vocabulary.terminology.outbound_service(item.rule.service)
    return {"kind": ACTIVITY_KIND[item.rule.kind], "code": {"coding": codings, "text": clean(item.rule.label)}}
