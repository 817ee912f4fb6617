"""A Questionnaire turned into what reading a response needs: its items by linkId, each with the finding it asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from service.records import dataclass

Coding = dict[str, Any]

_MINIMUM = "http://hl7.org/fhir/StructureDefinition/minValue"
_MAXIMUM = "http://hl7.org/fhir/StructureDefinition/maxValue"

# The value elements an item type takes. An integer is a decimal too; which values an open choice takes is its own affair.
ANSWER_ELEMENTS: Mapping[str, tuple[str, ...]] = {
    "boolean": ("valueBoolean",),
    "decimal": ("valueDecimal", "valueInteger"),
    "integer": ("valueInteger",),
    "date": ("valueDate",),
    "dateTime": ("valueDateTime",),
    "time": ("valueTime",),
    "string": ("valueString",),
    "text": ("valueString",),
    "url": ("valueUri",),
    "choice": ("valueCoding",),
    "open-choice": ("valueCoding", "valueString"),
    "attachment": ("valueAttachment",),
    "reference": ("valueReference",),
    "quantity": ("valueQuantity",),
}


@dataclass(frozen=True, slots=True)
class FormItem:
    """One item of a form. `ancestors` are the linkIds above it, outermost first; `finding_id` is empty if it asks for none."""

    link_id: str
    type: str
    required: bool
    repeats: bool
    options: tuple[Coding, ...]
    enable_when: tuple[dict[str, Any], ...]
    enable_behavior: str
    ancestors: tuple[str, ...]
    descendants: tuple[str, ...]
    finding_id: str
    minimum: float | None
    maximum: float | None

    @property
    def is_question(self) -> bool:
        return self.type not in ("group", "display")


@dataclass(frozen=True, slots=True)
class Form:
    """A form as a mapping. `ours` is false for a form another service made, whose answers are taken as far as they map."""

    items: Mapping[str, FormItem]
    ours: bool


def form_from(questionnaire: Mapping[str, Any], finding_of: Callable[[Mapping[str, Any]], str], *, ours: bool) -> Form:
    """The form a Questionnaire describes; `finding_of` gives the finding an item of it asks for, or an empty text."""
    items: dict[str, FormItem] = {}

    def add(item: Mapping[str, Any], ancestors: tuple[str, ...]) -> tuple[str, ...]:
        link_id = str(item["linkId"])
        below: list[str] = []
        for child in item.get("item", ()):
            below += [str(child["linkId"]), *add(child, (*ancestors, link_id))]
        items[link_id] = FormItem(
            link_id=link_id,
            type=str(item.get("type", "")),
            required=bool(item.get("required", False)),
            repeats=bool(item.get("repeats", False)),
            options=tuple(option["valueCoding"] for option in item.get("answerOption", ()) if "valueCoding" in option),
            enable_when=tuple(item.get("enableWhen", ())),
            enable_behavior=str(item.get("enableBehavior", "any")),
            ancestors=ancestors,
            descendants=tuple(below),
            finding_id=finding_of(item),
            minimum=_bound(item, _MINIMUM),
            maximum=_bound(item, _MAXIMUM),
        )
        return tuple(below)

    for item in questionnaire.get("item", ()):
        add(item, ())
    return Form(items, ours)


def _bound(item: Mapping[str, Any], url: str) -> float | None:
    extension: Mapping[str, Any] = next((one for one in item.get("extension", ()) if one.get("url") == url), {})
    value = next((value for key, value in extension.items() if key in ("valueInteger", "valueDecimal")), None)
    return None if value is None else float(value)
