"""The six example requests of tests/data and the table README shows of their answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Resource = dict[str, Any]

# File -> what a reader is told of it: its form, and the story.
STORIES = {
    "hip.json": ("QuestionnaireResponse", "Groin pain, stiff and painful hip movement, osteoarthritis on the film"),
    "spine.json": ("QuestionnaireResponse", "Pain below the knee, femoral stretch positive, changes with spinal movement"),
    "both.json": ("Bundle", "Claudication with a matching lumbar MRI, and a hip with osteoarthritis on the film"),
    "sacroiliac.json": ("Parameters", "Buttock pain beside the midline, sacroiliac provocation tests positive"),
    "emergency.json": ("Bundle", "Saddle numbness, urinary retention, leg weakness that is getting worse"),
    "sparse.json": ("Observation", "Groin pain, one SNOMED CT Observation, nothing else"),
}


def example_table(answer_to: Callable[[str], Resource]) -> str:
    """The Markdown table; `answer_to` gives the RiskAssessment for a file name."""
    lines = [
        "| request | sent as | story | leading source pattern | status | urgency | red flags |",
        "|---|---|---|---|---|---|---:|",
    ]
    for name, (form, story) in STORIES.items():
        answer = answer_to(name)
        leading = answer["prediction"][0]
        outcome = next(item for item in leading["outcome"]["coding"] if item["system"].endswith("/source-pattern"))
        extensions = answer["extension"]
        urgency = next(item["valueCoding"]["code"] for item in extensions if item["url"].endswith("/urgency"))
        flags = sum(item["url"].endswith("/red-flag") for item in extensions)
        status = answer["status"]
        if any(item["url"].endswith("/undecided") for item in extensions):
            status += ", cannot tell yet"
        lines.append(
            f"| [`{name}`](tests/data/{name}) | {form} | {story} | {outcome['display']}, {leading['probabilityDecimal']:.2f} % "
            f"| {status} | {urgency} | {flags} |"
        )
    return "\n".join(lines)
