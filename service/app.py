"""The composition root: loads the data, builds every part once, warms up, and wires the routes."""

from __future__ import annotations

import gc
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from flask import Flask, Response

from service import __version__
from service.after_hooks import AfterHooks, build_after_hooks
from service.assessment.forms import extract, populate
from service.assessment.run import NOTHING_MORE, AssessOptions, Parts, assess_subject
from service.clients.outbound import Outbound
from service.code_parts import build_terminology, build_terminology_server, build_validation, build_validator
from service.engine.assess import build_engine
from service.fhir import r4
from service.fhir.codes.capabilities import terminology_capabilities
from service.fhir.codes.licence import without_snomed
from service.fhir.codes.operations import TerminologyOperations
from service.fhir.codes.published import published_terminology
from service.fhir.compartment import EVERYTHING
from service.fhir.conformance import Definitions, Published, compiled
from service.fhir.package import CONFORMANCE_TYPES, NAME, build_package
from service.fhir.parameters import Input
from service.fhir.resource_types import PUBLISHED_AND_STORED, RESOURCE_TYPES, offered_types
from service.fhir.search import SearchContext
from service.fhir.search_index import resource_indexer
from service.fhir.terminology import load_terminology
from service.fhir.validation import VALIDATE, Validator
from service.hook_parts import build_authentication, build_hooks, build_outbound, hook_records
from service.hooks.run import HookParts
from service.interactions.assessing import NOTHING_SENT, Gathered, gather
from service.interactions.bundles import BundleProcessor
from service.interactions.entries import Offer
from service.interactions.matching import matcher
from service.interactions.retrieving import Retriever
from service.interactions.searching import Searches
from service.interactions.seeding import store_ours
from service.interactions.single import Interactions, read
from service.knowledge.load import load_knowledge_base
from service.languages import translated_vocabularies
from service.mapping.questionnaire import build_questionnaire
from service.model_card.card import load_card
from service.model_card.resources import card_resources
from service.resources import profiles_directory, tables_directory, terminology_directory
from service.settings import CANONICAL_BASE, Settings, read_settings
from service.stored_parts import StoredParts, build_stored_parts
from service.web.address import fhir_address
from service.web.audit import install_audit
from service.web.bundles import bundle_view
from service.web.cds_hooks import hook_address, install_hook_routes
from service.web.definition_pages import definition_pages
from service.web.docs import install_docs
from service.web.errors import install_error_handlers
from service.web.feedback import install_feedback_routes
from service.web.fhir_rest import FHIR_PATH, OperationView, install_fhir_routes
from service.web.health import health_blueprint
from service.web.openapi import Sources
from service.web.operations.assess import Assess, assess_view, check_form
from service.web.operations.everything import everything_view
from service.web.operations.export import INPUTS as EXPORT_INPUTS
from service.web.operations.export import bulk_blueprint, export_view
from service.web.operations.forms import FormOperation, form_view
from service.web.operations.subscriptions import EVENT_INPUTS, STATUS_INPUTS, events_view, status_view, topics_view
from service.web.operations.terminology import terminology_view
from service.web.operations.validate import validate_view
from service.web.package import package_blueprint
from service.web.proxies import TrustedProxies
from service.web.requests import install_request_hooks
from service.web.resources import ResourceViews
from service.web.search import SearchViews, pairs_of

if TYPE_CHECKING:
    from service.storage.store import Reader, ResourceStore

Resource = dict[str, Any]

INPUTS = {"validate": VALIDATE, "everything": EVERYTHING}  # of operations on types of any kind
WARM_ANSWERS = 5
EXAMPLE_ANSWERS = 3


@dataclass(frozen=True, slots=True)
class Service:
    """Every part of one process, built once and shared by its doors."""

    settings: Settings
    parts: Parts
    definitions: Definitions
    assess: Assess
    extract: Callable[..., Resource]
    populate: FormOperation
    terminology: TerminologyOperations
    validator: Validator
    hooks: HookParts
    outbound: Outbound


def build_service(
    settings: Settings, *, clock: Callable[[], datetime] | None = None, ids: Callable[[], str] | None = None
) -> Service:
    """Load the data files and build the parts; KnowledgeBaseError if the files are at odds. Takes about a second.

    `clock` and `ids` are for callers that need the same answer every time.
    """
    now, fresh_id = clock or utc_now, ids or new_id
    knowledge = load_knowledge_base(tables_directory())
    terminology = load_terminology(terminology_directory(), settings.base_url, snomed=settings.snomed)
    questionnaire = build_questionnaire(knowledge, terminology, base_url=settings.base_url, version=__version__)
    parts = Parts(
        knowledge=knowledge,
        terminology=terminology,
        questionnaire=questionnaire,
        engine=build_engine(knowledge),
        base_url=settings.base_url,
        version=__version__,
        now=now,
        new_id=fresh_id,
        translated=translated_vocabularies(knowledge, terminology),
    )
    limits = limits_of(settings)

    def assess(
        raw: bytes,
        type_name: str | None,
        options: AssessOptions = NOTHING_MORE,
        *,
        resource_id: str | None = None,
        store: ResourceStore | None = None,
    ) -> Resource:
        empty = resource_id is not None and not raw.strip()
        parsed = r4.Parsed(NOTHING_SENT) if empty else r4.parse(raw, limits=limits)
        gathered = Gathered(parsed.resource, ())
        if store is not None:
            instance = (type_name, resource_id) if type_name is not None and resource_id is not None else None
            with store.reading() as reader:
                gathered = gather(parsed.resource, reader, instance=instance)
        if type_name is not None and resource_id is None:
            check_form(gathered.resource, type_name, also=[one.type for one in gathered.stored])
        return assess_subject(
            gathered.resource, parts=parts, warnings=parsed.warnings, options=options, stored=gathered.stored
        ).risk_assessment

    card = card_resources(
        load_card(), base_url=settings.base_url, version=__version__, knowledge_version=knowledge.version
    )
    definitions = Definitions(
        [questionnaire, *published_terminology(terminology), *_compiled("resources", settings), *card]
    )

    def extracted(raw: bytes, resource_id: str | None, *, store: ResourceStore | None = None) -> Resource:
        stored: Resource | None = None
        if resource_id is not None and store is not None:
            with store.reading() as reader:
                held = read(reader, "QuestionnaireResponse", resource_id)
            stored = r4.read_stored(held.body or b"")
        if stored is not None and not raw.strip():
            return extract(None, parts=parts, stored=stored)
        parsed = r4.parse(raw, limits=limits)
        return extract(parsed.resource, parts=parts, warnings=parsed.warnings, stored=stored)

    def populated(raw: bytes, resource_id: str | None) -> Resource:
        if resource_id is not None:
            definitions.read("Questionnaire", resource_id)
        parsed = r4.parse(raw, limits=limits)
        find = partial(definitions.find, "Questionnaire")
        return populate(parsed.resource, parts=parts, find=find, warnings=parsed.warnings, questionnaire_id=resource_id)

    outbound = build_outbound(settings)
    server = build_terminology_server(settings, outbound)
    codes = build_terminology(parts, definitions, now=now, new_id=fresh_id, server=server)
    validator = build_validator(definitions, codes.held, settings.base_url)
    hooks = build_hooks(settings, parts, outbound, limits)
    return Service(settings, parts, definitions, assess, extracted, populated, codes, validator, hooks, outbound)


def open_store(settings: Settings) -> ResourceStore | None:
    """The store that the settings name, ready; None if nothing is to be stored. InvalidInput if it cannot be had."""
    if settings.database is None:
        return None
    from service.storage.opening import open_store as open_database  # SQLAlchemy: only where something is stored

    servers = (settings.public_url,) if settings.public_url else ()
    return open_database(
        settings.database,
        connections=settings.threads + settings.delivery_threads + 3,
        indexer=resource_indexer(servers),
        now=utc_now,
        new_id=new_id,
    )


def create_app(
    settings: Settings | None = None, *, service: Service | None = None, store: ResourceStore | None = None
) -> Flask:
    """The WSGI application, warm. `service` is one already built, or parts of a test's own; `store` one already open."""
    settings = settings or read_settings()
    store = store or open_store(settings)
    if service is None:
        service = build_service(settings)
        warm_up(service)
    # No static folder: its route would be one more address that answers with something other than FHIR.
    app = Flask("service", static_folder=None)
    app.wsgi_app = TrustedProxies(app.wsgi_app, settings.trusted_networks)  # type: ignore[method-assign]
    app.extensions["hipspine-store"] = store
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.strict_slashes = False  # /fhir/metadata/ is /fhir/metadata
    app.url_map.merge_slashes = False  # /fhir//metadata is nothing, rather than a redirect that a POST may not survive
    install_request_hooks(app, new_id=new_id, elapsed=time.perf_counter)
    install_error_handlers(app, fhir_path=FHIR_PATH)
    address = fhir_address(settings.public_url)
    searches = _searches_of(service, address, storing=store is not None)
    beside = build_stored_parts(settings, service.parts, store, service.outbound, now=utc_now) if store is not None else None
    app.extensions["hipspine-beside"] = beside
    if beside is not None and settings.audit:
        install_audit(app, beside.trail.record, address=address, now=utc_now)
    stored, bundles = _views_of(store, service, searches, beside) if store is not None and beside is not None else (None, None)
    started = utc_now().isoformat(timespec="seconds")
    validation = build_validation(service.validator, service.definitions, store, limits_of(settings))
    install_fhir_routes(
        app,
        definitions=service.definitions,
        operations={
            "assess": partial(assess_view, partial(service.assess, store=store), service.parts.languages),
            "everything": partial(everything_view, store, address, new_id, limits_of(settings)),
            "extract": partial(form_view, partial(service.extract, store=store)),
            "populate": partial(form_view, service.populate),
            **(views_beside(beside, limits_of(settings), address) if beside is not None else {}),
            "validate": partial(validate_view, validation),
            **{
                name: partial(terminology_view, service.terminology, limits_of(settings), name)
                for name in ("lookup", "validate-code", "subsumes", "expand", "translate")
            },
        },
        searches=SearchViews(searches, store),
        stored=stored,
        bundles=bundles,
        terminology_statement=lambda base: terminology_capabilities(
            service.terminology.held, address=base, version=__version__, date=started
        ),
        address=address,
        base_url=settings.base_url,
        version=__version__,
        started=started,
    )
    sources = Sources(
        version=__version__,
        definition_of=partial(service.definitions.find, "OperationDefinition"),
        inputs_of=lambda kind, name: taken_by(service, kind, name),
        examples={"QuestionnaireResponse": filled_form(service.parts.questionnaire, EXAMPLE_ANSWERS)},
    )
    install_docs(app, sources, public_url=settings.public_url)
    records = hook_records(store)
    after_hooks = None
    if store is not None and records is not None:
        after_hooks = build_after_hooks(settings, store, records, service.outbound, now=utc_now, new_id=new_id)
    app.extensions["hipspine-after-hooks"] = after_hooks
    authenticate = build_authentication(settings, service.outbound, seen=records, clock=lambda: utc_now().timestamp())
    hooks_at = hook_address(settings.hooks_url)
    install_hook_routes(
        app,
        parts=service.hooks,
        languages=service.parts.languages,
        authenticate=authenticate,
        discovery_open=settings.hooks_discovery == "open",
        answered=after_hooks if after_hooks is not None else lambda *_: None,
        fhir_address=address,
        address=hooks_at,
        origins=[origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()],
    )
    if records is not None:
        install_feedback_routes(
            app,
            parts=service.hooks,
            records=records,
            authenticate=authenticate,
            address=hooks_at,
            reports_open=settings.reports_open,
            now=utc_now,
        )
    app.register_blueprint(definition_pages(service.definitions, partial(_compiled, "examples", settings)))
    app.register_blueprint(package_blueprint(partial(fhir_package, service), file_name=f"{NAME}-{__version__}.tgz"))
    if beside is not None:
        app.register_blueprint(bulk_blueprint(beside.exports, address))
    app.register_blueprint(health_blueprint(version=__version__, knowledge_version=service.parts.knowledge.version, store=store))
    return app


def _searches_of(service: Service, address: Callable[[], str], *, storing: bool) -> Searches:
    """The searches of what is stored, if anything is, and of what is published."""
    public_url = service.settings.public_url
    stored = frozenset(offered.name for offered in RESOURCE_TYPES if offered.stored) if storing else frozenset()
    types = frozenset(offered.name for offered in offered_types(storing=storing) if "search-type" in offered.interactions)

    def context() -> SearchContext:
        servers = dict.fromkeys((address(), *((public_url,) if public_url else ())))
        return SearchContext(servers=tuple(servers), types=types, now=utc_now())

    return Searches(service.definitions, stored, resource_indexer(), address, context, new_id)


def _views_of(
    store: ResourceStore, service: Service, searches: Searches, beside: StoredParts
) -> tuple[ResourceViews, Callable[..., Response]]:
    """The views of stored resources, and of Bundles of them; what comes with the service is in the store from here on."""
    ours = [service.definitions.read(kind, one) for kind in PUBLISHED_AND_STORED for one in service.definitions.ids(kind)]
    store_ours(store, ours)
    interactions = Interactions(
        matches=matcher(searches.context),
        prepare={"Subscription": beside.subscription_rules.prepare},
        ours=frozenset((one["resourceType"], one["id"]) for one in ours),
    )
    limits, address = limits_of(service.settings), searches.address
    views = ResourceViews(store, interactions, limits, address, new_id, searches.stored)

    def search(reader: Reader, type_name: str, criteria: str) -> Resource:
        return searches.bundle(reader, type_name, pairs_of(criteria.encode()))

    processor = BundleProcessor(
        store,
        interactions,
        retrieve=Retriever(service.definitions, address, new_id, search),
        offer=Offer({offered.name: offered.interactions for offered in RESOURCE_TYPES}),
    )
    return views, bundle_view(
        processor, limits=limits, address=address, new_id=new_id, assess=beside.arrival.of_bundle
    )


def taken_by(service: Service, kind: str, name: str) -> Sequence[Input]:
    """What an operation of the standard takes, for the description of it."""
    others = {"status": STATUS_INPUTS, "events": EVENT_INPUTS, "export": EXPORT_INPUTS, **INPUTS}
    return others[name] if name in others else service.terminology.inputs_of(kind, name)


@contextmanager
def start_background(app: Flask, address: str) -> Iterator[None]:
    """What works beside the requests of `app`, while open. `address` is our FHIR base as others reach it."""
    beside: StoredParts | None = app.extensions["hipspine-beside"]
    after_hooks: AfterHooks | None = app.extensions["hipspine-after-hooks"]
    others = after_hooks.handlers if after_hooks is not None else {}
    worker = beside.worker_at(address, others) if beside is not None else None
    if beside is not None and worker is not None:
        worker.start()
        beside.exports.start()
        beside.trail.start()
    try:
        yield
    finally:
        if beside is not None and worker is not None:
            worker.stop()
            beside.exports.stop()
            beside.trail.stop()


def views_beside(beside: StoredParts, limits: r4.Limits, address: Callable[[], str]) -> dict[str, OperationView]:
    """The views of export and of the operations on Subscriptions, by name."""
    queries = beside.subscription_queries
    return {
        "export": partial(export_view, beside.exports, limits, address),
        "topics": partial(topics_view, queries, limits),
        "status": partial(status_view, queries, limits, address),
        "events": partial(events_view, queries, limits, address),
    }


def warm_up(service: Service) -> None:
    """Prepare what callers may send and ask for, so that the first of them does not wait longer than the others."""
    r4.warm(
        ("Bundle", "Condition", "Encounter", "Observation", "Parameters", "Patient", "QuestionnaireResponse", "RiskAssessment")
    )
    r4.serialise(service.assess(r4.serialise(filled_form(service.parts.questionnaire, WARM_ANSWERS)), None))
    service.parts.engine.uncertainty.prepare()
    for language in service.parts.translated:
        service.parts.vocabulary_in(language)
    # What is loaded by now stays for good: taking it out of the collector's sight spares every request its walk over it.
    gc.freeze()
    gc.enable()


def filled_form(questionnaire: Mapping[str, Any], count: int) -> Resource:
    """A response that gives the first option of the first choices of the form: nobody's answers."""
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": questionnaire["url"],
        "status": "in-progress",
        "subject": {"reference": "Patient/warm-up"},
        "item": list(islice(_filled(questionnaire["item"]), count)),
    }


def fhir_package(service: Service) -> bytes:
    """The FHIR package of what the service publishes, with its canonical base."""
    base_url = service.settings.base_url
    return build_package(
        (published.load() for published in service.definitions if published.type_name in CONFORMANCE_TYPES),
        (published.load() for published in _compiled("examples", service.settings)),
        base_url=base_url,
        version=__version__,
    )


def limits_of(settings: Settings) -> r4.Limits:
    """How large and how deep a body may be."""
    return r4.Limits(max_bytes=settings.max_body_bytes, max_depth=settings.max_depth)


def utc_now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """A fresh id, legal as a FHIR id."""
    return str(uuid.uuid4())


def _compiled(folder: str, settings: Settings) -> Iterator[Published]:
    """What lies compiled in a folder of the profiles, as this deployment may give it out."""
    for one in compiled(profiles_directory() / folder, canonical_base=CANONICAL_BASE, base_url=settings.base_url):
        yield one if settings.snomed else replace(one, load=partial(_unlicensed, one.load))


def _unlicensed(load: Callable[[], Resource]) -> Resource:
    return without_snomed(load())


def _filled(items: list[Resource]) -> Iterator[Resource]:
    for item in items:
        if item["type"] == "group":
            yield from _filled(item.get("item", []))
        elif item.get("answerOption"):
            yield {"linkId": item["linkId"], "answer": [item["answerOption"][0]]}
