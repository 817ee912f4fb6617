"""What this server offers for each FHIR type: the one list behind the routes, the CapabilityStatement and the searches."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from service.fhir.search_parameters import parameters_of
from service.records import dataclass

Interaction = Literal[
    "read", "vread", "update", "delete", "history-instance", "history-type", "create", "search-type"
]
Level = Literal["type", "instance"]


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """One search parameter of a type. The address of its `definition` begins with a slash if it is ours."""

    name: str
    type: str
    definition: str
    documentation: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `definition` is the id of its OperationDefinition below the canonical base, or its whole address.

    `levels` are where it is offered on a resource type, `methods` how it is called; an operation that only reads takes GET too.
    """

    name: str
    definition: str
    documentation: str
    levels: tuple[Level, ...] = ("type",)
    methods: tuple[str, ...] = ("POST",)
    needs_store: bool = False  # makes no sense, and is not offered, where nothing is stored


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One FHIR type: what can be done with it here.

    A type is either stored (its resources have versions), written by callers or by the service itself, or published: its
    resources come with the service and are only read.
    """

    name: str
    documentation: str
    interactions: tuple[Interaction, ...] = ()
    operations: tuple[Operation, ...] = ()

    @property
    def search_parameters(self) -> tuple[SearchParameter, ...]:
        """What it can be searched by: every parameter that R4 has for the type, and ours."""
        if "search-type" not in self.interactions:
            return ()
        return tuple(
            SearchParameter(code, parameter.type, parameter.url, f"By `{parameter.expression}`.")
            for code, parameter in parameters_of(self.name).items()
        )

    @property
    def stored(self) -> bool:
        return "vread" in self.interactions


ASSESS = Operation(
    name="assess",
    definition="assess",
    documentation="Weighs the findings of one patient, sent or stored, and returns one RiskAssessment. Stores nothing.",
    levels=("type", "instance"),
)

EXTRACT = Operation(
    name="extract",
    definition="extract",
    documentation="Turns the answers of a form into Observations, as a transaction Bundle in Parameters. Stores nothing.",
    levels=("type", "instance"),
)

POPULATE = Operation(
    name="populate",
    definition="populate",
    documentation="Fills in a form from a patient's record, for a clinician to look over. Stores nothing.",
    levels=("type", "instance"),
)

_STANDARD = "http://hl7.org/fhir/OperationDefinition"
_BOTH: tuple[Level, ...] = ("type", "instance")
_READING = ("GET", "POST")
EVERYTHING_HELD = Operation(
    "everything",
    f"{_STANDARD}/Patient-everything",
    "All that is held of one patient, page by page, with the devices and people it refers to.",
    ("instance",),
    _READING,
)
CODE_SYSTEM_OPERATIONS = (
    Operation("lookup", f"{_STANDARD}/CodeSystem-lookup", "What is known of a code held here.", _BOTH, _READING),
    Operation("subsumes", f"{_STANDARD}/CodeSystem-subsumes", "How two codes of one system relate.", _BOTH, _READING),
    Operation(
        "validate-code", f"{_STANDARD}/CodeSystem-validate-code", "Whether a code is one of a code system.", _BOTH, _READING
    ),
)
VALUE_SET_OPERATIONS = (
    Operation("expand", f"{_STANDARD}/ValueSet-expand", "The codes of a value set, page by page.", _BOTH, _READING),
    Operation("validate-code", f"{_STANDARD}/ValueSet-validate-code", "Whether a code is one of a value set.", _BOTH, _READING),
)
CONCEPT_MAP_OPERATIONS = (
    Operation("translate", f"{_STANDARD}/ConceptMap-translate", "What a code is in another system.", _BOTH, _READING),
)

VALIDATE = Operation(
    "validate",
    f"{_STANDARD}/Resource-validate",
    "Whether a resource is valid R4 and conforms to the profiles it claims or the call names. Stores nothing. On an instance "
    "without a resource: whether what is there is.",
    _BOTH,
)

_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition"
SUBSCRIPTION_OPERATIONS = (
    Operation(
        "topics", "topics", "The topics that can be subscribed to, with their filters.", ("type",), _READING, needs_store=True
    ),
    Operation(
        "status", f"{_BACKPORT}/backport-subscription-status", "How one or several Subscriptions stand.", _BOTH, _READING,
        needs_store=True,
    ),
    Operation(
        "events",
        f"{_BACKPORT}/backport-subscription-events",
        "The events of a Subscription again, by their numbers.",
        ("instance",),
        _READING,
        needs_store=True,
    ),
)

_BULK = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
EXPORT = Operation(
    "export", f"{_BULK}/export", "What is stored, as files of one resource per line.", ("type",), _READING, needs_store=True
)
EXPORT_PATIENTS = replace(EXPORT, definition=f"{_BULK}/patient-export", documentation="The same, of all patients.")

SYSTEM_OPERATIONS: tuple[Operation, ...] = (ASSESS, EXPORT)
SYSTEM_INTERACTIONS = ("transaction", "batch", "history-system")

_PUBLISHED: tuple[Interaction, ...] = ("read", "search-type")
# What the service alone writes, a caller only reads: whoever could add to the audit trail could forge it.
_KEPT: tuple[Interaction, ...] = ("read", "vread", "history-instance", "history-type", "search-type")
_STORED: tuple[Interaction, ...] = ("create", *_KEPT, "update", "delete")

# Types of which some resources come with the service: they are put into the store when it starts.
PUBLISHED_AND_STORED = ("Device", "DocumentReference")

_TYPES: tuple[ResourceType, ...] = (
    ResourceType(
        "CodeSystem",
        "The codes of our own that requests and answers use. The operations also know the public codes that the maps hold.",
        _PUBLISHED,
        CODE_SYSTEM_OPERATIONS,
    ),
    ResourceType(
        "ConceptMap",
        "How SNOMED CT, LOINC and ICD codes correspond to our own, and ours to them.",
        _PUBLISHED,
        CONCEPT_MAP_OPERATIONS,
    ),
    ResourceType("AuditEvent", "Who did what, when. Written by the service alone, never changed.", _KEPT),
    ResourceType("Bundle", "Several resources at once: transactions, batches, and what is assessed together."),
    ResourceType("CarePlan", "What is planned for a patient.", _STORED),
    ResourceType("Condition", "Diagnoses and complaints; those of spine and hip are read by the assessment.", _STORED),
    ResourceType("Device", "The software that answers, with its versions (`Device/hipspine`), and others.", _STORED),
    ResourceType("DiagnosticReport", "Reports of imaging and laboratory.", _STORED),
    ResourceType(
        "DocumentReference",
        "The model card (`DocumentReference/model-card`): what the model is, and how good it is; and other documents.",
        _STORED,
    ),
    ResourceType("Encounter", "The contact between patient and clinician that findings belong to.", _STORED),
    ResourceType("Observation", "Findings, one each; read by the assessment.", _STORED, (ASSESS,)),
    ResourceType("Organization", "Whom an encounter is with.", _STORED),
    ResourceType(
        "Patient",
        "The person whom everything is about; age and sex are read by the assessment.",
        _STORED,
        (EVERYTHING_HELD, EXPORT_PATIENTS),
    ),
    ResourceType("Practitioner", "Who examined, ordered or recorded.", _STORED),
    ResourceType("PractitionerRole", "In which role and for whom a practitioner acts.", _STORED),
    ResourceType("Procedure", "What was done to a patient.", _STORED),
    ResourceType("Provenance", "Where a resource comes from.", _STORED),
    ResourceType("RiskAssessment", "Assessments: what `$assess` answers, and earlier ones.", _STORED),
    ResourceType("ServiceRequest", "Orders and referrals.", _STORED),
    ResourceType("Subscription", "Who is to be told of what.", _STORED, SUBSCRIPTION_OPERATIONS),
    ResourceType("OperationDefinition", "The operations of this server.", _PUBLISHED),
    ResourceType(
        "Questionnaire", "The intake and examination form; every item is coded.", _PUBLISHED, operations=(POPULATE,)
    ),
    ResourceType(
        "QuestionnaireResponse",
        "Answers to the form; read by the assessment.",
        _STORED,
        (ASSESS, EXTRACT),
    ),
    ResourceType(
        "ValueSet",
        "The lists of codes that the form and the answers are bound to.",
        _PUBLISHED,
        VALUE_SET_OPERATIONS,
    ),
    ResourceType(
        "CapabilityStatement", "What every server of this kind offers; what this one offers is at `metadata`.", _PUBLISHED
    ),
    ResourceType("SearchParameter", "The search parameters of this server that R4 does not have.", _PUBLISHED),
    ResourceType("StructureDefinition", "The profiles and extensions of requests and answers.", _PUBLISHED),
)

RESOURCE_TYPES = tuple(replace(offered, operations=(*offered.operations, VALIDATE)) for offered in _TYPES)


def system_operations(*, storing: bool) -> tuple[Operation, ...]:
    """The operations on the system as a whole, of this instance."""
    return SYSTEM_OPERATIONS if storing else tuple(one for one in SYSTEM_OPERATIONS if not one.needs_store)


def offered_types(*, storing: bool) -> tuple[ResourceType, ...]:
    """The types of this instance, by name. Where nothing is stored: what is published, and the operations on what is sent."""
    if storing:
        return tuple(sorted(RESOURCE_TYPES, key=lambda offered: offered.name))
    return tuple(kept for offered in offered_types(storing=True) if (kept := _without_store(offered)) is not None)


def resource_type(name: str) -> ResourceType | None:
    """What is offered for the FHIR type of that name where resources are stored, or None if it is not served."""
    return next((offered for offered in RESOURCE_TYPES if offered.name == name), None)


def _without_store(offered: ResourceType) -> ResourceType | None:
    if not offered.stored:
        return offered
    operations = tuple(
        replace(operation, levels=("type",)) for operation in offered.operations
        if "type" in operation.levels and not operation.needs_store
    )
    if offered.name in PUBLISHED_AND_STORED:
        return replace(offered, interactions=_PUBLISHED, operations=operations)
    return replace(offered, interactions=(), operations=operations) if operations else None
