"""Draft orders that concern the question, recognised by their codes, and the rules of what to say of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf, Range

from service.engine.model import AnswerValue, KnowledgeBase
from service.errors import Fault, KnowledgeBaseError
from service.fhir.terminology import Terminology
from service.records import dataclass

Resource = dict[str, Any]
Region = Literal["hip", "spine"]

PRESSING = ("asap", "stat")  # somebody has a reason that the record may not show
OVER = ("revoked", "completed", "entered-in-error")  # states of an order that nobody can act on any more
# A code that says as much as our word, or more, or overlaps with it, names the service. One that says less needs the body site.
NAMES = ("equal", "equivalent", "narrower", "inexact")


@dataclass(frozen=True, slots=True)
class OrderRule:
    """One kind of order: the region it is aimed at, the services it may ask for, and what may be offered instead.

    `needs_site`: the service is for any region, so that the body site has to say which. `instead` are referrals of the
    knowledge base, `aim_at` a body site that the order may be pointed to.
    """

    id: str
    region: Region
    services: frozenset[str]
    needs_site: bool
    instead: tuple[str, ...]
    aim_at: str


@dataclass(frozen=True, slots=True)
class Sign:
    """An answer that speaks against the hip whatever else: treatment of it failed, or its MRI was normal."""

    finding_id: str
    values: tuple[AnswerValue, ...]


@dataclass(frozen=True, slots=True)
class OrderRules:
    """All rules. `points_from` is the probability from which the record points to a source."""

    points_from: float
    sites: Mapping[Region, frozenset[str]]
    rules: tuple[OrderRule, ...]
    against_hip: tuple[Sign, ...]


@dataclass(frozen=True, slots=True)
class RecognisedOrder:
    """A draft order of the client, the rule it falls under, and our word for what it asks for."""

    draft: Resource = field(repr=False)
    rule: OrderRule
    service: str

    @property
    def reference(self) -> str | None:
        """How an action may name it; None if the client gave it no id."""
        return f"ServiceRequest/{self.draft['id']}" if self.draft.get("id") else None

    @property
    def may_be_removed(self) -> bool:
        """Whether to offer its removal: only of a draft, and of none that presses."""
        return self.draft.get("status") == "draft" and self.draft.get("priority") not in PRESSING


class _OrderSchema(Schema):
    id = fields.String(required=True)
    region = fields.String(required=True, validate=OneOf(["hip", "spine"]))
    services = fields.List(fields.String(), required=True, validate=Length(1))
    needs_site = fields.Boolean(load_default=False)
    instead = fields.List(fields.String(), load_default=list)
    aim_at = fields.String(load_default="")


class _SignSchema(Schema):
    finding = fields.String(required=True)
    values = fields.List(fields.Raw(), required=True, validate=Length(1))


class _RulesSchema(Schema):
    points_from = fields.Float(required=True, validate=Range(0, 1, min_inclusive=False))
    sites = fields.Dict(keys=fields.String(validate=OneOf(["hip", "spine"])), values=fields.List(fields.String()), required=True)
    orders = fields.List(fields.Nested(_OrderSchema), required=True, validate=Length(1))
    against_hip = fields.List(fields.Nested(_SignSchema), required=True)


def load_order_rules(path: Path, *, knowledge: KnowledgeBase, terminology: Terminology) -> OrderRules:
    """The rules of the file; KnowledgeBaseError with every word of it that tables and terminology do not know."""
    try:
        raw = _RulesSchema().load(json.loads(path.read_text(encoding="utf-8")))
    except (ValidationError, ValueError) as error:
        raise KnowledgeBaseError(Fault("invalid", f"The order rules cannot be read: {error}", where=path.name)) from None
    faults = list(_unknown(raw, knowledge, terminology, path.name))
    if faults:
        raise KnowledgeBaseError(faults)
    return OrderRules(
        points_from=raw["points_from"],
        sites={region: frozenset(sites) for region, sites in raw["sites"].items()},
        rules=tuple(
            OrderRule(
                id=one["id"],
                region=one["region"],
                services=frozenset(one["services"]),
                needs_site=one["needs_site"],
                instead=tuple(one["instead"]),
                aim_at=one["aim_at"],
            )
            for one in raw["orders"]
        ),
        against_hip=tuple(Sign(one["finding"], tuple(one["values"])) for one in raw["against_hip"]),
    )


def _unknown(raw: Mapping[str, Any], knowledge: KnowledgeBase, terminology: Terminology, name: str) -> Iterable[Fault]:
    services = {concept["code"] for concept in (terminology.resource("CodeSystem", "service") or {}).get("concept", ())}
    referrals = {referral.id for referral in knowledge.referrals}
    findings = {finding.id: finding for finding in knowledge.findings}
    sites = [site for named in raw["sites"].values() for site in named]
    sites += [order["aim_at"] for order in raw["orders"] if order["aim_at"]]
    words = [(service, services) for order in raw["orders"] for service in order["services"]]
    words += [(referral, referrals) for order in raw["orders"] for referral in order["instead"]]
    words += [(sign["finding"], set(findings)) for sign in raw["against_hip"]]
    yield from (Fault("not-found", f"{word} is not known.", where=name) for word, known in words if word not in known)
    unknown_sites = [site for site in sites if not terminology.targets("body-site", site)]
    yield from (Fault("not-found", f"{site} is no body site.", where=name) for site in unknown_sites)
    for sign in raw["against_hip"]:
        finding = findings.get(sign["finding"])
        for value in sign["values"]:
            if finding is not None and value is not True and value not in finding.choices:
                yield Fault("not-found", f"{value} is no answer to {finding.id}.", where=name)


def recognised(drafts: Sequence[Resource], rules: OrderRules, terminology: Terminology) -> tuple[RecognisedOrder, ...]:
    """The drafts a rule is about, in their order. By codes alone: what an order is called is never read."""
    found = []
    for draft in drafts:
        if draft.get("resourceType") != "ServiceRequest" or draft.get("doNotPerform") is True or draft.get("status") in OVER:
            continue
        regions = _regions(draft, rules, terminology)
        asked = list(_asked_for(draft, terminology))
        match = next(
            (
                (rule, service)
                for service, equivalence in asked
                for rule in rules.rules
                if service in rule.services and _aimed(rule, equivalence, regions)
            ),
            None,
        )
        if match is not None:
            found.append(RecognisedOrder(draft, *match))
    return tuple(found)


def _aimed(rule: OrderRule, equivalence: str, regions: frozenset[Region]) -> bool:
    """Whether an order for a service of the rule is for its region. A body site elsewhere outweighs the code."""
    if regions:
        return regions == {rule.region}
    return not rule.needs_site and equivalence in NAMES


def _asked_for(draft: Resource, terminology: Terminology) -> Iterable[tuple[str, str]]:
    concepts = [draft.get("code"), *_list(draft.get("category"))]
    for concept in concepts:
        for system, code in _codings(concept):
            yield from terminology.to_services(system, code)


def _regions(draft: Resource, rules: OrderRules, terminology: Terminology) -> frozenset[Region]:
    sites = {
        site
        for concept in _list(draft.get("bodySite"))
        for system, code in _codings(concept)
        if (site := terminology.to_body_site(system, code)) is not None
    }
    return frozenset(region for region, named in rules.sites.items() if sites & named)


def _codings(concept: Any) -> Iterable[tuple[str, str]]:
    for coding in _list(concept.get("coding") if isinstance(concept, dict) else None):
        if isinstance(coding, dict) and isinstance(coding.get("system"), str) and isinstance(coding.get("code"), str):
            yield coding["system"], coding["code"]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
