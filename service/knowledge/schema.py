"""One marshmallow schema per table. Unknown columns are errors; an empty cell is unknown, never zero.

The schemas look at one row at a time: shape, type, range. What concerns several rows or tables is `lint.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import RAISE, Schema, fields

from service.engine.model import NO_LEVEL, PLAN_KINDS, SAFETY_CLASSES, SPINAL_LEVELS, URGENCY_ORDER
from service.knowledge.cells import Expression, Items, Number, Statement, Text, Word, YesNo, ratio, share
from service.records import dataclass

REGIONS = ("spine", "hip", "sij", "peripheral-nerve", "pelvis", "serious", "both", "other")
SOURCE_KINDS = ("seen", "recalled", "expert")
ROLES = ("input", "check", "unusable")
LEVEL_PARTS = ("root", "segment")
EVIDENCE_GRADES = ("A", "B", "C", "D", "expert")
CLAIM_STATES = ("represented", "later")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tables:
    """Every table after its schema: rows in file order."""

    conditions: tuple[Row, ...]
    groups: tuple[Row, ...]
    findings: tuple[Row, ...]
    background_rates: tuple[Row, ...]
    likelihoods: tuple[Row, ...]
    sources: tuple[Row, ...]
    model: tuple[Row, ...]
    controversies: tuple[Row, ...]
    claims: tuple[Row, ...]
    red_flags: tuple[Row, ...]
    plans: tuple[Row, ...]
    levels: tuple[Row, ...]
    level_findings: tuple[Row, ...]
    stages: tuple[Row, ...]
    incompatible: tuple[Row, ...]
    plan_rules: tuple[Row, ...]
    qualifiers: tuple[Row, ...]
    clusters: tuple[Row, ...]
    threats: tuple[Row, ...]


# --- tables ------------------------------------------------------------------------------------------------------


class TableSchema(Schema):
    """Base: an unknown column is an error. `key` names a row in error messages."""

    key = "id"

    class Meta:
        unknown = RAISE


class ConditionSchema(TableSchema):
    id = Text()
    label = Text()
    region = Word(*REGIONS)
    urgency = Word(*URGENCY_ORDER)
    prevalence = share()
    prevalence_low = share()
    prevalence_high = share()
    source_id = Text()
    source_kind = Word(*SOURCE_KINDS)
    anchor_where_seen = Text(empty=True)
    note = Text(empty=True)


class GroupSchema(TableSchema):
    id = Text()
    label = Text()
    members = Items(empty=False)


class FindingSchema(TableSchema):
    id = Text()
    label = Text()
    kind = Text()
    answer_type = Word("boolean", "choice", "quantity")
    choices = Items("|")
    unit = Text(empty=True)
    minimum = Number(-1e6, 1e6, empty=True)
    maximum = Number(-1e6, 1e6, empty=True)
    how_elicited = Text(empty=True)
    dependency_group = Text()
    self_reportable = YesNo()
    burden = Number(1, 5)
    answerable_by = Word("patient", "examiner", "record")
    definite = YesNo()
    parts = Items()
    present_when = Statement(empty=True)
    valid_days = Number(1, 36_500, empty=True)
    lifelong = YesNo()


class IncompatibleSchema(TableSchema):
    key = "finding_id"

    finding_id = Text()
    when = Statement()
    other_id = Text()
    other_when = Statement()


class BackgroundRateSchema(TableSchema):
    key = "finding_id"

    finding_id = Text()
    observable_id = Text()
    level = Text()
    when = Statement()
    p_low = share()
    p = share()
    p_high = share()
    source_kind = Word(*SOURCE_KINDS)
    note = Text(empty=True)


class LikelihoodSchema(TableSchema):
    key = "row_id"

    row_id = Text()
    finding_id = Text()
    observable_id = Text()
    target_id = Text()
    role = Word(*ROLES)
    decision = Text(empty=True)
    level = Text(empty=True)
    when = Statement(empty=True)
    when_not = Statement(empty=True)
    comparator = Text(empty=True)
    comparator_kind = Word("patients", "condition", "healthy", "none")
    comparator_id = Text(empty=True)
    sensitivity = share(empty=True)
    sens_low = share(empty=True)
    sens_high = share(empty=True)
    specificity = share(empty=True)
    spec_low = share(empty=True)
    spec_high = share(empty=True)
    lr_pos = ratio()
    lr_pos_low = ratio()
    lr_pos_high = ratio()
    lr_neg = ratio()
    lr_neg_low = ratio()
    lr_neg_high = ratio()
    lr_basis = Text()
    population = Text(empty=True)
    source_id = Text()
    source_detail = Text(empty=True)
    source_kind = Word(*SOURCE_KINDS)
    where_seen = Text(empty=True)
    confidence = Word("high", "moderate", "low")
    quality = Word("A", "B", "C", "D")
    note = Text(empty=True)


class ClusterSchema(TableSchema):
    key = "row_id"

    row_id = Text()
    cluster_id = Text()
    label = Text()
    items = Items(empty=False)
    target_id = Text()
    when = Statement()
    comparator = Text()
    comparator_kind = Word("patients", "condition", "healthy", "none")
    comparator_id = Text(empty=True)
    sensitivity = share(empty=True)
    specificity = share(empty=True)
    lr_pos = ratio()
    lr_pos_low = ratio()
    lr_pos_high = ratio()
    lr_neg = ratio()
    lr_neg_low = ratio()
    lr_neg_high = ratio()
    population = Text()
    source_id = Text()
    source_kind = Word("seen", "recalled")  # what nobody published is no published cluster
    confidence = Word("high", "moderate", "low")
    quality = Word("A", "B", "C", "D")
    note = Text()


class SourceSchema(TableSchema):
    id = Text()
    text = Text()
    authors = Text(empty=True)
    year = Number(1900, 2100, empty=True)
    title = Text(empty=True)
    journal = Text(empty=True)
    doi = Text(empty=True)
    pmid = Text(empty=True)


class ConstantSchema(TableSchema):
    id = Text()
    value = Number(-1e6, 1e6)
    low = Number(-1e6, 1e6)
    high = Number(-1e6, 1e6)
    source_kind = Word(*SOURCE_KINDS)
    note = Text()


class ControversySchema(TableSchema):
    key = "finding_id"

    finding_id = Text()
    text = Text()
    claims = Items()
    source_ids = Items(empty=False)


class ClaimSchema(TableSchema):
    key = "claim_id"

    claim_id = Text()
    kind = Text()
    status = Word(*CLAIM_STATES)
    findings = Items()
    conditions = Items()
    rules = Items()
    rows = Items()
    plan_items = Items()
    tests = Items()
    text = Text()
    note = Text(empty=True)


class RedFlagSchema(TableSchema):
    id = Text()
    label = Text()
    category = Text()
    urgency = Word(*URGENCY_ORDER)
    threat = Text()
    weak = fields.Boolean(required=True)
    when = Expression()
    message = Text()
    action = Text()
    conditions = Items()
    claims = Items()
    source_id = Text()


class ThreatSchema(TableSchema):
    id = Text()
    permits = Items("|", among=SAFETY_CLASSES, empty=False)
    not_examined = Items("|")
    source_id = Text()
    note = Text()


class QualifierSchema(TableSchema):
    id = Text()
    finding_id = Text()
    value = Text()
    needs = Expression()
    reason = Text()
    claims = Items()
    source_id = Text()


class ReferralSchema(TableSchema):
    id = Text()
    applies_to = Items(empty=False)
    only_when = Items()
    unless = Items()
    service = Text()
    specialty = Text(empty=True)
    body_site = Text(empty=True)
    label = Text()
    reason = Text()
    urgency = fields.String(required=True, allow_none=True)
    safety = Items(among=SAFETY_CLASSES, empty=False)
    source_id = Text()
    claims = Items()


class LevelShareSchema(TableSchema):
    key = "row_id"

    row_id = Text()
    condition_id = Text()
    part = Word(*LEVEL_PARTS)
    level = Word(*SPINAL_LEVELS, NO_LEVEL)
    p_low = share()
    p = share()
    p_high = share()
    source_id = Text()
    source_kind = Word(*SOURCE_KINDS)
    note = Text()


class LevelRateSchema(TableSchema):
    key = "row_id"

    row_id = Text()
    finding_id = Text()
    group = Text()
    part = Word(*LEVEL_PARTS)
    level = Word(*SPINAL_LEVELS)
    p_low = share()
    p = share()
    p_high = share()
    quality = Word("A", "B", "C", "D")
    source_id = Text()
    source_kind = Word(*SOURCE_KINDS)
    note = Text()


class StageRateSchema(TableSchema):
    key = "row_id"

    row_id = Text()
    given = Word("", "hip-and-spine", "spine")
    observable_id = Text(empty=True)
    level = Text(empty=True)
    stage = Number(1, 3)
    p_low = share()
    p = share()
    p_high = share()
    quality = Word("A", "B", "C", "D")
    source_id = Text()
    source_kind = Word(*SOURCE_KINDS)
    note = Text()


class PlanRuleSchema(TableSchema):
    id = Text()
    kind = Word(*PLAN_KINDS)
    applies_to = Items(empty=False)
    label = Text()
    text = Text()
    evidence = Word(*EVIDENCE_GRADES)
    source_id = Text()
    thinner = Text(empty=True)
    dosage = Text(empty=True)
    safety = Items(among=SAFETY_CLASSES, empty=False)
    withheld_when = Items(empty=False)
    after_screening = fields.Boolean(required=True)
    always = fields.Boolean(required=True)
    replaces = Items()
    reassess_after_days = fields.Integer(required=True, allow_none=True, strict=True)
    visits = fields.Tuple((fields.Integer(strict=True), fields.Integer(strict=True)), required=True, allow_none=True)
    service = Text(empty=True)
    claims = Items()


SCHEMAS: Mapping[str, type[TableSchema]] = {
    "conditions.csv": ConditionSchema,
    "groups.csv": GroupSchema,
    "findings.csv": FindingSchema,
    "background_rates.csv": BackgroundRateSchema,
    "likelihoods.csv": LikelihoodSchema,
    "sources.csv": SourceSchema,
    "model.csv": ConstantSchema,
    "controversies.csv": ControversySchema,
    "claims.csv": ClaimSchema,
    "red_flags.json": RedFlagSchema,
    "plans.json": ReferralSchema,
    "levels.csv": LevelShareSchema,
    "level_findings.csv": LevelRateSchema,
    "stages.csv": StageRateSchema,
    "incompatible.csv": IncompatibleSchema,
    "plan_rules.json": PlanRuleSchema,
    "qualifiers.json": QualifierSchema,
    "clusters.csv": ClusterSchema,
    "threats.csv": ThreatSchema,
}
