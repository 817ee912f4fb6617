"""The entries of a Parameters resource as named values with their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One entry of a Parameters resource. `value_type` is the name of the value element (``valueReference``), or empty."""

    name: str
    path: str
    value_type: str = ""
    value: Any = None
    resource: Resource | None = None
    has_parts: bool = False


def read_parameters(parameters: Resource, path: str = "Parameters") -> tuple[Parameter, ...]:
    """The entries in their order; the parts of an entry are only noted, no operation of ours takes any."""
    found = []
    for index, entry in enumerate(parameters.get("parameter", ())):
        value_type = next((key for key in entry if key.startswith("value") and key != "value"), "")
        found.append(
            Parameter(
                name=str(entry.get("name", "")),
                path=f"{path}.parameter[{index}]",
                value_type=value_type,
                value=entry.get(value_type),
                resource=entry.get("resource"),
                has_parts="part" in entry,
            )
        )
    return tuple(found)
