"""`_summary` and `_elements` of a read: less than the whole resource, marked as such."""

from __future__ import annotations

from flask import request

from service.errors import Fault, MalformedInput
from service.fhir.search_results import ResultOptions, read_results
from service.fhir.subsets import is_part

_NAMES = ("_summary", "_elements")


def part_asked_for(type_name: str) -> ResultOptions | None:
    """What part of a resource of that type the address asks for; None for the whole. MalformedInput for wrong values."""
    pairs = [(name, value) for name, value in request.args.items(multi=True) if name in _NAMES]
    if not pairs:
        return None
    faults: list[Fault] = []
    options, _ = read_results(type_name, pairs, types=(), faults=faults)
    if options.summary == "count":
        faults.append(
            Fault(
                "value",
                "One resource is not counted.",
                where="?_summary",
                rule="_summary of a read is true, text, data or false.",
                repair="Leave it out, or search.",
            )
        )
    if faults:
        raise MalformedInput(faults)
    return options if is_part(options) else None
