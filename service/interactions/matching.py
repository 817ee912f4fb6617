"""Criteria of conditional interactions, carried out as searches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

from service.errors import Fault, MalformedInput
from service.fhir.search import SearchContext, read_query
from service.fhir.search_results import ResultOptions
from service.interactions.conditions import CONDITIONAL_SPEC, Matches
from service.storage.store import Reader, Version


def matcher(context: Callable[[], SearchContext]) -> Matches:
    """A function that finds the first two resources which meet criteria written as a query string.

    It raises MalformedInput for anything in the criteria that is not understood, and if nothing in them selects.
    """

    def matches(reader: Reader, type_name: str, criteria: str) -> Sequence[Version]:
        try:
            pairs = parse_qsl(criteria.lstrip("?"), keep_blank_values=True, errors="strict")
        except UnicodeDecodeError:
            raise MalformedInput(
                Fault(
                    "structure",
                    "The condition is not UTF-8 text.",
                    rule="Each byte beyond ASCII is written as % and two hexadecimal digits, of the text in UTF-8.",
                    repair="Encode the text as UTF-8 before it is percent-encoded.",
                    spec=CONDITIONAL_SPEC,
                )
            ) from None
        query = read_query(type_name, pairs, context=context(), strict=True)
        if not query.conditions:
            raise MalformedInput(
                Fault(
                    "required",
                    "Nothing in the condition selects a resource.",
                    rule="A conditional interaction names the resource it means by search parameters.",
                    repair="Add a parameter, such as identifier=system|value.",
                    spec=CONDITIONAL_SPEC,
                )
            )
        found: Sequence[Version] = reader.search(replace(query, results=ResultOptions(count=2, total="none"))).versions
        return found

    return matches
