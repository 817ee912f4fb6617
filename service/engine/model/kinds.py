"""Closed sets of words: kinds of source, regions and patterns, urgencies, levels, stages, kinds of plan item."""

from __future__ import annotations

from typing import Literal

SourceKind = Literal["seen", "recalled", "expert"]
Region = Literal["spine", "hip", "sij", "peripheral-nerve", "pelvis", "serious", "both", "other"]
Urgency = Literal["emergency", "urgent", "soon", "routine"]
AnswerType = Literal["boolean", "choice", "quantity"]
Side = Literal["left", "right", "bilateral"]
Role = Literal["input", "check", "unusable"]
LevelPart = Literal["root", "segment"]
UndecidedCode = Literal[
    "no-findings", "low-coverage", "leading-below-half", "narrow-lead", "little-information", "under-18",
    "alarm-not-explained",
]
Robustness = Literal["robust", "moderate", "fragile"]
URGENCY_ORDER: tuple[Urgency, ...] = ("emergency", "urgent", "soon", "routine")
PATTERNS: tuple[str, ...] = (
    "spine", "hip", "sij", "hip-and-spine", "other-combination", "peripheral-nerve", "pelvis", "serious", "none-identified",
)
SPINAL_LEVELS: tuple[str, ...] = ("L1", "L2", "L3", "L4", "L5", "S1")
NO_LEVEL = "none"
STAGES: tuple[int, ...] = (1, 2, 3)
PlanKind = Literal[
    "imaging", "first-line", "further", "exercise", "existing-exercise", "self-care", "advice", "prevention",
    "natural-history", "expected-response",
]
PLAN_KINDS: tuple[PlanKind, ...] = (
    "imaging", "first-line", "further", "exercise", "existing-exercise", "self-care", "advice", "prevention",
    "natural-history", "expected-response",
)
# What an item of the plan or a referral does to the patient: a threat permits some of it (`Threat`). `protects` spares the part,
# `specialist` and `diagnoses` look for the threat itself; the rest treats, images or explains what is taken for benign.
SafetyClass = Literal[
    "protects", "specialist", "diagnoses", "images", "medicates", "lifestyle", "psychological", "loads", "injects", "operates",
    "manipulates", "reassures", "course", "response",
]
SAFETY_CLASSES: tuple[SafetyClass, ...] = (
    "protects", "specialist", "diagnoses", "images", "medicates", "lifestyle", "psychological", "loads", "injects", "operates",
    "manipulates", "reassures", "course", "response",
)
