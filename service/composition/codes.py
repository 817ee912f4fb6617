"""The parts that know codes and profiles, put together for one process: terminology operations and validation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from service.assessment.run import Parts
from service.clients.outbound import Outbound
from service.clients.terminology_server import TerminologyServer
from service.composition.languages import wordings
from service.fhir import r4
from service.fhir.codes.held import Held
from service.fhir.codes.membership import Membership
from service.fhir.codes.operations import TerminologyOperations
from service.fhir.conformance import Definitions
from service.fhir.json_text import read_json
from service.fhir.profile_check import ProfileCheck
from service.fhir.profile_definitions import Profiles
from service.fhir.profile_rules import FhirPathRules
from service.fhir.resource_types import RESOURCE_TYPES
from service.fhir.validation import Validator
from service.interactions.single import read
from service.interactions.validation import Validation
from service.settings import Settings

if TYPE_CHECKING:
    from service.storage.store import ResourceStore

Resource = dict[str, Any]


def build_terminology(
    parts: Parts,
    definitions: Definitions,
    *,
    now: Callable[[], datetime],
    new_id: Callable[[], str],
    server: TerminologyServer | None = None,
) -> TerminologyOperations:
    """The terminology operations on what is published. Nothing is indexed before the first request."""
    held = Held(parts.terminology, wordings(parts.translated), definitions.of_type)
    delegate = server.ask if server is not None else None
    return TerminologyOperations(held, side_of=parts.terminology.side_of, now=now, new_id=new_id, delegate=delegate)


def build_terminology_server(settings: Settings, outbound: Outbound) -> TerminologyServer | None:
    """The terminology server of the settings, None if there is none. OutboundRefused if its host may not be called."""
    if settings.terminology_server is None:
        return None
    limits = r4.Limits(max_bytes=settings.outbound_max_bytes, max_depth=settings.max_depth)
    return TerminologyServer(
        settings.terminology_server,
        outbound,
        decode=lambda raw: read_json(raw, limits),
        seconds=settings.terminology_seconds,
        remember_seconds=settings.terminology_cache_seconds,
    )


def build_validator(definitions: Definitions, held: Held, base_url: str) -> Validator:
    """The judge of resources. Profiles are read and FHIRPath is loaded when they are first needed."""
    profiles = Profiles(lambda: ((one.url, one.load) for one in definitions if one.type_name == "StructureDefinition"), base_url)
    return Validator(profiles, ProfileCheck(profiles, Membership(held), FhirPathRules().hold))


def build_validation(
    validator: Validator, definitions: Definitions, store: ResourceStore | None, limits: r4.Limits
) -> Validation:
    """$validate with what is stored and published."""
    types = {offered.name: offered for offered in RESOURCE_TYPES}

    def existing(type_name: str, resource_id: str) -> Resource:
        if store is None or not types[type_name].stored:
            return definitions.read(type_name, resource_id)
        with store.reading() as reader:
            return read_json(read(reader, type_name, resource_id).body or b"", limits)

    def offered(type_name: str, interaction: str) -> bool:
        return store is not None and interaction in types[type_name].interactions

    return Validation(validator, limits=limits, existing=existing, offered=offered)
