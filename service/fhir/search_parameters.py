"""The search parameters of each type: the published ones of R4, and ours.

The facts are in `r4_tables/search_parameters.json`. Everything that speaks of a search parameter asks here: the
CapabilityStatement, the reading of queries, the values written beside a stored resource.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from service.fhir.elements import TABLES
from service.records import dataclass

ParameterType = Literal["number", "date", "string", "token", "reference", "composite", "quantity", "uri"]
ANY_TYPE = "*"


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite parameter. `expression` starts at the element the composite repeats on."""

    code: str
    type: ParameterType
    expression: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one type.

    `expression` is the part of the published FHIRPath that is about this type. `elements` are the data types it ends at;
    `targets` the types a reference may name (``*``: any); `systems` the code systems of an element of type code, which carries
    none itself. `many`: a resource can have several values. `url` is the address of the definition, below our own canonical base
    where it starts with a slash.
    """

    base: str
    code: str
    type: ParameterType
    expression: str
    url: str
    elements: frozenset[str] = frozenset()
    targets: tuple[str, ...] = ()
    systems: frozenset[str] = frozenset()
    components: tuple[Component, ...] = ()
    many: bool = True

    @property
    def exact_case(self) -> bool:
        """Whether a token is an identity, where case always counts, rather than a code, where it does not."""
        return bool(self.elements & {"Identifier", "id"})

    @property
    def canonical(self) -> bool:
        """Whether the values are canonical addresses, which may end in ``|version``."""
        return "canonical" in self.elements

    def points_to(self, type_name: str) -> bool:
        """Whether a reference of this parameter may name a resource of that type."""
        return ANY_TYPE in self.targets or type_name in self.targets


# R4 has no parameter for what an assessment was made from.
_OURS = (
    Parameter(
        "RiskAssessment", "basis", "reference", "RiskAssessment.basis", "/SearchParameter/RiskAssessment-basis",
        frozenset({"Reference"}), (ANY_TYPE,),
    ),
)  # fmt: skip


@cache
def parameters_of(type_name: str) -> Mapping[str, Parameter]:
    """The search parameters of a type by code, those of every type among them; only these for a type the table does not hold."""
    table = _table()
    shared = {code: replace(parameter, base=type_name) for code, parameter in table["Resource"].items()}
    ours = {parameter.code: parameter for parameter in _OURS if parameter.base == type_name}
    return MappingProxyType({**shared, **table.get(type_name, {}), **ours})


def references_of(type_name: str, *, to: str = "") -> tuple[str, ...]:
    """The reference parameters of a type that can bring along what they point to; of these only those that may name `to`."""
    return tuple(
        code
        for code, parameter in parameters_of(type_name).items()
        if parameter.type == "reference" and (not to or parameter.points_to(to)) and (not to or "Reference" in parameter.elements)
    )


@cache
def _table() -> Mapping[str, Mapping[str, Parameter]]:
    content: Mapping[str, Mapping[str, Any]] = json.loads((TABLES / "search_parameters.json").read_text(encoding="utf-8"))
    return {base: {code: _parameter(base, code, row) for code, row in rows.items()} for base, rows in content.items()}


def _parameter(base: str, code: str, row: Mapping[str, Any]) -> Parameter:
    return Parameter(
        base=base,
        code=code,
        type=row["type"],
        expression=row["expression"],
        url=row["url"],
        elements=frozenset(row.get("elements", ())),
        targets=tuple(row.get("targets", ())),
        systems=frozenset(row.get("systems", ())),
        components=tuple(Component(**component) for component in row.get("components", ())),
        many=row.get("many", True),
    )
