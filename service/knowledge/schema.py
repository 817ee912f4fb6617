"""One marshmallow schema per table. Unknown columns are errors; an empty cell is unknown, never zero.

The schemas look at one row at a time: shape, type, range. What concerns several rows or tables is `lint.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields

from service.engine.model import URGENCY_ORDER, Test

REGIONS = ("spine", "hip", "sij", "peripheral-nerve", "pelvis", "serious", "both", "other")
SOURCE_KINDS = ("seen", "recalled", "expert")
ROLES = ("input", "check", "unusable")
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


# --- cells -------------------------------------------------------------------------------------------------------


class Text(fields.Field[str]):
    """A cell of text; `empty` says whether it may be blank."""

    def __init__(self, *, empty: bool = False) -> None:
        super().__init__(required=True)
        self.empty = empty

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        if value != value.strip():
            raise ValidationError("must not begin or end with a space")
        if not value and not self.empty:
            raise ValidationError("must not be empty")
        return value


class Word(fields.Field[str]):
    """A cell that holds one of a few words."""

    def __init__(self, *words: str) -> None:
        super().__init__(required=True)
        self.words = frozenset(words)
        self.listed = ", ".join(word or "(empty)" for word in words)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if value not in self.words:
            raise ValidationError(f"must be one of {self.listed}")
        return str(value)


class YesNo(fields.Field[bool]):
    """``yes`` or ``no``."""

    def __init__(self) -> None:
        super().__init__(required=True)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if value not in ("yes", "no"):
            raise ValidationError("must be yes or no")
        return bool(value == "yes")


class Number(fields.Field[float | None]):
    """A number between two bounds, or None for an empty cell where `empty` allows it."""

    def __init__(self, least: float, most: float, *, empty: bool = False) -> None:
        super().__init__(required=True)
        self.least, self.most, self.empty = least, most, empty

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float | None:
        if value == "":
            if self.empty:
                return None
            raise ValidationError("must not be empty")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValidationError("must be a number") from None
        if not self.least <= number <= self.most:
            raise ValidationError(f"must lie between {self.least:g} and {self.most:g}")
        return number


class Items(fields.Field[tuple[str, ...]]):
    """A cell with several values, parted by `separator`."""

    def __init__(self, separator: str = ";", *, empty: bool = True) -> None:
        super().__init__(required=True)
        self.separator, self.empty = separator, empty

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        items = tuple(value) if isinstance(value, list) else tuple(value.split(self.separator)) if value else ()
        if not items and not self.empty:
            raise ValidationError("must not be empty")
        if not all(isinstance(item, str) and item and item == item.strip() for item in items):
            raise ValidationError("holds an empty value or a stray space")
        if len(set(items)) != len(items):
            raise ValidationError("names a value twice")
        return items


class Statement(fields.Field[Test | None]):
    """A statement about one answer, or None for an empty cell where `empty` allows it."""

    def __init__(self, *, empty: bool = False) -> None:
        super().__init__(required=True)
        self.empty = empty

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Test | None:
        if value == "" and self.empty:
            return None
        try:
            return Test.parse(value)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class Expression(fields.Field[Mapping[str, Any]]):
    """A nested rule: finding and test, age and test, sex, or ``all`` / ``any`` of a list of rules."""

    def __init__(self) -> None:
        super().__init__(required=True)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Mapping[str, Any]:
        self._look(value)
        return dict(value)

    def _look(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise ValidationError("a rule must be an object")
        keys = frozenset(value)
        if keys in (frozenset({"all"}), frozenset({"any"})):
            (parts,) = value.values()
            if not isinstance(parts, list) or not parts:
                raise ValidationError("all and any need a list with at least one rule")
            for part in parts:
                self._look(part)
        elif keys == frozenset({"finding", "is"}):
            self._parse(value["is"])
        elif keys == frozenset({"age"}):
            self._parse(value["age"])
        elif keys == frozenset({"sex"}):
            if value["sex"] not in ("female", "male"):
                raise ValidationError("sex must be female or male")
        else:
            raise ValidationError(f"not a rule: {', '.join(sorted(keys)) or 'empty object'}")

    @staticmethod
    def _parse(text: Any) -> None:
        try:
            Test.parse(str(text))
        except ValueError as error:
            raise ValidationError(str(error)) from None


def share(*, empty: bool = False) -> Number:
    """A fraction 0..1."""
    return Number(0.0, 1.0, empty=empty)


def ratio() -> Number:
    """A likelihood ratio as printed; 0 stands for a zero cell."""
    return Number(0.0, 1000.0, empty=True)


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
    text = Text()
    note = Text(empty=True)


class RedFlagSchema(TableSchema):
    id = Text()
    label = Text()
    category = Text()
    urgency = Word(*URGENCY_ORDER)
    weak = fields.Boolean(required=True)
    when = Expression()
    message = Text()
    action = Text()
    conditions = Items()
    claims = Items()
    source_id = Text()


class ReferralSchema(TableSchema):
    id = Text()
    applies_to = Items(empty=False)
    service = Text()
    specialty = Text(empty=True)
    label = Text()
    reason = Text()
    urgency = fields.String(required=True, allow_none=True)
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
}
