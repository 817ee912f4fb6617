"""Every fault the walk can find, in words.

Texts name the element, the rule and the repair, never what somebody wrote: they stand in logs and answers. A value is repeated
only where a code is expected and it is as short and plain as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

from service.errors import Fault
from service.fhir.elements import Binding, Structure
from service.fhir.primitives import Primitive

JSON_SPEC = "http://hl7.org/fhir/R4/json.html"
TYPES_SPEC = "http://hl7.org/fhir/R4/resourcelist.html"

Where = tuple[Any, Any]  # (where of the parent or None, member name or index); linked, because most paths are never written out

_CODE = re.compile(r"[a-z][a-z0-9-]{0,39}")  # as the codes of required bindings look: no capitals, so no names, and no dates
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,39}")
_MEMBER = re.compile(r"_?[A-Za-z][A-Za-z0-9_]{0,59}")
_MOST_CODES = 40


def path(where: Where | None) -> str:
    """The expression of a place: ``Bundle.entry[2].resource.status``."""
    parts: list[str] = []
    while where is not None:
        where, part = where
        if isinstance(part, int):
            parts.append(f"[{part}]")
        elif part:
            parts.append(f".{part}" if where is not None else part)
    return "".join(reversed(parts)).replace("._", ".")


def _quoted(value: object, pattern: re.Pattern[str]) -> str:
    """The value in quotes after a space if it looks like a code or type, else nothing."""
    return f" '{value}'" if type(value) is str and pattern.fullmatch(value) else ""


def unknown_type(value: object, where: Where | None) -> Fault:
    rule = "resourceType is the name of a resource type of R4 (4.0.1)."
    if value is None:
        return Fault("structure", "The resource has no resourceType.", path(where), rule, "Add resourceType as the first member.",
                     spec=JSON_SPEC)
    return Fault("structure", f"The resource type{_quoted(value, _TYPE)} is unknown in FHIR R4.", path(where), rule,
                 "Correct resourceType; names are case-sensitive.", spec=TYPES_SPEC)


def wrong_type(found: str, expected: str) -> Fault:
    wanted = with_article(expected)
    return Fault("structure", f"The body is {with_article(found)}, but {wanted} is expected here.", found,
                 f"Only {wanted} is accepted here.", f"Send {wanted}, or use the address of {found}.")


def unknown_element(name: str, structure: Structure, where: Where) -> Fault:
    if _MEMBER.fullmatch(name) is None:
        return Fault("structure", f"An element of {structure.name} is unknown in FHIR R4.", path(where),
                     f"{structure.name} has only the elements that R4 (4.0.1) defines; the name of this one is not repeated.",
                     "Leave the element out, or use an extension.", spec=structure.page)
    hint = "only resources have it" if name == "resourceType" else "some elements exist only in R5 or in an older release"
    return Fault("structure", f"{structure.name} has no element {name} in FHIR R4.", path((where, name)),
                 f"{structure.name} has only the elements that R4 (4.0.1) defines; {name} is unknown in R4 ({hint}).",
                 "Leave the element out, correct its name, or use an extension.", spec=structure.page)


def missing(name: str, structure: Structure, where: Where, *, choice: bool = False) -> Fault:
    shown = f"{name}[x]" if choice else name
    return Fault("required", f"{structure.name} lacks its required element {shown}.", path((where, name)),
                 f"{shown} is required in {structure.name}.", f"Add {shown}.", spec=structure.page)


def several_choices(stem: str, names: Sequence[str], where: Where) -> Fault:
    return Fault("structure", f"There is more than one {stem}[x].", path((where, names[1])),
                 f"At most one of {stem}[x] is given; here: {', '.join(names)}.", "Keep one of them.",
                 spec="http://hl7.org/fhir/R4/formats.html#choice")


def null(where: Where) -> Fault:
    return Fault("structure", "A null stands where a value is expected.", path(where),
                 "JSON null is only used in an array of primitives, where the same place of the _ array has extensions.",
                 "Leave the element out.", spec=JSON_SPEC)


def not_an_array(value: object, where: Where) -> Fault:
    if value is None:
        return null(where)
    if value == []:
        return Fault("structure", "The array is empty.", path(where), "An array has at least one item.", "Leave the element out.",
                     spec=JSON_SPEC)
    return Fault("structure", "A repeating element is not written as an array.", path(where),
                 "An element that may repeat is a JSON array even if there is one.", "Put the value into [ ].", spec=JSON_SPEC)


def not_an_object(value: object, where: Where | None) -> Fault:
    if value is None and where is not None:
        return null(where)
    found = "an array" if isinstance(value, list) else "a single value"
    return Fault("structure", f"There is {found} where an object is expected.", path(where),
                 "This element is one JSON object.", "Write it as an object; only repeating elements are arrays.", spec=JSON_SPEC)


def empty_object(where: Where) -> Fault:
    return Fault("invariant", "The object is empty.", path(where), "Every element has a value or elements below it.",
                 "Leave the element out, or fill it.", "ele-1", JSON_SPEC)


def no_content(where: Where) -> Fault:
    return Fault("invariant", "A primitive has neither a value nor an extension.", path(where),
                 "An element without a value has an extension that says why.", "Add the value or an extension.", "ele-1",
                 JSON_SPEC)


def unequal_arrays(name: str, where: Where) -> Fault:
    return Fault("structure", f"The arrays {name} and _{name} differ in length.", path(where),
                 "Values and their extensions correspond by position.", "Fill the gaps with null.", spec=JSON_SPEC)


def too_deep(where: Where) -> Fault:
    return Fault("too-costly", "The resource is nested deeper than this service reads.", path(where),
                 "Elements nest a limited number of levels.", "Flatten the resource.")


def bad_value(value: object, primitive: Primitive, where: Where) -> Fault:
    """A primitive that is not what its type demands."""
    if value is None:
        return null(where)
    kind = with_article(primitive.name)
    rule = f"{kind[0].upper()}{kind[1:]} is {primitive.rule}."
    if isinstance(value, dict | list):
        found = "an object" if isinstance(value, dict) else "an array"
        return Fault("structure", f"There is {found} where {kind} is expected.", path(where), rule, "Write a single value.",
                     spec=primitive.spec)
    if value == "":
        return Fault("value", "The string is empty.", path(where), "A string has at least one character.",
                     "Leave the element out.", spec=primitive.spec)
    written_as_text = isinstance(value, str) and primitive.json_type != "string"
    message = f"{kind[0].upper()}{kind[1:]} is written as text." if written_as_text else f"This is not {kind}."
    return Fault("value", message, path(where), rule, primitive.repair, spec=primitive.spec)


def with_article(noun: str) -> str:
    """The noun with its article; the types that start with the sound of "you" take "a"."""
    return f"an {noun}" if noun[0] in "aeioAEIO" or noun.startswith("unsigned") else f"a {noun}"


def illegal_code(value: object, binding: Binding, where: Where) -> Fault:
    listed = ", ".join(binding.codes[:_MOST_CODES]) + (", ..." if len(binding.codes) > _MOST_CODES else "")
    systems = "" if value else f" of {' or '.join(binding.systems)}"
    return Fault("code-invalid", f"The code{_quoted(value, _CODE)} is not one of those that are allowed here.", path(where),
                 f"Allowed are the codes{systems}: {listed}.", "Use one of these codes, in this spelling.",
                 spec=f"http://hl7.org/fhir/R4/valueset-{binding.value_set}.html")


def invariant(key: str, rule: str, where: Where, repair: str, severity: Literal["error", "warning"] = "error") -> Fault:
    named = f"The rule {key} is broken" if key else "A rule between elements is broken"
    return Fault("invariant", f"{named}.", path(where), rule, repair, key, severity=severity)


def wrong_target(kind: str, targets: Iterable[str], where: Where) -> Fault:
    return Fault("invariant", f"A reference to {with_article(kind)} is not allowed here.", path(where),
                 f"This element refers to one of: {', '.join(sorted(targets))}.", "Refer to a resource of one of these types.",
                 spec="http://hl7.org/fhir/R4/references.html")


def unknown_target(where: Where) -> Fault:
    return Fault("value", "The reference names a resource type that is unknown in FHIR R4.", path(where),
                 "A relative reference is Type/id, where Type is a resource type of R4.", "Correct the type.",
                 spec="http://hl7.org/fhir/R4/references.html")


def no_reference(where: Where) -> Fault:
    return Fault("value", "The reference leads nowhere: it is neither an address nor Type/id.", path(where),
                 "A reference is Type/id, an absolute URL, urn:uuid: or urn:oid:, or # and the id of a contained resource.",
                 "Write it in one of these forms, or give an identifier or a display alone.",
                 spec="http://hl7.org/fhir/R4/references.html#literal")


def more_faults(count: int) -> Fault:
    return Fault("too-costly", "There are more faults than are listed here.", "", f"One answer lists the first {count} faults.",
                 "Mend these and send it again.")


def number_as_text(where: Where) -> Fault:
    return Fault("value", "A number is written as text; it was read as the number.", path(where),
                 "Numbers are written without quotes.", "Leave out the quotes.", spec=JSON_SPEC, severity="warning")


def at_item(fault: Fault, name: str, index: int) -> Fault:
    """The same fault, of one item of an array of primitives."""
    head, _, tail = fault.where.rpartition(f".{name}")
    return replace(fault, where=f"{head}.{name}[{index}]{tail}")
