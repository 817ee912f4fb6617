"""The code a caller asks about: as code and system, as Coding, or as CodeableConcept. Shared by the operations on codes."""

from __future__ import annotations

from typing import Any

from service.errors import Fault, MalformedInput, NotFound, NotSupported
from service.fhir.codes.held import System, shown
from service.fhir.parameters import Inputs, entry, parameters
from service.records import dataclass

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Coded:
    """One coding to work on. `system` may be empty where the caller left it to the address."""

    system: str
    code: str
    display: str | None
    version: str | None
    where: str


def coding_of(coding: Resource, where: str, faults: list[Fault], *, system_needed: bool = True) -> Coded | None:
    """A Coding as what to work on; what it lacks is added to `faults`."""
    lacking = [name for name in (("system", "code") if system_needed else ("code",)) if not coding.get(name)]
    for name in lacking:
        faults.append(Fault("required", f"The Coding has no {name}.", where=f"{where}.{name}",
                            rule="A coding is looked up by its system and code.", repair=f"Add {name}."))
    if lacking:
        return None
    return Coded(coding.get("system", ""), coding["code"], coding.get("display"), coding.get("version"), where)


def codings_of(concept: Resource, where: str, faults: list[Fault]) -> list[Coded]:
    """The codings of a CodeableConcept; it needs at least one."""
    if not concept.get("coding"):
        faults.append(Fault("required", "The CodeableConcept has no coding.", where=f"{where}.coding",
                            rule="Text alone cannot be looked up.", repair="Add a coding with system and code."))
    found = (coding_of(coding, f"{where}.coding[{index}]", faults) for index, coding in enumerate(concept.get("coding", ())))
    return [coded for coded in found if coded is not None]


def raise_any(faults: list[Fault]) -> None:
    """MalformedInput with the faults, if there are any."""
    if faults:
        raise MalformedInput(faults)


def check_date(inputs: Inputs, released: str, what: str) -> None:
    """Nothing if a `date` asked for is not before the only version held; NotSupported otherwise."""
    date = inputs.one("date")
    if date is not None and released and date[:10] < released[: len(date[:10])]:
        raise NotSupported(
            Fault("not-supported", f"{what} is not held as it was at that date.", where=inputs.where("date"),
                  rule=f"Only the present version is held, released {released}.", repair="Leave the date out.")
        )


def display_fault(system: System, coded: Coded) -> str:
    """What is wrong with a display, empty if it is one of the wordings of the concept (upper and lower case do not count)."""
    if coded.display is None:
        return ""
    concept = system.concept(coded.code)
    accepted = {concept.display, *(text for _, text in system.designations(concept))}
    if _plain(coded.display) in {_plain(text) for text in accepted}:
        return ""
    return f"The display of {shown(coded.code)} is not {shown(coded.display)!r}; it is {concept.display!r}."


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def asked(inputs: Inputs, chosen: str, faults: list[Fault], *, system_needed: bool) -> list[Coded]:
    """What $validate-code is asked about, of the alternative `chosen`; what is amiss is added to `faults`."""
    if chosen == "codeableConcept":
        return codings_of(inputs.one(chosen), inputs.where(chosen), faults)
    if chosen == "coding":
        coded = coding_of(inputs.one(chosen), inputs.where(chosen), faults, system_needed=system_needed)
        return [coded] if coded else []
    version = inputs.one("systemVersion") or inputs.one("version")
    return [Coded(inputs.one("system", ""), inputs.one("code"), inputs.one("display"), version, inputs.where("code"))]


def validity(system: System, coded: Coded, language: str) -> tuple[bool, str, str | None]:
    """Whether a code and its display are right, what to say about it, and the right display.

    NotFound if the code is not in a fragment: then nobody here can tell.
    """
    if coded.code not in system.concepts:
        if not system.complete:
            raise NotFound(system.unknown(coded.code, coded.where))
        return False, system.unknown(coded.code).message, None
    display = system.display(system.concepts[coded.code], language)
    wrong = display_fault(system, coded)
    if wrong:
        return False, wrong, display
    held = "" if system.complete else (
        f"Found in the part of {system.name} that is held here; whether the code is active now was not checked."
    )
    return True, held, display


def verdict(messages: list[str], display: str | None, *, found: bool) -> Resource:
    """The answer of $validate-code."""
    return parameters(
        entry("result", valueBoolean=found),
        entry("message", valueString=" ".join(message for message in messages if message) or None),
        entry("display", valueString=display),
    )
