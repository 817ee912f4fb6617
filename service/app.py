"""The application: takes every part, wires the routes, and starts what works beside them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request_finished

from service import __version__
from service.composition.after_hooks import AfterHooks, build_after_hooks
from service.composition.codes import build_validation
from service.composition.hooks import build_authentication, hook_records, with_shared_key
from service.composition.parts import (
    Service,
    build_service,
    compiled_profiles,
    fhir_package,
    filled_form,
    limits_of,
    new_id,
    open_store,
    utc_now,
    warm_more,
    warm_up,
)
from service.composition.stored import StoredParts, build_stored_parts
from service.fhir import r4
from service.fhir.codes.capabilities import terminology_capabilities
from service.fhir.compartment import EVERYTHING
from service.fhir.package import NAME
from service.fhir.parameters import Input
from service.fhir.resource_types import PUBLISHED_AND_STORED, RESOURCE_TYPES, offered_types
from service.fhir.search import SearchContext
from service.fhir.search_index import resource_indexer
from service.fhir.validation import VALIDATE
from service.interactions.bundles import BundleProcessor
from service.interactions.entries import Offer
from service.interactions.finding import finder
from service.interactions.matching import matcher
from service.interactions.retrieving import Retriever
from service.interactions.searching import Searches
from service.interactions.seeding import store_ours
from service.interactions.single import Interactions
from service.settings import Settings, read_settings
from service.web.address import fhir_address, service_address
from service.web.audit import RequestAudit, install_audit
from service.web.bundle_operations import operation_runner
from service.web.bundles import bundle_view
from service.web.cds_hooks import hook_address, install_hook_routes
from service.web.definition_pages import definition_pages
from service.web.docs import install_docs
from service.web.errors import install_error_handlers
from service.web.feedback import install_feedback_routes
from service.web.fhir_rest import OperationView, install_fhir_routes
from service.web.front import front_blueprint
from service.web.health import HEALTH_PATHS, health_blueprint
from service.web.hook_audit import install_hook_audit
from service.web.hosts import install_host_check
from service.web.openapi.sources import Sources
from service.web.operations.assess import assess_view
from service.web.operations.everything import everything_view
from service.web.operations.export import INPUTS as EXPORT_INPUTS
from service.web.operations.export import bulk_blueprint, export_view
from service.web.operations.forms import form_view
from service.web.operations.subscriptions import EVENT_INPUTS, STATUS_INPUTS, events_view, status_view, topics_view
from service.web.operations.terminology import terminology_view
from service.web.operations.validate import validate_view
from service.web.package import package_blueprint
from service.web.proxies import TrustedProxies
from service.web.requests import install_request_hooks
from service.web.resources import ResourceViews
from service.web.routing import LazyRule
from service.web.search import SearchViews, pairs_of

if TYPE_CHECKING:
    from service.storage.store import Reader, ResourceStore

Resource = dict[str, Any]

INPUTS = {"validate": VALIDATE, "everything": EVERYTHING}  # of operations on types of any kind
EXAMPLE_ANSWERS = 3
WARM_AFTER_SECONDS = 1.0  # the requests that wait for the start are answered first: they would share the interpreter with it


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
    app.url_rule_class = LazyRule
    app.wsgi_app = TrustedProxies(app.wsgi_app, settings.trusted_networks)  # type: ignore[method-assign]
    app.extensions["hipspine-store"] = store
    app.extensions["hipspine-service"] = service
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.strict_slashes = False  # /fhir/metadata/ is /fhir/metadata
    app.url_map.merge_slashes = False  # /fhir//metadata is nothing, rather than a redirect that a POST may not survive
    install_request_hooks(app, new_id=new_id, elapsed=time.perf_counter)
    install_error_handlers(app, storing=store is not None)
    install_host_check(app, names=settings.answers_to, exempt=HEALTH_PATHS)
    address, at = fhir_address(settings.public_url), service_address(settings.public_url)
    searches = _searches_of(service, address, storing=store is not None)
    audit = RequestAudit(address, utc_now) if settings.audit else None
    beside: StoredParts | None = None
    if store is not None:
        listener = audit.listen if audit is not None else None
        beside = build_stored_parts(settings, service.parts, store, service.outbound, now=utc_now, audit=listener)
    app.extensions["hipspine-beside"] = beside
    if beside is not None and audit is not None:
        install_audit(app, audit, beside.trail.record)
    stored, bundles = None, None
    if store is not None and beside is not None:
        stored, bundles = _views_of(app, store, service, searches, beside)
    started = utc_now().isoformat(timespec="seconds")
    validation = build_validation(service.validator, service.definitions, store, limits_of(settings))
    install_fhir_routes(
        app,
        definitions=service.definitions,
        operations={
            "assess": partial(assess_view, partial(service.assess, store=store), service.parts.languages),
            "everything": partial(everything_view, store, address, new_id, limits_of(settings)),
            "extract": partial(form_view, partial(service.extract, store=store)),
            "populate": partial(form_view, partial(service.populate, store=store, find=finder(searches.context))),
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
    install_docs(app, sources, address=at)
    records = hook_records(store)
    hooks = with_shared_key(service.hooks, settings, records)
    after_hooks = None
    if store is not None and records is not None:
        after_hooks = build_after_hooks(settings, store, records, service.outbound, now=utc_now, new_id=new_id)
    app.extensions["hipspine-after-hooks"] = after_hooks
    authenticate = build_authentication(settings, service.outbound, seen=records, clock=lambda: utc_now().timestamp())
    hooks_at = hook_address(settings.hooks_url, at)
    if beside is not None and settings.audit:
        install_hook_audit(app, beside.trail.record, address=hooks_at, now=utc_now)
    install_hook_routes(
        app,
        parts=hooks,
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
            parts=hooks,
            records=records,
            authenticate=authenticate,
            address=hooks_at,
            at=at,
            reports_open=settings.reports_open,
            now=utc_now,
        )
    app.register_blueprint(definition_pages(service.definitions, partial(compiled_profiles, "examples", settings)))
    app.register_blueprint(package_blueprint(partial(fhir_package, service), file_name=f"{NAME}-{__version__}.tgz"))
    if beside is not None:
        app.register_blueprint(bulk_blueprint(beside.exports, address))
    app.register_blueprint(front_blueprint(version=__version__, address=at))
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
    app: Flask, store: ResourceStore, service: Service, searches: Searches, beside: StoredParts
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
        operate=operation_runner(app),
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
    _warm_more_after_the_first_answer(app)
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


def _warm_more_after_the_first_answer(app: Flask) -> None:
    """So that nobody who waits for the start waits for this too, and a process that nobody asks anything does nothing."""
    thread = threading.Timer(WARM_AFTER_SECONDS, warm_more, (app.extensions["hipspine-service"],))
    thread.daemon = True  # ends with the process: it only makes what a request would make for itself

    def begin(*_: object, **__: object) -> None:
        request_finished.disconnect(begin, app)
        with contextlib.suppress(RuntimeError):  # another first answer, given at the same moment, has begun it
            thread.start()

    request_finished.connect(begin, app, weak=False)


def views_beside(beside: StoredParts, limits: r4.Limits, address: Callable[[], str]) -> dict[str, OperationView]:
    """The views of export and of the operations on Subscriptions, by name."""
    queries = beside.subscription_queries
    return {
        "export": partial(export_view, beside.exports, limits, address),
        "topics": partial(topics_view, queries, limits),
        "status": partial(status_view, queries, limits, address),
        "events": partial(events_view, queries, limits, address),
    }


