"""What can be subscribed to: our topics, and searches in the manner of R4.

A topic is chosen by its canonical address and narrowed by filters, as the Subscriptions R5 Backport describes it for R4.
Source: http://hl7.org/fhir/uv/subscriptions-backport
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from service.records import dataclass

Resource = dict[str, Any]

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
FILTER = f"{BACKPORT}/backport-filter-criteria"
CONTENT = f"{BACKPORT}/backport-payload-content"
HEARTBEAT = f"{BACKPORT}/backport-heartbeat-period"
TIMEOUT = f"{BACKPORT}/backport-timeout"
TOPIC_OF_SERVER = f"{BACKPORT}/capabilitystatement-subscriptiontopic-canonical"
CONTENTS = ("empty", "id-only", "full-resource")


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `extension` is an extension of ours that the resource must carry, empty: none."""

    id: str
    title: str
    description: str
    resource_type: str
    filters: tuple[str, ...]
    extension: str = ""

    def canonical(self, base_url: str) -> str:
        return f"{base_url}/SubscriptionTopic/{self.id}"

    def covers(self, resource: Mapping[str, Any], base_url: str) -> bool:
        """Whether a resource that was created or updated is an event of the topic."""
        if resource.get("resourceType") != self.resource_type:
            return False
        wanted = f"{base_url}/StructureDefinition/{self.extension}"
        return not self.extension or any(one.get("url") == wanted for one in resource.get("extension", ()))


_OF_ASSESSMENTS = ("patient", "subject", "encounter", "risk", "probability", "date", "identifier", "method", "condition")
TOPICS = (
    Topic(
        "risk-assessment",
        "An assessment was stored",
        "A RiskAssessment was created or updated.",
        "RiskAssessment",
        _OF_ASSESSMENTS,
    ),
    Topic(
        "red-flag",
        "An assessment raised a red flag",
        "A RiskAssessment was created or updated that says of a finding that it may be an emergency or needs attention soon.",
        "RiskAssessment",
        _OF_ASSESSMENTS,
        extension="red-flag",
    ),
    Topic(
        "questionnaire-response",
        "A form was stored",
        "A QuestionnaireResponse was created or updated.",
        "QuestionnaireResponse",
        ("patient", "subject", "encounter", "status", "questionnaire", "authored"),
    ),
)


def topic_of(canonical: str, base_url: str) -> Topic | None:
    """The topic of a canonical address, perhaps with a version; None if it is none of ours."""
    address = canonical.partition("|")[0]
    return next((topic for topic in TOPICS if topic.canonical(base_url) == address), None)


def topics_parameters(base_url: str, topics: Iterable[Topic] = TOPICS) -> Resource:
    """The topics as Parameters: one entry each."""
    return {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "topic",
                "part": [
                    {"name": "url", "valueCanonical": topic.canonical(base_url)},
                    {"name": "title", "valueString": topic.title},
                    {"name": "description", "valueString": topic.description},
                    {"name": "resource", "valueCode": topic.resource_type},
                    *({"name": "filter", "valueString": name} for name in topic.filters),
                    *({"name": "content", "valueCode": name} for name in CONTENTS),
                ],
            }
            for topic in topics
        ],
    }


def extension_value(element: Mapping[str, Any], url: str) -> Any:
    """The value of the first extension of that address, None without one."""
    values = (
        value
        for extension in element.get("extension", ())
        if extension.get("url") == url
        for name, value in extension.items()
        if name.startswith("value")
    )
    return next(values, None)
