"""A hook call as this service takes it, or every fault of it at once."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from service.errors import Fault, FaultKind, MalformedInput
from service.hooks.registry import HookService, Prefetch
from service.records import dataclass

Resource = dict[str, Any]

SPEC = "https://cds-hooks.hl7.org/2.0/#http-request_1"
# Wider than a FHIR id: record systems are known to use longer ones. Still nothing that could change a query it is put into.
_ID = re.compile(r"[A-Za-z0-9\-._]{1,255}")


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One call. `prefetch` holds what the client sent, by key; a key it lacks was not sent, a None is "no data"."""

    hook: str
    instance: str
    context: Mapping[str, Any] = field(repr=False)
    patient_id: str = field(repr=False)
    encounter_id: str | None = field(repr=False)
    server: str | None
    token: str | None = field(repr=False)
    prefetch: Mapping[str, Any] = field(repr=False)

    @property
    def draft_orders(self) -> Sequence[Resource]:
        """The draft orders, those newly selected alone where the client says which they are."""
        entries = (self.context.get("draftOrders") or {}).get("entry") or []
        orders = [entry["resource"] for entry in entries if isinstance(entry.get("resource"), dict)]
        if "selections" not in self.context:
            return orders
        chosen = {one.partition("/")[2] or one for one in self.context["selections"]}
        # Names that no draft has tell nothing; taken at their word they would hide every order.
        if not chosen <= {str(order.get("id")) for order in orders}:
            return orders
        return [order for order in orders if str(order.get("id")) in chosen]


def read_request(body: Resource, services: Sequence[HookService]) -> tuple[HookService, HookRequest]:
    """The service a call is for and the call; MalformedInput with every fault. Fields nobody knows are left alone.

    `services` are those of the address; the hook of the call tells which.
    """
    faults: list[Fault] = []
    hook = _text(body, "hook", faults)
    service = next((one for one in services if one.hook == hook), None)
    if hook and service is None:
        hooks = ", ".join(one.hook for one in services)
        faults.append(_fault("value", "The service is not for this hook.", "hook", f"Call it on {hooks}."))
    instance = _text(body, "hookInstance", faults)
    if instance and not _is_uuid(instance):
        faults.append(_fault("value", "hookInstance is no UUID.", "hookInstance", "Give a fresh UUID for every call."))
    context = body.get("context")
    if not isinstance(context, dict):
        kind: FaultKind = "required" if context is None else "structure"
        faults.append(_fault(kind, "The context is missing or no object.", "context", "Send what the hook defines."))
        context = {}
    patient = _id(context, "patientId", "Patient", faults, required=True)
    inside = service is not None and "encounterId" in service.context
    encounter = _id(context, "encounterId", "Encounter", faults, required=inside)
    for name in service.context if service is not None and body.get("context") is not None else ():
        faults += _context_faults(name, context)
    server, token = _access(body, faults)
    prefetch = body.get("prefetch")
    if prefetch is None:
        prefetch = {}
    elif not isinstance(prefetch, dict):
        faults.append(_fault("structure", "prefetch is no object.", "prefetch", "Send one member per prefetch key."))
        prefetch = {}
    faults += [
        _fault("structure", "A prefetched value is no resource.", f"prefetch.{key}", "Send a resource, or null for no data.")
        for key, value in prefetch.items()
        if value is not None and not (isinstance(value, dict) and isinstance(value.get("resourceType"), str))
    ]
    for one in service.prefetch if service is not None else ():
        faults += _prefetch_faults(one, prefetch.get(one.key))
    if faults or service is None:
        raise MalformedInput(faults)
    named = {**context, "patientId": patient, "encounterId": encounter}
    if "selections" not in service.context:
        named.pop("selections", None)  # means nothing on a hook that does not define it
    return service, HookRequest(hook, instance, named, patient, encounter or None, server, token, prefetch)


def _access(body: Resource, faults: list[Fault]) -> tuple[str | None, str | None]:
    """Address of the record system's FHIR server and the token for it."""
    server, authorization = body.get("fhirServer"), body.get("fhirAuthorization")
    if server is not None and not (isinstance(server, str) and server):
        faults.append(_fault("value", "fhirServer is no address.", "fhirServer", "Give the base address of the FHIR server."))
        server = None
    if authorization is None:
        return server, None
    if server is None and body.get("fhirServer") is None:
        message = "fhirAuthorization is given without fhirServer."
        faults.append(_fault("required", message, "fhirServer", "Give the server that the token is for.", key="cds-r-1"))
    token = authorization.get("access_token") if isinstance(authorization, dict) else None
    kind = authorization.get("token_type", "Bearer") if isinstance(authorization, dict) else None
    if not (isinstance(token, str) and re.fullmatch(r"[\x21-\x7e]+", token)):
        faults.append(
            _fault("required", "The token is missing or unusable.", "fhirAuthorization.access_token", "Give a bearer token.")
        )
        token = None
    if not (isinstance(kind, str) and kind.lower() == "bearer"):
        faults.append(_fault("value", "The token is no bearer token.", "fhirAuthorization.token_type", "It is always Bearer."))
    return server, token


def _context_faults(name: str, context: Mapping[str, Any]) -> list[Fault]:
    where, value = f"context.{name}", context.get(name)
    if name == "draftOrders":
        if isinstance(value, dict) and value.get("resourceType") == "Bundle" and isinstance(value.get("entry", []), list):
            return list(_entry_faults(value.get("entry", []), where))
        return [_fault("required", "The draft orders are missing or no Bundle.", where, "Send a Bundle of the unsigned orders.")]
    if name == "selections":
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return []
        return [_fault("required", "The selections are missing or no list of ids.", where, "List the newly selected orders.")]
    return []


def _prefetch_faults(one: Prefetch, value: Any) -> list[Fault]:
    """Faults of a sent value that could be taken for "no data" although it is none: of another type, or without a list."""
    kind = value.get("resourceType") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        return []  # no resource at all is named above
    where = f"prefetch.{one.key}"
    if kind not in (one.type_name, "Bundle", "OperationOutcome"):
        repair = f"Send the result of the query {one.query}, or null for no data."
        return [_fault("value", f"A {one.type_name} or a Bundle belongs here, not what was sent.", where, repair)]
    if kind == "Bundle" and not isinstance(value.get("entry"), list | None):
        return [_fault("structure", "The entries of the Bundle are no list.", f"{where}.entry", "Send a list of entries.")]
    return []


def _entry_faults(entries: Sequence[Any], where: str) -> Iterator[Fault]:
    for index, entry in enumerate(entries):
        if not (isinstance(entry, dict) and isinstance(entry.get("resource"), dict)):
            place = f"{where}.entry[{index}]"
            yield _fault("structure", "An entry of the draft orders holds no resource.", place, "Send {\"resource\": ...}.")


def _text(body: Resource, name: str, faults: list[Fault]) -> str:
    value = body.get(name)
    if isinstance(value, str) and value:
        return value
    kind: FaultKind = "required" if value is None else "value"
    faults.append(_fault(kind, f"{name} is missing or no text.", name, f"Send {name} as the specification defines it."))
    return ""


def _id(context: Mapping[str, Any], name: str, type_name: str, faults: list[Fault], *, required: bool) -> str:
    value = context.get(name)
    if value is None or value == "":
        if required:
            faults.append(_fault("required", f"{name} is missing.", f"context.{name}", f"Send the id of the {type_name}."))
        return ""
    if isinstance(value, str):
        plain = value.removeprefix(f"{type_name}/")  # some clients send the reference
        if _ID.fullmatch(plain) and plain.strip("."):
            return plain
    faults.append(_fault("value", f"{name} is no id.", f"context.{name}", "An id has letters, digits, hyphens and dots."))
    return ""


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text.lower().removeprefix("urn:uuid:"))) == text.lower().removeprefix("urn:uuid:")
    except ValueError:
        return False


def _fault(kind: FaultKind, message: str, where: str, repair: str, *, key: str = "") -> Fault:
    return Fault(kind, message, where, "CDS Hooks defines what a call holds.", repair, key=key, spec=SPEC)
