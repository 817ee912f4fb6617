"""What this server offers for each FHIR type: the one list behind the routes, the CapabilityStatement and the searches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Interaction = Literal["read", "search-type"]
Level = Literal["type", "instance"]


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """One search parameter as the CapabilityStatement shows it. `element` is the element it compares."""

    name: str
    type: Literal["uri", "token"]
    element: str
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


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One FHIR type: what can be done with it here."""

    name: str
    documentation: str
    interactions: tuple[Interaction, ...] = ()
    search_parameters: tuple[SearchParameter, ...] = ()
    operations: tuple[Operation, ...] = ()


ASSESS = Operation(
    name="assess",
    definition="assess",
    documentation="Weighs the findings of one patient and returns one RiskAssessment. Changes and stores nothing.",
)

EXTRACT = Operation(
    name="extract",
    definition="extract",
    documentation="Turns the answers of a form into Observations, as a transaction Bundle in Parameters. Stores nothing.",
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

SYSTEM_OPERATIONS: tuple[Operation, ...] = (ASSESS,)

_BY_ADDRESS = (
    SearchParameter("_id", "token", "id", "The id of the resource; several are separated by commas."),
    SearchParameter("url", "uri", "url", "The canonical address, whole and without version; several are separated by commas."),
)
_BY_ID = _BY_ADDRESS[:1]
_PUBLISHED: tuple[Interaction, ...] = ("read", "search-type")

RESOURCE_TYPES: tuple[ResourceType, ...] = (
    ResourceType(
        "CodeSystem",
        "The codes of our own that requests and answers use. The operations also know the public codes that the maps hold.",
        _PUBLISHED,
        _BY_ADDRESS,
        CODE_SYSTEM_OPERATIONS,
    ),
    ResourceType(
        "ConceptMap",
        "How SNOMED CT, LOINC and ICD codes correspond to our own, and ours to them.",
        _PUBLISHED,
        _BY_ADDRESS,
        CONCEPT_MAP_OPERATIONS,
    ),
    ResourceType("Device", "The software that answers, with its versions.", _PUBLISHED, _BY_ID),
    ResourceType("DocumentReference", "The model card: what the model is, and how good it is.", _PUBLISHED, _BY_ID),
    ResourceType(
        "Observation",
        "Assessed on arrival, not stored.",
        operations=(ASSESS,),
    ),
    ResourceType("OperationDefinition", "The operations of this server.", _PUBLISHED, _BY_ADDRESS),
    ResourceType(
        "Questionnaire", "The intake and examination form; every item is coded.", _PUBLISHED, _BY_ADDRESS, operations=(POPULATE,)
    ),
    ResourceType(
        "QuestionnaireResponse",
        "Assessed on arrival, not stored.",
        operations=(ASSESS, EXTRACT),
    ),
    ResourceType(
        "ValueSet",
        "The lists of codes that the form and the answers are bound to.",
        _PUBLISHED,
        _BY_ADDRESS,
        VALUE_SET_OPERATIONS,
    ),
    ResourceType("SearchParameter", "The search parameters of this server that R4 does not have.", _PUBLISHED, _BY_ADDRESS),
    ResourceType("StructureDefinition", "The profiles and extensions of requests and answers.", _PUBLISHED, _BY_ADDRESS),
)


def resource_type(name: str) -> ResourceType | None:
    """What is offered for the FHIR type of that name, or None if it is not served."""
    return next((offered for offered in RESOURCE_TYPES if offered.name == name), None)
