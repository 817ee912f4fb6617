"""The model card: one file of statements, filled with the figures of the last evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from service.errors import Fault, KnowledgeBaseError
from service.records import dataclass

FOLDER = Path(__file__).parent
NOT_AVAILABLE = "not available: "
FILLED = ("value", "not_available")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing a reader is entitled to know. `paragraph` is its place in the rule, or empty; `text` its answer."""

    paragraph: str
    name: str
    text: str
    available: bool

    @property
    def answer(self) -> str:
        return self.text if self.available else NOT_AVAILABLE + self.text


@dataclass(frozen=True, slots=True)
class Criterion:
    """One of the four criteria for software that is not a device, and what can be said about it."""

    number: str
    statute: str
    requirement: str
    assessment: str
    open: str


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The whole card. `figures` are those of the evaluation it was filled with; `fhir` its codes and addresses there."""

    title: str
    statement: str
    regulation: Mapping[str, str]
    evidence_based: tuple[Attribute, ...]
    predictive: tuple[Attribute, ...]
    transparency: tuple[Attribute, ...]
    criteria: tuple[Criterion, ...]
    figures: Mapping[str, Any]
    fhir: Mapping[str, Any]


class AnswerSchema(Schema):
    """An answer: a value, or why there is none; never both and never neither."""

    class Meta:
        unknown = RAISE

    value = fields.String(validate=validate.Length(min=1))
    not_available = fields.String(validate=validate.Length(min=1))

    @validates_schema
    def exactly_one(self, data: Mapping[str, Any], **_: Any) -> None:
        if sum(name in data for name in FILLED) != 1:
            raise ValidationError("needs either a value or why it is not available")


class AttributeSchema(AnswerSchema):
    paragraph = fields.String(required=True, validate=validate.Length(min=1))
    attribute = fields.String(required=True, validate=validate.Length(min=1))


class PointSchema(AnswerSchema):
    point = fields.String(required=True, validate=validate.Length(min=1))


class CriterionSchema(Schema):
    class Meta:
        unknown = RAISE

    criterion = fields.String(required=True)
    statute = fields.String(required=True)
    requirement = fields.String(required=True)
    assessment = fields.String(required=True)
    open = fields.String(required=True)


class CardSchema(Schema):
    class Meta:
        unknown = RAISE

    title = fields.String(required=True)
    statement = fields.String(required=True)
    regulation = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    evidence_based = fields.List(fields.Nested(AttributeSchema), required=True)
    predictive = fields.List(fields.Nested(AttributeSchema), required=True)
    transparency = fields.List(fields.Nested(PointSchema), required=True)
    fda = fields.List(fields.Nested(CriterionSchema), required=True)
    fhir = fields.Dict(required=True)


def load_card(folder: Path = FOLDER) -> ModelCard:
    """The card with the figures of the last evaluation; KnowledgeBaseError if a statement is incomplete or has no figure."""
    raw = json.loads((folder / "model_card.json").read_text(encoding="utf-8"))
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    try:
        data = CardSchema().load(raw)
    except ValidationError as error:
        raise KnowledgeBaseError(Fault("structure", f"{error.normalized_messages()}", "model_card.json")) from error
    return ModelCard(
        title=data["title"],
        statement=data["statement"],
        regulation=data["regulation"],
        evidence_based=tuple(_attribute(row, row["paragraph"], row["attribute"], figures) for row in data["evidence_based"]),
        predictive=tuple(_attribute(row, row["paragraph"], row["attribute"], figures) for row in data["predictive"]),
        transparency=tuple(_attribute(row, "", row["point"], figures) for row in data["transparency"]),
        criteria=tuple(
            Criterion(row["criterion"], row["statute"], row["requirement"], row["assessment"], row["open"])
            for row in data["fda"]
        ),
        figures=figures,
        fhir=data["fhir"],
    )


def _attribute(row: Mapping[str, str], paragraph: str, name: str, figures: Mapping[str, Any]) -> Attribute:
    available = "value" in row
    text = row["value"] if available else row["not_available"]
    try:
        filled = text.format_map(figures)
    except KeyError as error:
        raise KnowledgeBaseError(Fault("not-found", f"no figure called {error}", f"model_card.json {paragraph}")) from error
    return Attribute(paragraph, name, filled, available)


def card_figures(evaluation: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    """The few figures the card shows, from those of an evaluation. `counts` says how much the tables hold."""
    cases, clusters = evaluation["vignettes"], evaluation["clusters"]
    populations, simulation = evaluation["populations"], evaluation["simulation"]
    groups = {group["name"]: group for group in cases["groups"]}
    everyone, rich = groups["all"], groups["rich and moderate"]
    serious = groups.get("label `serious`", {"n": 0, "strict": 0})
    named = cases["conditions"][0]
    return {
        "date": evaluation["date"],
        "version": evaluation["version"],
        "knowledge": evaluation["knowledge"],
        **counts,
        "cases": everyone["n"],
        "strict": everyone["strict"],
        "strict_percent": _percent(everyone["strict"], everyone["n"]),
        "lenient": everyone["lenient"],
        "lenient_percent": _percent(everyone["lenient"], everyone["n"]),
        "rich": rich["n"],
        "rich_lenient": rich["lenient"],
        "rich_lenient_percent": _percent(rich["lenient"], rich["n"]),
        "confidently_wrong": everyone["confidently_wrong"],
        "dangerous": everyone["dangerous"],
        "under_triaged": everyone["under_triaged"],
        "routine": everyone["routine"],
        "over_triaged": everyone["over_triaged"],
        "serious": serious["n"],
        "serious_strict": serious["strict"],
        "named": named["n"],
        "top_1": named["top_1"],
        "top_3": named["top_3"],
        "clusters_counted": clusters["bar"]["of"],
        "clusters_reproduced": clusters["bar"]["count"],
        "shares_compared": populations["compared"],
        "shares_agree": populations["agree"],
        "patients": simulation["patients"],
        "simulated_right": round(100 * simulation["leading_right"], 1),
        "simulated_said": round(100 * simulation["leading_said"], 1),
    }


def _percent(count: int, total: int) -> int:
    return round(100 * count / total) if total else 0
