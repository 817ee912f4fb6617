"""The sentences about a search that cannot be carried out, or not in full. A value is never repeated: it may be patient data."""

from __future__ import annotations

from service.errors import Fault
from service.fhir.search_parameters import parameters_of

SPEC = "http://hl7.org/fhir/R4/search.html"
# Parameters every request may carry; they shape the answer, they do not select.
SHAPING = ("_format", "_pretty")


def unknown_parameter(name: str, type_name: str, *, whole: str = "") -> Fault:
    """The warning about a parameter that this server does not know; `whole` is the chain it is part of."""
    supported = ", ".join(parameters_of(type_name))
    shown = printable(name)
    inside = f" (in {printable(whole)})" if whole and whole != name else ""
    return Fault(
        "not-supported",
        f"The search parameter {shown}{inside} is not supported for {type_name}.",
        where=f"http.{shown}",
        rule=f"Supported for {type_name}: {supported}; results: {RESULTS_LISTED}.",
        repair="Leave the parameter out or use a supported one.",
        spec=f"{SPEC}#errors",
        severity="warning",
    )


def empty_value(name: str) -> Fault:
    """The warning about a parameter without a value."""
    shown = printable(name)
    return Fault(
        "value",
        f"The search parameter {shown} has no value.",
        where=f"http.{shown}",
        rule="A parameter without a value selects nothing and is left out.",
        repair=f"Give a value, or {shown}:missing=true for resources without one.",
        spec=f"{SPEC}#errors",
        severity="warning",
    )


def bad_value(name: str, fitting: str) -> Fault:
    """The fault of a value that fits its parameter in no way."""
    shown = printable(name)
    return Fault(
        "value",
        f"The value of the search parameter {shown} cannot be read.",
        where=f"http.{shown}",
        rule=f"{shown} takes {fitting}.",
        repair="Correct the value; several are separated by commas, a comma inside one is written \\,.",
        spec=f"{SPEC}#errors",
    )


def bad_modifier(name: str, rule: str, repair: str) -> Fault:
    """The fault of a modifier, chain or _has that this server does not carry out."""
    shown = printable(name)
    return Fault(
        "not-supported",
        f"The search parameter {shown} is not offered in this form.",
        where=f"http.{shown}",
        rule=rule,
        repair=repair,
        spec=f"{SPEC}#modifiers",
    )


def too_costly(rule: str) -> Fault:
    """The fault of a search that would take too much."""
    return Fault("too-costly", "The search is too large.", rule=rule, repair="Ask in several searches.", spec=SPEC)


def printable(name: str) -> str:
    """The name of a parameter, as far as it is one: names are shown, whatever else somebody put there is not."""
    return (
        "".join(character for character in name[:60] if character.isascii() and (character.isalnum() or character in "_:.-"))
        or "(unnamed)"
    )


RESULTS_LISTED = "_sort, _count, _total, _summary, _elements, _include, _revinclude"
