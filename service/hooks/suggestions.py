"""What a clinician may take up with one click: draft ServiceRequests to add, to change or to remove."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from service.assessment.run import Result
from service.engine.model import Recommendation
from service.fhir import r4
from service.hooks.orders import RecognisedOrder
from service.mapping.writers.risk_assessment import MADE_BY_MACHINE
from service.mapping.writers.service_request import service_request
from service.mapping.writers.vocabulary import Vocabulary
from service.records import dataclass

Resource = dict[str, Any]
Suggestion = dict[str, Any]
Action = dict[str, Any]

MOST = 3  # suggestions on one card
SHORT = 100  # characters of a label


@dataclass(frozen=True, slots=True)
class Drafts:
    """Maker of the suggestions of one card. Their uuids come from `space`: the same advice has the same uuids."""

    space: uuid.UUID
    result: Result
    vocabulary: Vocabulary
    assessed_at: datetime

    def to_add(self, recommendations: Sequence[Recommendation]) -> list[Suggestion]:
        """One suggestion per referral of the assessment, each to be added on its own."""
        texts = self.vocabulary.texts
        return [
            self._suggestion(
                texts("card-suggest-add", label=one.referral.label), f"add:{one.referral.id}", [self._create(one)]
            )
            for one in _once(recommendations)[:MOST]
        ]

    def instead_of(
        self, order: RecognisedOrder, offered: Sequence[Recommendation], *, recommended: str, keep: bool
    ) -> list[Suggestion]:
        """One suggestion per alternative: remove the order (not if `keep`), add the alternative.

        `recommended` is a referral id, or empty.
        """
        texts = self.vocabulary.texts
        suggestions = []
        for one in _once(offered)[:MOST]:
            removal = [] if keep else self._delete(order)
            key = "card-suggest-replace" if removal else "card-suggest-add"
            suggestion = self._suggestion(
                texts(key, label=one.referral.label), f"instead:{one.referral.id}", [*removal, self._create(one)]
            )
            if one.referral.id == recommended:
                suggestion["isRecommended"] = True
            suggestions.append(suggestion)
        return suggestions

    def aimed_at(self, order: RecognisedOrder, site: str) -> list[Suggestion]:
        """The order itself, pointed to another body site; nothing if the client's draft cannot be sent back as valid FHIR."""
        if order.reference is None:
            return []
        texts, terminology = self.vocabulary.texts, self.vocabulary.terminology
        concept: Resource = {"text": texts("card-site-lumbar-spine")}
        codings = terminology.outbound_body_site(site)
        changed = {**order.draft, "bodySite": [{"coding": codings, **concept} if codings else concept]}
        changed["note"] = [*order.draft.get("note", ()), {"text": texts("card-note-aimed")}]
        if changed.get("status") != "draft" or r4.check(changed).faults:
            return []
        action = {"type": "update", "description": texts("card-action-aim"), "resource": changed}
        return [self._suggestion(texts("card-suggest-aim"), f"aim:{site}", [action])]

    # --- parts -------------------------------------------------------------------------------------------------------

    def _suggestion(self, label: str, name: str, actions: list[Action]) -> Suggestion:
        return {"label": label[:SHORT], "uuid": str(uuid.uuid5(self.space, name)), "actions": actions}

    def _create(self, recommendation: Recommendation) -> Action:
        referral = recommendation.referral
        description = self.vocabulary.texts("card-action-add", label=referral.label, reason=referral.reason)
        return {"type": "create", "description": description, "resource": self.draft(recommendation)}

    def _delete(self, order: RecognisedOrder) -> list[Action]:
        if order.reference is None or not order.may_be_removed:
            return []
        texts = self.vocabulary.texts
        description = texts("card-action-remove", order=texts(f"order-{order.rule.id}"))
        return [{"type": "delete", "description": description, "resourceId": order.reference}]

    def draft(self, recommendation: Recommendation) -> Resource:
        """A draft that stands on its own: what ties a contained one to its assessment is left out."""
        reading = self.result.reading
        request = service_request(
            recommendation,
            "draft",
            subject=reading.subject,
            encounter=reading.encounter,
            side=reading.case.side,
            assessed_at=self.assessed_at,
            vocabulary=self.vocabulary,
        )
        tied = ("resourceType", "id", "meta", "requester", "supportingInfo")
        return {
            "resourceType": "ServiceRequest",
            "meta": {"security": [dict(MADE_BY_MACHINE)]},
            **{name: value for name, value in request.items() if name not in tied},
        }


def _once(recommendations: Sequence[Recommendation]) -> list[Recommendation]:
    """Each service once, the first of them."""
    found: dict[tuple[str, str], Recommendation] = {}
    for one in recommendations:
        found.setdefault((one.referral.service, one.referral.specialty), one)
    return list(found.values())
