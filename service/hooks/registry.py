"""The hook services this deployment offers, one JSON file each, and what discovery tells of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf, Regexp

from service.errors import Fault, KnowledgeBaseError
from service.fhir.terminology import SNOMED, Terminology
from service.hooks.kinds import CardKind
from service.records import dataclass

SPECIFICATION = "STU2"  # CDS Hooks 2.0.1, as the 3.0 ballot names it in discovery
LOINC = "http://loinc.org"

_TOKEN = re.compile(r"\{\{([^{}]*)\}\}")
# What real record systems can fill: fields of the context itself, and the ids of the user.
_KNOWN_TOKENS = re.compile(r"context\.[A-Za-z]+|userPractitionerId|userPractitionerRoleId|userPatientId|userRelatedPersonId")


@dataclass(frozen=True, slots=True)
class Prefetch:
    """One query for data of the record. Without a `required` one there is no advice; without another, it says so."""

    key: str
    query: str
    required: bool

    @property
    def type_name(self) -> str:
        """The resource type that the query is for."""
        return re.split(r"[/?]", self.query, maxsplit=1)[0]

    def resolved(self, context: Mapping[str, Any]) -> str | None:
        """The query with the context put in; None if the context lacks a field of it."""
        values = {token: context.get(token.removeprefix("context.")) for token in _TOKEN.findall(self.query)}
        if not all(isinstance(value, str) and value for value in values.values()):
            return None
        return _TOKEN.sub(lambda match: str(values[match[1]]), self.query)


@dataclass(frozen=True, slots=True)
class HookService:
    """One entry of discovery: when it is called, what it needs, and the cards it may show, in their order."""

    id: str
    hook: str
    hook_version: str
    title: str
    description: str
    usage_requirements: str
    context: tuple[str, ...]
    prefetch: tuple[Prefetch, ...]
    cards: tuple[CardKind, ...]
    writes_back: bool = False  # whether its assessments are for the record, where that is set up

    def keeps(self, server: str | None, *, for_server: str) -> bool:
        """Whether an assessment of a call that named `server` is kept for the record system `for_server` (empty: for none).

        Ids of another record system would point to the wrong patient there.
        """
        return bool(for_server) and self.writes_back and server is not None and server.rstrip("/") == for_server

    def described(self) -> dict[str, Any]:
        """The entry as discovery shows it."""
        return {
            "hook": self.hook,
            "title": self.title,
            "description": self.description,
            "id": self.id,
            "prefetch": {one.key: one.query for one in self.prefetch},
            "usageRequirements": self.usage_requirements,
            "version": SPECIFICATION,
            "hookVersion": self.hook_version,
        }


@dataclass(frozen=True, slots=True)
class HookServices:
    """All of them. One id may serve several hooks, and one hook may have several services."""

    services: tuple[HookService, ...]

    def discovery(self) -> dict[str, Any]:
        return {"services": [service.described() for service in self.services]}

    def with_id(self, service_id: str) -> tuple[HookService, ...]:
        return tuple(service for service in self.services if service.id == service_id)


class _PrefetchSchema(Schema):
    query = fields.String(required=True, validate=Length(1))
    required = fields.Boolean(load_default=False)


class _ServiceSchema(Schema):
    id = fields.String(required=True, validate=Regexp(r"[a-z0-9]+(-[a-z0-9]+)*\Z"))
    hook = fields.String(required=True, validate=Regexp(r"[a-z]+(-[a-z]+)*\Z"))
    hookVersion = fields.String(required=True, validate=Length(1))
    title = fields.String(required=True, validate=Length(1))
    description = fields.String(required=True, validate=Length(1))
    usageRequirements = fields.String(required=True, validate=Length(1))
    context = fields.List(fields.String(), required=True)
    prefetch = fields.Dict(
        keys=fields.String(validate=Regexp(r"[a-z]+\Z")), values=fields.Nested(_PrefetchSchema), required=True
    )
    cards = fields.List(fields.String(validate=OneOf(get_args(CardKind))), required=True, validate=Length(1))
    writesBack = fields.Boolean(load_default=False)


def services_directory() -> Path:
    return Path(__file__).parent / "services"


def load_services(directory: Path, *, terminology: Terminology, form: str) -> HookServices:
    """The services of a folder in the order of their file names; KnowledgeBaseError with every fault of every file.

    In a query, `[form]` stands for the canonical address of the form and `[coded]` for the codes of standards
    that findings are recorded under.
    """
    known = {"[form]": form, "[coded]": ",".join(standard_codes(terminology))}
    faults: list[Fault] = []
    services: list[HookService] = []
    for path in sorted(directory.glob("*.json")):
        try:
            services.append(_service(_ServiceSchema().load(json.loads(path.read_text(encoding="utf-8"))), known))
        except (ValidationError, ValueError) as error:
            faults.append(Fault("invalid", f"The hook service cannot be read: {error}", where=path.name))
    seen: set[tuple[str, str]] = set()
    for service in services:
        faults += _refused_tokens(service)
        if (service.id, service.hook) in seen:
            faults.append(Fault("conflict", f"{service.id} is there twice for {service.hook}.", where=service.id))
        seen.add((service.id, service.hook))
    if faults or not services:
        raise KnowledgeBaseError(faults or Fault("not-found", "There are no hook services.", where=str(directory)))
    return HookServices(tuple(services))


def standard_codes(terminology: Terminology) -> Sequence[str]:
    """The LOINC and SNOMED CT codes that findings are recorded under, as a search takes them, each once.

    A finding under one of them is found whatever its category, or without one: an alarm sign must not hide behind a category.
    """
    system = terminology.resource("CodeSystem", "finding") or {}
    concepts: Iterable[dict[str, Any]] = system.get("concept", ())
    targets = (target for concept in concepts for target in terminology.targets("finding", concept["code"]))
    systems = (LOINC, SNOMED) if terminology.snomed else (LOINC,)
    return sorted({f"{target.system}|{target.code}" for target in targets if target.system in systems})


def _service(raw: dict[str, Any], known: Mapping[str, str]) -> HookService:
    return HookService(
        id=raw["id"],
        hook=raw["hook"],
        hook_version=raw["hookVersion"],
        title=raw["title"],
        description=raw["description"],
        usage_requirements=raw["usageRequirements"],
        context=tuple(raw["context"]),
        prefetch=tuple(
            Prefetch(key, _filled(one["query"], known), one["required"]) for key, one in raw["prefetch"].items()
        ),
        cards=tuple(raw["cards"]),
        writes_back=raw["writesBack"],
    )


def _filled(query: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        query = query.replace(name, value)
    return query


def _refused_tokens(service: HookService) -> list[Fault]:
    return [
        Fault("not-supported", f"No record system can be relied on to fill {{{{{token}}}}}.", where=f"{service.id}.{one.key}")
        for one in service.prefetch
        for token in _TOKEN.findall(one.query)
        if not _KNOWN_TOKENS.fullmatch(token)
    ]
