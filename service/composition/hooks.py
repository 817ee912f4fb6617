"""What the doors to other systems need, built from the settings."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from service import __version__
from service.assessment.run import Parts
from service.clients.addresses import AllowedHosts
from service.clients.callers import Callers, Issuers, RememberedTokens, SeenTokens
from service.clients.ehr import ReadBounds, RecordServer
from service.clients.key_sets import KeySets
from service.clients.outbound import Bounds, Outbound
from service.errors import Fault, InvalidInput
from service.fhir import r4
from service.fhir.json_text import read_json
from service.hooks.orders import load_order_rules
from service.hooks.registry import load_services, services_directory
from service.hooks.run import HookParts
from service.hooks.silence import load_silence_rules
from service.settings import Settings
from service.storage.hook_records import HookRecords
from service.storage.store import ResourceStore
from service.web.cds_hooks import Authenticate

KEY_BYTES = 32


def build_outbound(settings: Settings) -> Outbound:
    """The one door to other hosts; InvalidInput that names every bad entry of the lists of hosts."""
    return Outbound(
        AllowedHosts.parse(settings.outbound_hosts, settings.outbound_private_hosts),
        bounds=Bounds(total_seconds=settings.outbound_seconds, max_bytes=settings.outbound_max_bytes),
        ca_bundle=settings.outbound_ca_bundle,
        user_agent=f"HipSpine/{__version__}",
    )


def build_hooks(settings: Settings, parts: Parts, outbound: Outbound, limits: r4.Limits) -> HookParts:
    """The hook services with their rules, and how they read a record system."""
    page = r4.Limits(max_bytes=settings.outbound_max_bytes, max_depth=settings.max_depth)
    bounds = ReadBounds(seconds=settings.ehr_seconds, max_resources=settings.ehr_max_resources)
    directory = services_directory()
    return HookParts(
        assessment=parts,
        services=load_services(directory, terminology=parts.terminology, form=str(parts.questionnaire["url"])),
        orders=load_order_rules(directory.parent / "orders.json", knowledge=parts.knowledge, terminology=parts.terminology),
        silence=load_silence_rules(directory.parent / "silence.json", knowledge=parts.knowledge),
        reader=RecordServer(outbound, decode=lambda raw: read_json(raw, page), bounds=bounds),
        limits=limits,
        card_key=card_key(settings) or secrets.token_bytes(KEY_BYTES),
        workbench=settings.workbench_url,
        kept_for=settings.ehr_fhir_url or "" if settings.ehr_write_back == "on" else "",
    )


def card_key(settings: Settings) -> bytes | None:
    """The secret for the uuids of cards from the file of the settings; None without one, InvalidInput if it does not serve."""
    if settings.hooks_card_key is None:
        return None
    try:
        key = Path(settings.hooks_card_key).read_bytes().strip()
        problem = "" if len(key) >= KEY_BYTES else f"It holds fewer than {KEY_BYTES} bytes."
    except (OSError, ValueError) as error:
        key, problem = b"", f"It cannot be read ({type(error).__name__})."
    if problem:
        raise InvalidInput(
            Fault(
                "value",
                f"The secret for the uuids of cards does not serve. {problem}",
                where="HIPSPINE_HOOKS_CARD_KEY",
                repair="Make one with: openssl rand -hex 32 > FILE",
            )
        )
    return key


def with_shared_key(hooks: HookParts, settings: Settings, records: HookRecords | None) -> HookParts:
    """The parts with the secret that all processes of one database share, unless the settings give one."""
    if records is None or settings.hooks_card_key is not None:
        return hooks
    return replace(hooks, card_key=records.secret("card", hooks.card_key))


def build_authentication(
    settings: Settings, outbound: Outbound, *, seen: SeenTokens | None, clock: Callable[[], float]
) -> Authenticate:
    """What decides who may call a hook. Without any trusted issuer and where a token is needed, that is nobody.

    `seen` remembers used tokens; without it each process does for itself. `clock` tells seconds since 1970.
    """
    if not settings.hooks_need_token:
        return lambda authorization, *addresses: ""
    issuers = Issuers.parse(settings.hooks_issuers)
    key_sets = KeySets(outbound, frozenset(issuers.key_sets.values()))
    return Callers(issuers, key_sets, seen or RememberedTokens(), clock=clock).authenticate


def hook_records(store: ResourceStore | None) -> HookRecords | None:
    """Where advice, feedback and used tokens are kept: beside the resources, nowhere if nothing is stored."""
    if store is None:
        return None
    from service.storage.sql_hook_records import SqlHookRecords  # SQLAlchemy: only where something is stored
    from service.storage.sql_store import SqlStore

    return SqlHookRecords(store) if isinstance(store, SqlStore) else None
