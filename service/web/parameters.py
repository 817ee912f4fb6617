"""The parameters in an address that have no effect: told to most callers, refused to strict ones."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps

from flask import Response, request

from service.errors import Fault, MalformedInput
from service.fhir.parameters import printable
from service.web.preferences import read_preferences
from service.web.responses import warn

SHAPING = ("_format", "_pretty")  # every address has these
PARTS = ("_summary", "_elements")
MOST_NAMED = 20  # of those without effect


def knowing(view: Callable[..., Response], *names: str, refusing: bool = False) -> Callable[..., Response]:
    """The view for an address that has the parameters of these names and no others.

    Others are named in a `Warning` header, or, where somebody strict asks or `refusing` is set, the call is refused before
    anything is done: many an answer has no place for an OperationOutcome.
    """

    @wraps(view)
    def checked(**arguments: str) -> Response:
        others = without_effect(names)
        if others and (refusing or read_preferences(request.headers.get("Prefer")).strict):
            raise MalformedInput(unknown(name, names) for name in others)
        response = view(**arguments)
        if others:
            warn(response, f"without effect: {', '.join(others)}")
        return response

    return checked


def without_effect(known: Collection[str]) -> list[str]:
    """The names in the address that are none of the known ones, as they may be repeated."""
    return [printable(name) for name in request.args if name not in known and name not in SHAPING][:MOST_NAMED]


def unknown(name: str, known: Collection[str]) -> Fault:
    """The fault of a parameter that this address has not. The name is one that may be repeated."""
    return Fault(
        "not-supported",
        f"The parameter {name} has no effect at this address.",
        where=f"?{name}",
        rule=f"Its parameters are {', '.join((*known, *SHAPING))}.",
        repair="Correct the name (upper and lower case count) or leave it out.",
    )
