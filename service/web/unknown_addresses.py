"""What to say where there is no route, or not for this method: which part of the address is wrong, what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import Literal

from service.errors import Fault
from service.fhir.elements import resource_types
from service.fhir.resource_types import (
    RESOURCE_TYPES,
    Operation,
    offered_types,
    resource_type,
    system_operations,
)
from service.fhir.wording import with_article
from service.web.address import FHIR_PATH

HOOKS_PATH = "/cds-services"
STORAGE_SETTING = "HIPSPINE_DATABASE_URL"
ID_RULE = "An id has 1 to 64 characters out of A-Z, a-z, 0-9, hyphen and dot"
ID_SPEC = "http://hl7.org/fhir/R4/datatypes.html#id"

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_SHOWN = 100  # characters of an address that are repeated
_LISTED = f"GET {FHIR_PATH}/metadata lists what there is."


def nothing_there(path: str, method: str, *, storing: bool) -> tuple[int, Fault]:
    """Status and fault for an address without a route.

    An id that can be none is 404 to whoever reads (there is no such resource) and 400 to whoever writes.
    Source: http://hl7.org/fhir/R4/http.html#read, #update.
    """
    if path == FHIR_PATH or path.startswith(FHIR_PATH + "/"):
        segments = path.removeprefix(FHIR_PATH).strip("/").split("/")
        if "//" in path:
            return 404, _not_found(
                "The address holds two slashes in a row.", "Parts of an address are separated by one slash.",
                f"Write {_shown(re.sub('/+', '/', path))}.",
            )
        return _in_fhir(segments, method, storing=storing)
    return 404, _elsewhere(path)


def not_that_way(path: str, method: str, allowed: Collection[str], *, storing: bool) -> Fault:
    """The fault for an address that exists, but not for this method."""
    listed = f"Allowed here: {', '.join(sorted(allowed))}."
    message = f"{method} is not offered at this address."
    if path == HOOKS_PATH or path.startswith(HOOKS_PATH + "/"):
        repair = f"GET {HOOKS_PATH} lists the services; a hook is called by POST {HOOKS_PATH}/[id]."
    elif path == FHIR_PATH or path.startswith(FHIR_PATH + "/"):
        segments = path.removeprefix(FHIR_PATH).strip("/").split("/")
        if not storing and _is_of_store(segments):
            return _nothing_stored("not-supported", f"{method} is not offered at this address: nothing is stored here.", listed)
        repair = _fhir_repair(segments, method)
    else:
        repair = "Use one of these methods."
    return Fault("not-supported", message, rule=listed, repair=repair)


# --- no route --------------------------------------------------------------------------------------------------------


def _in_fhir(segments: list[str], method: str, *, storing: bool) -> tuple[int, Fault]:
    first, rest = segments[0], segments[1:]
    if first.startswith("$"):
        return 404, _no_operation(first[1:], "", rest, storing=storing)
    if first == "_history" and not rest and not storing:
        return 404, _nothing_stored("not-found", "There is no history: nothing is stored here.", "It is one of what is stored.")
    if first == "_search":
        return 404, _not_found("All types at once cannot be searched.", "A search is one of a single type.",
                               f"Search {FHIR_PATH}/[type]?[parameters].")
    offered = next((one for one in offered_types(storing=storing) if one.name == first), None)
    if offered is None:
        return 404, _unknown_type(first, storing=storing)
    if not rest:
        return 404, _not_found("There is nothing at this address.", _LISTED, "Correct the address.")
    if rest[0].startswith("$"):
        return 404, _no_operation(rest[0][1:], f"/{first}", rest[1:], storing=storing)
    if rest[0].startswith("_") and len(rest) == 1:
        return 404, _not_found(f"There is no {_shown(rest[0])} of {first} here.", _LISTED, "Correct the address.")
    if _ID.fullmatch(rest[0]) is None:
        return _illegal_id(rest[0], first, method)
    return _below_instance(first, rest[0], rest[1:], method, storing=storing)


def _below_instance(type_name: str, resource_id: str, rest: list[str], method: str, *, storing: bool) -> tuple[int, Fault]:
    if not rest:
        return 404, _not_found("There is nothing at this address.", _LISTED, "Correct the address.")
    if rest[0].startswith("$"):
        return 404, _no_operation(rest[0][1:], f"/{type_name}/[id]", rest[1:], storing=storing)
    if rest[0] == "_history" and len(rest) == 2 and storing:
        return _illegal_id(rest[1], f"version of {type_name}", method)
    if rest[0] in resource_types():
        return 404, _not_found(
            "Searches below a resource (of its compartment) are not offered.", "A search is one of a single type.",
            f"Write {FHIR_PATH}/{rest[0]}?patient={resource_id} for a patient, or use the parameter that refers to it.",
        )
    return 404, _not_found(f"There is nothing of that name below {with_article(type_name)}.", _LISTED, "Correct the address.")


def _illegal_id(given: str, of: str, method: str) -> tuple[int, Fault]:
    writing = method in ("PUT", "PATCH", "DELETE")
    fault = Fault(
        "value" if writing else "not-found",
        f"{_shown(given)} cannot be the id of {with_article(of)}." if writing else f"{_shown(given)} is the id of no {of}.",
        rule=f"{ID_RULE}; this one has {len(given)}{_wrong_characters(given)}.",
        repair="Correct the id in the address; what another system calls the resource goes into its identifier.",
        spec=ID_SPEC,
    )
    return (400 if writing else 404), fault


def _wrong_characters(given: str) -> str:
    wrong = sorted({character for character in given if _ID.fullmatch(character) is None})
    named = ", ".join(
        "one beyond ASCII" if not character.isascii() else repr(character) if character.isprintable() else "a control character"
        for character in wrong[:5]
    )
    return f", among them {named}" if wrong else ""


def _no_operation(name: str, below: str, rest: list[str], *, storing: bool) -> Fault:
    """The fault of an operation called below `below` (a type, a type and an id, or nothing), with what follows it."""
    places = _places(name, storing=storing)
    here = f"{FHIR_PATH}{below}/${name}"
    if here in places and rest:
        return _not_found("There is nothing below an operation.", "An operation is the end of an address.", f"Write {here}.")
    if here in _places(name, storing=True) and here not in places:
        return _nothing_stored("not-found", f"${name} is not offered here: nothing is stored.", "It works on what is stored.")
    message = f"There is no operation ${_shown(name)} at this address."
    if places:
        listed = ", ".join(places[:6]) + (", ..." if len(places) > 6 else "")
        return _not_found(message, f"It is at {listed}.", "Call it there.")
    known = sorted({one.name for one in _operations(storing=storing)})
    meant = _meant(name, known)
    return _not_found(
        message, f"The operations are {', '.join(f'${one}' for one in known)}.",
        f"Was ${meant} meant, at {_places(meant, storing=storing)[0]}?" if meant else "Use one of these.",
    )


def _places(name: str, *, storing: bool) -> list[str]:
    """The addresses of an operation, in which [id] stands for any."""
    found = [f"{FHIR_PATH}/${name}" for one in system_operations(storing=storing) if one.name == name]
    for offered in offered_types(storing=storing):
        for one in offered.operations:
            if one.name == name:
                found += [f"{FHIR_PATH}/{offered.name}{'' if level == 'type' else '/[id]'}/${name}" for level in one.levels]
    return found


def _unknown_type(name: str, *, storing: bool) -> Fault:
    if not storing and resource_type(name) is not None:
        return _nothing_stored("not-found", f"{name} is not offered: nothing is stored here.", "Its resources are stored ones.")
    if name in resource_types():
        return _not_found(f"{name} is not among the types of this service.", _LISTED,
                          "Use a type that is listed; what is sent to $assess may hold others.")
    meant = _meant(name, [one.name for one in RESOURCE_TYPES])
    return _not_found(
        f"{_shown(name)} is no type of FHIR R4.", "Types are spelled as in the specification, upper and lower case as there.",
        f"Was {meant} meant?" if meant else _LISTED,
    )


def _elsewhere(path: str) -> Fault:
    first = path.strip("/").split("/")[0]
    if first in resource_types() or first in ("metadata", "_history") or first.startswith("$"):
        return _not_found("There is nothing at this address.", f"FHIR is below {FHIR_PATH}.", f"Write {FHIR_PATH}{_shown(path)}.")
    if first.lower() == "fhir":
        return _not_found("There is nothing at this address.", f"FHIR is below {FHIR_PATH}, in lower case.",
                          "Correct the address.")
    if first == HOOKS_PATH.strip("/"):
        return _not_found("There is nothing at this address.", f"Hook services are at {HOOKS_PATH}/[id].",
                          f"GET {HOOKS_PATH} lists them.")
    return _not_found("There is nothing at this address.", f"FHIR is below {FHIR_PATH}, CDS Hooks are below {HOOKS_PATH}.",
                      "GET / lists what is where.")


def _not_found(message: str, rule: str, repair: str) -> Fault:
    return Fault("not-found", message, rule=rule, repair=repair)


# --- no such method --------------------------------------------------------------------------------------------------


def _nothing_stored(kind: Literal["not-found", "not-supported"], message: str, rule: str) -> Fault:
    return Fault(
        kind, message, rule=f"{rule} {STORAGE_SETTING}=none has switched storage off.",
        repair=f"Have findings weighed by POST {FHIR_PATH}/$assess, or start the service with another {STORAGE_SETTING}.",
    )


def _is_of_store(segments: list[str]) -> bool:
    """Whether the address, an operation aside, would have more methods if something were stored."""
    if segments[-1].startswith("$"):
        return False
    offered = resource_type(segments[0])
    return segments == [""] or (offered is not None and offered.stored)


def _fhir_repair(segments: list[str], method: str) -> str:
    last, offered = segments[-1], resource_type(segments[0])
    if last.startswith("$"):
        return f"Call {last} by one of these methods."
    if last == "_search":
        return f"GET {FHIR_PATH}/{segments[0]}?[parameters], or POST the parameters here as a form."
    if segments == [""]:
        return f"POST a transaction or batch Bundle here; GET {FHIR_PATH}/metadata lists all that is offered."
    if offered is not None and not offered.stored:
        reading = "Its resources come with the service and are only read." if offered.interactions else "It is sent, not held."
        return f"{reading} GET {FHIR_PATH}/metadata lists all that is offered."
    if offered is not None and "create" not in offered.interactions:
        return "The service alone writes resources of this type; they are only read."
    if "_history" in segments:
        return "Versions are only read; a change of the resource makes a new one."
    if method == "PATCH":
        return "PUT the whole resource, with If-Match where others may change it too."
    if method == "POST" and len(segments) == 2:
        return f"Update with PUT; create with POST {FHIR_PATH}/{segments[0]}."
    return f"GET {FHIR_PATH}/metadata lists all that is offered."


# --- words -----------------------------------------------------------------------------------------------------------


def _operations(*, storing: bool) -> list[Operation]:
    return [*system_operations(storing=storing), *(one for kind in offered_types(storing=storing) for one in kind.operations)]


def _meant(name: str, known: Collection[str]) -> str:
    """The known word nearest to what was written, empty if none is near."""
    by_lower = {one.lower(): one for one in known}
    near = get_close_matches(name.lower()[:_SHOWN], by_lower, n=1, cutoff=0.7)
    return by_lower[near[0]] if near else ""


def _shown(text: str) -> str:
    """A part of an address as it may be repeated: printable ASCII, not too long."""
    kept = "".join(character if character.isascii() and character.isprintable() else "?" for character in text[:_SHOWN])
    return kept + ("..." if len(text) > _SHOWN else "")
