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
    """One operation. `definition` is the id of its OperationDefinition below the canonical base.

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

SYSTEM_OPERATIONS: tuple[Operation, ...] = (ASSESS,)

_BY_ADDRESS = (
    SearchParameter("_id", "token", "id", "The id of the resource; several are separated by commas."),
    SearchParameter("url", "uri", "url", "The canonical address, whole and without version; several are separated by commas."),
)
_BY_ID = _BY_ADDRESS[:1]
_PUBLISHED: tuple[Interaction, ...] = ("read", "search-type")

RESOURCE_TYPES: tuple[ResourceType, ...] = (
    ResourceType("CodeSystem", "The codes of our own that requests and answers use.", _PUBLISHED, _BY_ADDRESS),
    ResourceType("ConceptMap", "How SNOMED CT, LOINC and ICD codes correspond to our own.", _PUBLISHED, _BY_ADDRESS),
    ResourceType("Device", "The software that answers, with its versions.", _PUBLISHED, _BY_ID),
    ResourceType("DocumentReference", "The model card: what the model is, and how good it is.", _PUBLISHED, _BY_ID),
    ResourceType(
        "Observation",
        "Assessed on arrival, not stored.",
        operations=(ASSESS,),
    ),
    ResourceType("OperationDefinition", "The operations of this server.", _PUBLISHED, _BY_ADDRESS),
    ResourceType("Questionnaire", "The intake and examination form; every item is coded.", _PUBLISHED, _BY_ADDRESS),
    ResourceType(
        "QuestionnaireResponse",
        "Assessed on arrival, not stored.",
        operations=(ASSESS,),
    ),
    ResourceType("SearchParameter", "The search parameters of this server that R4 does not have.", _PUBLISHED, _BY_ADDRESS),
    ResourceType("StructureDefinition", "The profiles and extensions of requests and answers.", _PUBLISHED, _BY_ADDRESS),
    ResourceType("ValueSet", "The lists of codes that the form and the answers are bound to.", _PUBLISHED, _BY_ADDRESS),
)


def resource_type(name: str) -> ResourceType | None:
    """What is offered for the FHIR type of that name, or None if it is not served."""
    return next((offered for offered in RESOURCE_TYPES if offered.name == name), None)
