"""A Questionnaire turned into what reading a response needs: its items by linkId, each with the finding it asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
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


@dataclass(frozen=True)
class Form:
    """A form as a mapping. `ours` is false for a form another service made, whose answers are taken as far as they map."""

    items: Mapping[str, FormItem]
    ours: bool

    @cached_property
    def always_enabled(self) -> frozenset[str]:
        """The linkIds of the items that are enabled whatever is answered: neither they nor an item above them has a condition."""
        conditional = {link_id for link_id, item in self.items.items() if item.enable_when}
        return frozenset(
            link_id for link_id, item in self.items.items() if conditional.isdisjoint((link_id, *item.ancestors))
        )

    @cached_property
    def sometimes_enabled(self) -> tuple[str, ...]:
        """The linkIds of the other items, in order."""
        return tuple(link_id for link_id in self.items if link_id not in self.always_enabled)

    @cached_property
    def required(self) -> tuple[FormItem, ...]:
        """The items that have to be answered while they are enabled, in order."""
        return tuple(item for item in self.items.values() if item.required and item.type != "display")


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
