"""Recommendations as draft ServiceRequests inside the RiskAssessment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from service.engine.model import Recommendation, Side, Urgency
from service.mapping.writers.extensions import clean, part
from service.mapping.writers.vocabulary import Vocabulary

Resource = dict[str, Any]
PRIORITY: dict[Urgency, str] = {"emergency": "stat", "urgent": "urgent", "soon": "routine", "routine": "routine"}


def service_request(
    recommendation: Recommendation,
    local_id: str,
    *,
    subject: dict[str, Any] | None,
    encounter: dict[str, Any] | None,
    side: Side | None,
    assessed_at: datetime,
    vocabulary: Vocabulary,
) -> Resource:
    """One contained draft: nothing is ordered until a clinician takes it up.

    Contained resources carry neither versions nor labels (dom-4, dom-5) and no contained ones of their own (dom-2);
    `supportingInfo` points back to the assessment, which also ties the draft to it (dom-3).
    """
    referral = recommendation.referral
    because = [vocabulary.reason(code) for code in recommendation.because]
    written = assessed_at.isoformat(timespec="seconds")
    request: Resource = {
        "resourceType": "ServiceRequest",
        "id": local_id,
        "extension": [part(vocabulary.structure("urgency"), "valueCoding", vocabulary.urgency(recommendation.urgency))],
        "status": "draft",
        "intent": "proposal",
        "category": [vocabulary.referral_category()],
        "priority": PRIORITY[recommendation.urgency],
        "code": vocabulary.service(referral),
    }
    if subject is not None:
        request["subject"] = dict(subject)
    if encounter is not None:
        request["encounter"] = dict(encounter)
    if recommendation.urgency == "soon":
        end = assessed_at + timedelta(days=vocabulary.soon_days)
        request["occurrencePeriod"] = {"start": written, "end": end.isoformat(timespec="seconds")}
    request |= {
        "authoredOn": written,
        "requester": {"reference": "#device"},
        "reasonCode": [
            {
                "coding": vocabulary.symptom(side),
                "text": clean(vocabulary.texts("request-reason", reason=referral.reason, because="; ".join(because))),
            }
        ],
        "supportingInfo": [{"reference": "#"}],
        "note": [{"text": vocabulary.texts("request-note")}],
    }
    site = vocabulary.terminology.outbound_body_site(referral.body_site, side) if referral.body_site and side else []
    if site:
        request["bodySite"] = [{"coding": site}]
    specialty = vocabulary.specialty(referral)
    if specialty is not None:
        request["performerType"] = specialty
    return request
