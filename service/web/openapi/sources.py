"""What the OpenAPI document is written from: the routes of the server and what is known of operations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from service.fhir.parameters import Input
from service.records import dataclass

_CONVERTER = re.compile(r"<(?:[^<>:]+:)?([^<>:]+)>")


@dataclass(frozen=True, slots=True)
class Route:
    """One address of the server as the router holds it (``/fhir/Patient/<fhir_id:resource_id>``), and its methods."""

    rule: str
    methods: frozenset[str]

    @property
    def path(self) -> str:
        """The address as OpenAPI writes it: ``/fhir/Patient/{resource_id}``."""
        return _CONVERTER.sub(r"{\1}", self.rule)


@dataclass(frozen=True, slots=True)
class Sources:
    """What the descriptions are written from.

    `definition_of` gives the OperationDefinition of an id or address, None for those of the standard; `inputs_of` what an
    operation of the standard takes, by type and name.
    """

    version: str
    definition_of: Callable[[str], Mapping[str, Any] | None]
    inputs_of: Callable[[str, str], Sequence[Input]]
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by type of resource
