"""$validate: one resource against R4, the profiles it claims or the caller names, and our extensions.

Source of names and rules: http://hl7.org/fhir/R4/resource-operation-validate.html.
"""

from __future__ import annotations

from typing import Any

from service.errors import Fault, MalformedInput, NotFound
from service.fhir import r4, wording
from service.fhir.elements import resource_types
from service.fhir.parameters import RESOURCE, Input, Inputs, gather_inputs
from service.fhir.profile_check import ProfileCheck
from service.fhir.profile_definitions import BASE_TYPE, Profiles
from service.records import dataclass

Resource = dict[str, Any]

VALIDATE = (Input("resource", RESOURCE), Input("mode", "code"), Input("profile", "canonical", many=True))
_MODES = ("create", "update", "delete")
_ON_INSTANCES = ("update", "delete")
_SPEC = "http://hl7.org/fhir/R4/resource-operation-validate.html"
_STAND_IN: Resource = {"resourceType": "Basic", "code": {"text": "x"}}  # in place of what may be invalid


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller wants to know: of which resource (None: the one that the address names), for what, against which profiles."""

    resource: Resource | None
    mode: str
    profiles: tuple[str, ...]


def read_request(body: Resource | None, query: list[tuple[str, str]], *, type_name: str, instance: bool) -> Asked:
    """The request of a call: a resource as it is, or Parameters that hold it. MalformedInput with every fault of the call itself.

    To send another type than that of the address is one; whatever else is wrong with the resource is not.
    """
    wrapped = body is not None and body.get("resourceType") == "Parameters" and _is_wrapper(body, type_name)
    resource = None if wrapped else body
    call, held = _without_resource(body) if wrapped and body is not None else (None, None)
    if call is not None:
        verdict = r4.check(call)
        if verdict.faults:
            raise MalformedInput(verdict.faults)
    inputs, faults = gather_inputs(VALIDATE, query=query, body=call)
    resource = held if held is not None else resource
    faults += _faults_of(inputs, resource, type_name, instance=instance)
    if faults:
        raise MalformedInput(faults)
    return Asked(resource, inputs.one("mode", ""), inputs.many("profile"))


def _is_wrapper(parameters: Resource, type_name: str) -> bool:
    """Whether Parameters are those of the call rather than what is to be validated."""
    if type_name != "Parameters":
        return True
    entries = parameters.get("parameter")
    return any(isinstance(one, dict) and one.get("name") == "resource" and "resource" in one
               for one in (entries if isinstance(entries, list) else ()))


def _without_resource(parameters: Resource) -> tuple[Resource, Resource | None]:
    """The parameters with a stand-in for the resource to validate, and that resource."""
    entries = parameters.get("parameter")
    held: Resource | None = None
    kept = []
    for one in entries if isinstance(entries, list) else ():
        if isinstance(one, dict) and one.get("name") == "resource" and isinstance(one.get("resource"), dict):
            held = held or one["resource"]
            one = {**one, "resource": _STAND_IN}
        kept.append(one)
    return ({**parameters, "parameter": kept} if isinstance(entries, list) else parameters), held


def _faults_of(inputs: Inputs, resource: Resource | None, type_name: str, *, instance: bool) -> list[Fault]:
    faults = []
    kind = resource.get("resourceType") if resource is not None else type_name
    if not isinstance(kind, str) or kind not in resource_types():
        faults.append(wording.unknown_type(kind, None))
    elif kind != type_name:
        faults.append(wording.wrong_type(kind, type_name))
    mode = inputs.one("mode", "")
    if mode and mode not in _MODES:
        faults.append(Fault("code-invalid", "mode is none of the modes of validation.", where=inputs.where("mode"),
                            rule=f"mode is one of {', '.join(_MODES)}.", repair="Use one of them or leave mode out.", spec=_SPEC))
    elif mode in _ON_INSTANCES and not instance:
        faults.append(Fault("invalid", f"mode {mode} is asked for on a type.", where=inputs.where("mode"),
                            rule="update and delete are of one resource.", repair="Call the operation on an instance.",
                            spec=_SPEC))
    if resource is None and not instance:
        faults.append(Fault("required", "There is no resource to validate.", where="resource",
                            rule="A resource is sent as it is, or in Parameters as resource.", repair="Add it.", spec=_SPEC))
    return faults


class Validator:
    """The verdict about resources."""

    def __init__(self, profiles: Profiles, check: ProfileCheck) -> None:
        self._profiles = profiles
        self._check = check

    def verdict(self, resource: Resource, *, type_name: str, profiles: tuple[str, ...] = ()) -> tuple[Fault, ...]:
        """Every fault, warning and remark about a resource of that type; it is valid if none is an error.

        NotFound if a profile that is asked for is not held.
        """
        named = self._named(profiles)
        base = r4.check(resource)
        found = [*base.faults, *base.warnings]
        for canonical in profiles:
            url = canonical.partition("|")[0]
            if url.startswith(BASE_TYPE) and url.removeprefix(BASE_TYPE) not in (type_name, "Resource", "DomainResource"):
                found.append(Fault("structure", "The profile asked for is that of another type.", where=type_name,
                                   rule=f"{url} describes {url.removeprefix(BASE_TYPE)}.", repair="Name another profile."))
        if not _shapeless(base):
            found += self._check.faults(resource, named)
        if not any(fault.severity == "error" for fault in found):
            against = ", ".join(["R4 4.0.1", *named])
            found.append(Fault("informational", f"No errors against {against}.", severity="information",
                               rule="Profiles that the resource claims and our extensions were checked as well."))
        return tuple(found)

    def _named(self, profiles: tuple[str, ...]) -> tuple[str, ...]:
        named = []
        faults = []
        for canonical in profiles:
            url = canonical.partition("|")[0]
            if url.startswith(BASE_TYPE) and url.removeprefix(BASE_TYPE) in {*resource_types(), "Resource", "DomainResource"}:
                continue
            if self._profiles.get(canonical) is None:
                faults.append(Fault("not-found", "The profile asked for is not held here.", where="profile",
                                    rule="Only R4 itself and the profiles published here can be validated against.",
                                    repair="GET StructureDefinition lists them, or leave profile out.", spec=_SPEC))
            named.append(canonical)
        if faults:
            raise NotFound(faults)
        return tuple(named)


def _shapeless(verdict: r4.Verdict) -> bool:
    """Whether the walk stopped at the outset, so that there is nothing to hold a profile against."""
    return any(fault.kind == "too-costly" for fault in verdict.faults)
