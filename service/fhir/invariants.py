"""Rules between elements: the invariants of R4 for the data types, and the one table of all of them.

Best-practice rules (dom-6, the names of -0 rules) are left out: they would fill every answer with warnings nobody asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache

from service.fhir import invariants_resources
from service.fhir.rules import UCUM, Invariant, Node, has, has_choice, in_order, number, objects, text, when


@cache
def invariants() -> Mapping[str, tuple[Invariant, ...]]:
    """The rules of each structure, by the structure's name."""
    table = {**_data_types(), **invariants_resources.clinical(), **invariants_resources.conformance()}
    return {name: tuple(rules) for name, rules in table.items()}


def _data_types() -> dict[str, list[Invariant]]:
    quantity = when(
        "qty-3", "If a unit is coded, its code system is stated as well.", lambda q: not has(q, "code") or has(q, "system"),
        f"Add system ({UCUM} for UCUM) or leave out code.",
    )

    def in_ucum(q: Node) -> bool:
        return not has(q, "system") or text(q, "system") == UCUM

    def coded_value(q: Node) -> bool:
        return has(q, "code") or not has(q, "value")

    def of_type(key: str, rule: str, holds: Callable[[Node], bool]) -> list[Invariant]:
        return [quantity, when(key, rule, holds, f"Give value, system {UCUM} and code.")]

    def positive(q: Node) -> bool:
        value = number(q, "value")
        return value is None or value > 0

    def whole_count(q: Node) -> bool:
        value = number(q, "value")
        whole = value is None or value == Decimal(value).to_integral_value()
        return coded_value(q) and in_ucum(q) and text(q, "code") in ("", "1") and whole

    def ordered_range(r: Node) -> bool:
        for low in objects(r, "low"):
            for high in objects(r, "high"):
                least, most = number(low, "value"), number(high, "value")
                same = all(low.get(part) == high.get(part) for part in ("system", "code", "unit"))
                if same and least is not None and most is not None and least > most:
                    return False
        return True

    def not_negative(name: str) -> Callable[[Node], bool]:
        def holds(repeat: Node) -> bool:
            value = number(repeat, name)
            return value is None or value >= 0
        return holds

    def needs(name: str, other: str) -> Callable[[Node], bool]:
        return lambda node: not has(node, name) or has(node, other)

    def offset_with_event(repeat: Node) -> bool:
        value = repeat.get("when")
        events = value if isinstance(value, list) else []
        return not has(repeat, "offset") or (bool(events) and not {"C", "CM", "CD", "CV"}.intersection(
            event for event in events if isinstance(event, str)))

    one_path = "Either path or searchParam is given, not both."
    return {
        "Extension": [when(
            "ext-1", "An extension has either a value or extensions of its own, not both and not neither.",
            lambda e: has_choice(e, "value") != ("extension" in e), "Give exactly one value[x] or nested extensions.")],
        "Quantity": [quantity],
        "Age": of_type("age-1", "An age has a code, is in UCUM and positive.",
                       lambda q: coded_value(q) and in_ucum(q) and positive(q)),
        "Count": of_type("cnt-3", "A count is a whole number with the UCUM code 1.", whole_count),
        "Distance": of_type("dis-1", "A distance has a code, in UCUM.", lambda q: coded_value(q) and in_ucum(q)),
        "Duration": of_type("drt-1", "A coded duration is in UCUM and has a value.",
                            lambda q: not has(q, "code") or (text(q, "system") == UCUM and has(q, "value"))),
        "Attachment": [when("att-1", "If there is data, its contentType is stated.", needs("data", "contentType"),
                             "Add contentType.")],
        "ContactPoint": [when("cpt-2", "If there is a value, its system is stated.", needs("value", "system"),
                               "Add system, for example phone or email.")],
        "Expression": [when("exp-1", "An expression or a reference is given.",
                             lambda e: has(e, "expression") or has(e, "reference"), "Add expression or reference.")],
        "Period": [when("per-1", "A period does not end before it starts.",
                         lambda p: not (text(p, "start") and text(p, "end")) or in_order(text(p, "start"), text(p, "end")),
                         "Correct start or end, or swap them.")],
        "Range": [when("rng-2", "low is not above high.", ordered_range, "Correct low or high, or swap them.")],
        "Ratio": [when("rat-1", "Numerator and denominator are both given, or neither and an extension instead.",
                        lambda r: has(r, "numerator") == has(r, "denominator") and (has(r, "numerator") or "extension" in r),
                        "Give both numerator and denominator.")],
        "TimingRepeat": [
            when("tim-1", "A duration has a unit.", needs("duration", "durationUnit"), "Add durationUnit."),
            when("tim-2", "A period has a unit.", needs("period", "periodUnit"), "Add periodUnit."),
            when("tim-4", "A duration is not negative.", not_negative("duration"), "Correct duration."),
            when("tim-5", "A period is not negative.", not_negative("period"), "Correct period."),
            when("tim-6", "periodMax goes with a period.", needs("periodMax", "period"), "Add period."),
            when("tim-7", "durationMax goes with a duration.", needs("durationMax", "duration"), "Add duration."),
            when("tim-8", "countMax goes with a count.", needs("countMax", "count"), "Add count."),
            when("tim-9", "An offset goes with an event in when, and not with a meal itself (C, CM, CD, CV).",
                  offset_with_event, "Add when, or leave out offset."),
            when("tim-10", "timeOfDay and when exclude each other.",
                  lambda r: not (has(r, "timeOfDay") and has(r, "when")), "Keep one of timeOfDay and when."),
        ],
        "DataRequirementCodeFilter": [when("drq-1", one_path, lambda f: has(f, "path") != has(f, "searchParam"), "Keep one.")],
        "DataRequirementDateFilter": [when("drq-2", one_path, lambda f: has(f, "path") != has(f, "searchParam"), "Keep one.")],
        "TriggerDefinition": [
            when("trd-1", "Either timing or a data requirement is given, not both.",
                  lambda t: not (has(t, "data") and has_choice(t, "timing")), "Keep one of data and timing."),
            when("trd-2", "A condition goes with a data requirement.", needs("condition", "data"), "Add data."),
        ],
    }
