"""$validate as a use case: what is sent, or what is there, judged; nothing is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.errors import Fault
from service.fhir import r4
from service.fhir.json_text import read_json
from service.fhir.outcomes import operation_outcome
from service.fhir.validation import Asked, Validator, read_request

Resource = dict[str, Any]
# The resource of a type and id as it is now; NotFound or Gone if there is none.
Existing = Callable[[str, str], Resource]
# Whether callers may create, update or delete resources of a type.
Offered = Callable[[str, str], bool]


class Validation:
    """The use case. `existing` reads what is stored or published."""

    def __init__(self, validator: Validator, *, limits: r4.Limits, existing: Existing, offered: Offered) -> None:
        self._validator = validator
        self._limits = limits
        self._existing = existing
        self._offered = offered

    def run(self, raw: bytes, query: list[tuple[str, str]], *, type_name: str, resource_id: str | None) -> Resource:
        """The OperationOutcome about a resource. MalformedInput if the call is wrong, NotFound for what does not exist."""
        body = read_json(raw, self._limits) if raw else None
        asked = read_request(body, query, type_name=type_name, instance=resource_id is not None)
        existing = self._existing(type_name, resource_id) if resource_id is not None else None
        return operation_outcome(self._verdict(asked, existing, type_name, resource_id))

    def _verdict(self, asked: Asked, existing: Resource | None, type_name: str, resource_id: str | None) -> tuple[Fault, ...]:
        beforehand = tuple(self._of_mode(asked, type_name, resource_id))
        if asked.mode == "delete":
            fine = Fault("informational", "It can be deleted.", severity="information",
                         rule="Whether other resources refer to it was not checked.")
            return beforehand or (fine,)
        resource = asked.resource if asked.resource is not None else existing
        assert resource is not None, "a call on a type has a resource"
        found = self._validator.verdict(resource, type_name=type_name, profiles=asked.profiles)
        if any(fault.severity == "error" for fault in beforehand):
            found = tuple(fault for fault in found if fault.severity != "information")
        return (*beforehand, *found)

    def _of_mode(self, asked: Asked, type_name: str, resource_id: str | None) -> list[Fault]:
        """What stands against the change that the mode asks about."""
        faults = []
        if asked.mode and not self._offered(type_name, asked.mode):
            faults.append(Fault(
                "not-supported", f"{asked.mode} is not offered for {type_name}.", where=type_name,
                rule="The CapabilityStatement lists what can be done with each type.",
                repair="Leave mode out to validate the content.",
            ))
        if asked.mode == "update" and asked.resource is not None and asked.resource.get("id") != resource_id:
            faults.append(Fault(
                "value", "The id is not that of the address.", where=f"{type_name}.id",
                rule="An update names the resource it is of.", repair="Write the id of the address.",
            ))
        return faults
