"""Every part of one process: the data loaded, the engine and the operations built once and warmed, the store opened."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from service import __version__
from service.assessment.forms import extract, populate
from service.assessment.run import NOTHING_MORE, AssessOptions, Parts, assess_subject
from service.clients.outbound import Outbound
from service.composition.codes import build_terminology, build_terminology_server, build_validator
from service.composition.hooks import build_hooks, build_outbound
from service.composition.languages import translated_vocabularies
from service.engine.assess import build_engine
from service.fhir import r4
from service.fhir.codes.licence import without_snomed
from service.fhir.codes.operations import TerminologyOperations
from service.fhir.codes.published import published_terminology
from service.fhir.conformance import Definitions, Published, compiled
from service.fhir.package import CONFORMANCE_TYPES, build_package
from service.fhir.search_index import resource_indexer
from service.fhir.terminology import load_terminology
from service.fhir.validation import Validator
from service.hooks.run import HookParts
from service.interactions.assessing import NOTHING_SENT, Gathered, gather
from service.interactions.finding import Find
from service.interactions.populating import gather_record
from service.interactions.single import read
from service.knowledge.load import load_knowledge_base
from service.mapping.questionnaire import build_questionnaire
from service.model_card.card import load_card
from service.model_card.resources import card_resources
from service.records import dataclass
from service.resources import profiles_directory, tables_directory, terminology_directory
from service.settings import CANONICAL_BASE, Settings
from service.web.operations.assess import Assess, check_form

if TYPE_CHECKING:
    from service.storage.store import ResourceStore

Resource = dict[str, Any]

WARM_ANSWERS = 20  # a first form of 60 answers then takes about four times as long as the second


@dataclass(frozen=True, slots=True)
class Service:
    """Every part of one process, built once and shared by its doors."""

    settings: Settings
    parts: Parts
    definitions: Definitions
    assess: Assess
    extract: Callable[..., Resource]
    populate: Callable[..., Resource]
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
        [questionnaire, *published_terminology(terminology), *compiled_profiles("resources", settings), *card]
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

    def populated(
        raw: bytes, resource_id: str | None, *, store: ResourceStore | None = None, find: Find | None = None
    ) -> Resource:
        if resource_id is not None:
            definitions.read("Questionnaire", resource_id)
        parsed = r4.parse(raw, limits=limits)
        gathered: Gathered | None = None
        if store is not None and find is not None:
            with store.reading() as reader:
                gathered = gather_record(parsed.resource, reader, find)
        return populate(
            parsed.resource if gathered is None else gathered.resource,
            parts=parts,
            find=partial(definitions.find, "Questionnaire"),
            warnings=parsed.warnings,
            questionnaire_id=resource_id,
            stored=None if gathered is None else gathered.stored,
        )

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


def warm_up(service: Service) -> None:
    """Make the first assessment, so that a service which cannot is never ready and the first caller does not wait for it."""
    r4.serialise(service.assess(r4.serialise(filled_form(service.parts.questionnaire, WARM_ANSWERS)), None))
    # What is loaded by now stays for good: taking it out of the collector's sight spares every request its walk over it.
    gc.freeze()
    gc.enable()


def warm_more(service: Service) -> None:
    """Prepare what callers may send and ask for next. Whoever asks for it first makes it, so nobody has to wait for this."""
    r4.warm(("Bundle", "Condition", "Encounter", "Observation", "Parameters", "Patient", "RiskAssessment"))
    service.parts.engine.uncertainty.prepare()
    for language in service.parts.translated:
        service.parts.vocabulary_in(language)


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
        (published.load() for published in compiled_profiles("examples", service.settings)),
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


def compiled_profiles(folder: str, settings: Settings) -> Iterator[Published]:
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
