"""A hand-made knowledge base, small enough to check by hand: five conditions, eight findings."""

from __future__ import annotations

from service.engine.model import (
    Citation,
    Condition,
    Constant,
    Estimate,
    Finding,
    Group,
    KnowledgeBase,
    Level,
    Likelihood,
    Observable,
    Region,
    Test,
)

CONSTANTS = {
    "class_mass_empty": (0.05, 0.02, 0.1),
    "class_mass_hip_and_spine": (0.06, 0.02, 0.15),
    "class_mass_combination": (0.04, 0.01, 0.1),
    "lr_pos_cap": (8.0, 8.0, 8.0),
    "lr_neg_cap": (0.15, 0.15, 0.15),
    "lr_pos_cap_definite": (12.0, 12.0, 12.0),
    "lr_neg_cap_definite": (0.1, 0.1, 0.1),
    "lr_only_max_rate": (0.95, 0.95, 0.95),
    "weight_quality_A": (0.9, 0.9, 0.9),
    "weight_quality_B": (0.75, 0.75, 0.75),
    "weight_quality_C": (0.5, 0.5, 0.5),
    "weight_quality_D": (0.6, 0.6, 0.6),
    "weight_confidence_low": (0.8, 0.8, 0.8),
    "weight_healthy": (0.5, 0.5, 0.5),
    "dependence_shrink": (0.3, 0.3, 0.3),
    "interval_z": (1.6449, 1.6449, 1.6449),
    "log_sd_quality_A": (0.15, 0.1, 0.2),
    "log_sd_quality_B": (0.25, 0.2, 0.4),
    "log_sd_quality_C": (0.4, 0.3, 0.6),
    "log_sd_quality_D": (0.4, 0.3, 0.6),
}


def condition(id: str, region: Region, prevalence: float) -> Condition:
    return Condition(id, id, region, "routine", prevalence, prevalence / 2, prevalence * 2, "judgement", "expert")


def binary(finding_id: str, present: float) -> Observable:
    return Observable(
        finding_id,
        finding_id,
        (
            Level("present", Test.parse("true"), present, present / 2, min(0.95, present * 1.6)),
            Level("absent", Test.parse("false"), 1 - present, 1 - min(0.95, present * 1.6), 1 - present / 2),
        ),
        "expert",
    )


def row(
    row_id: str,
    finding_id: str,
    target: str,
    *,
    when: str = "true",
    when_not: str = "false",
    sensitivity: float | None = None,
    lr_pos: float | None = None,
    lr_neg: float | None = None,
    quality: str = "B",
    confidence: str = "high",
    comparator_id: str = "",
    comparator_kind: str = "patients",
) -> Likelihood:
    def estimate(value: float | None) -> Estimate | None:
        return Estimate(value) if value is not None else None

    return Likelihood(
        row_id, finding_id, finding_id, target, "input", "", Test.parse(when), Test.parse(when_not), "others",
        comparator_kind, comparator_id, estimate(sensitivity), None, estimate(lr_pos), estimate(lr_neg),  # type: ignore[arg-type]
        quality, confidence, "judgement", "expert",  # type: ignore[arg-type]
    )


def small_knowledge(*rows: Likelihood) -> KnowledgeBase:
    """The knowledge base with exactly these likelihood rows."""
    findings = [
        Finding(id, id, "history", "boolean", group, 1, "patient")
        for id, group in (
            ("groin", "place"), ("buttock", "place"), ("slr", "tension"), ("thrust", "sij"), ("gaenslen", "sij"),
            ("press", "sij"), ("numb", "neuro"),
        )
    ]
    findings.append(
        Finding("rotation", "rotation", "rom", "quantity", "hip-rom", 2, "examiner", unit="deg", minimum=0.0, maximum=90.0)
    )
    findings.append(Finding("count", "count", "exam-test", "quantity", "sij", 3, "examiner", minimum=0.0, maximum=3.0))
    observables = [
        binary(id, p)
        for id, p in (("groin", 0.28), ("buttock", 0.5), ("slr", 0.18), ("thrust", 0.3), ("gaenslen", 0.3), ("press", 0.3),
                      ("numb", 0.06))
    ]
    observables.append(
        Observable(
            "rotation",
            "rotation",
            tuple(
                Level(id, Test.parse(when), p, p * 0.6, p * 1.4)
                for id, when, p in (("tight", "<=15", 0.2), ("middle", ">15 <=25", 0.2), ("free", ">25", 0.6))
            ),
            "expert",
        )
    )
    observables.append(
        Observable(
            "count",
            "count",
            tuple(
                Level(id, Test.parse(id), p, p * 0.6, p * 1.4)
                for id, p in (("=0", 0.45), ("=1", 0.2), ("=2", 0.15), (">=3", 0.2))
            ),
            "expert",
        )
    )
    return KnowledgeBase(
        version="small",
        conditions=(
            condition("disc", "spine", 0.2),
            condition("stenosis", "spine", 0.1),
            condition("hip_oa", "hip", 0.3),
            condition("sij_pain", "sij", 0.1),
            condition("tumour", "serious", 0.01),
            condition("hip_spine_syndrome", "both", 0.06),
            condition("other_unclassified", "other", 0.05),
        ),
        groups=(
            Group("group:spine", "spine", ("disc", "stenosis", "hip_spine_syndrome")),
            Group("group:any", "any", ("disc", "stenosis", "hip_oa", "sij_pain")),
        ),
        findings=tuple(findings),
        observables=tuple(observables),
        likelihoods=rows,
        red_flags=(),
        referrals=(),
        citations={"judgement": Citation("judgement", "Judgement")},
        constants={id: Constant(id, *values, "expert", "") for id, values in CONSTANTS.items()},
        clusters={"count": ("thrust", "gaenslen", "press")},
    )
