"""The model card as Markdown, as JSON and as a short section for the README."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from service.model_card.card import Attribute, Criterion, ModelCard

TEMPLATE = """\
# {title}

Written by `python -m service model-card --write docs/model-card.md`; do not edit by hand. The statements are in
`service/model_card/model_card.json`, the figures are those of the evaluation of {date} ([evaluation](evaluation.md)), version
{version}, knowledge `{knowledge}`. Paragraphs are those of 45 CFR 170.315(b)(11)(iv).

**{statement}**

What follows answers three lists. Each entry has a value, or says that there is none and why.

{status}

{which}

## Source attributes of evidence-based interventions, {evidence_rule}

{evidence_based}

## Source attributes of predictive interventions, {predictive_rule}

{predictive}

## AI Transparency on FHIR (HL7)

{transparency}

## The four criteria for decision support that is not a device (United States)

Federal Food, Drug, and Cosmetic Act, section 520(o)(1)(E). This is the developers' reading, not a determination of the FDA.

{criteria}
"""


def card_page(card: ModelCard) -> str:
    """The whole card as Markdown: the same card gives the same bytes."""
    return TEMPLATE.format(
        title=card.title,
        statement=card.statement,
        date=card.figures["date"],
        version=card.figures["version"],
        knowledge=card.figures["knowledge"],
        status=card.regulation["status"],
        which=card.regulation["which"],
        evidence_rule=card.regulation["evidence_based"],
        predictive_rule=card.regulation["predictive"],
        evidence_based=_table(card.evidence_based),
        predictive=_table(card.predictive),
        transparency=_table(card.transparency),
        criteria="\n".join(_criterion(criterion) for criterion in card.criteria),
    )


def card_summary(card: ModelCard) -> str:
    """The section of the README: what it is for, how it did, what nobody knows."""
    by_paragraph = {attribute.paragraph: attribute for attribute in card.predictive}
    wanted = (
        ("Intended use", "(B)(2)(i)"), ("For", "(B)(2)(ii)"), ("Not for", "(B)(3)(i)"), ("Measured", "(B)(7)(iii)"),
        ("Outcomes", "(B)(7)(v)"),
    )
    rows = [f"| {name} | {by_paragraph[paragraph].answer} |" for name, paragraph in wanted]
    known = sum(attribute.available for attribute in card.predictive)
    return "\n".join(
        [
            "| | |", "|---|---|", *rows, "",
            f"Of the {len(card.predictive)} source attributes of {card.regulation['predictive']} {known} have a value; for the "
            "others the card says why not. In full: [docs/model-card.md](docs/model-card.md), `python -m service model-card`, or "
            "`GET /fhir/DocumentReference/model-card`.",
        ]
    )


def card_json(card: ModelCard) -> dict[str, Any]:
    """The filled card as plain data."""
    return {
        "title": card.title,
        "statement": card.statement,
        "regulation": dict(card.regulation),
        "evidence_based": [_plain(attribute) for attribute in card.evidence_based],
        "predictive": [_plain(attribute) for attribute in card.predictive],
        "transparency": [_plain(attribute) for attribute in card.transparency],
        "fda": [
            {"criterion": item.number, "statute": item.statute, "requirement": item.requirement,
             "assessment": item.assessment, "open": item.open}
            for item in card.criteria
        ],
        "figures": dict(card.figures),
    }


def _plain(attribute: Attribute) -> dict[str, str]:
    kind = "value" if attribute.available else "not_available"
    place = {"paragraph": attribute.paragraph} if attribute.paragraph else {}
    return {**place, "attribute": attribute.name, kind: attribute.text}


def _table(attributes: Iterable[Attribute]) -> str:
    held = list(attributes)
    numbered = any(attribute.paragraph for attribute in held)
    lines = ["| paragraph | attribute | answer |", "|---|---|---|"] if numbered else ["| asked | answer |", "|---|---|"]
    for item in held:
        answer = item.answer if item.answer.endswith(".") else f"{item.answer}."
        cells = (item.paragraph, item.name, answer) if numbered else (item.name, answer)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def _criterion(criterion: Criterion) -> str:
    still = f" *Open*: {criterion.open}" if criterion.open else ""
    return f"{criterion.number}. **{criterion.requirement}** ({criterion.statute}) {criterion.assessment}{still}"
