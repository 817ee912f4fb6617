"""The R4B models of fhir.resources read as structures, and the table made of them.

`python -m service.fhir.models` writes `r4_tables/models.json` anew; a test fails when the table no longer says what the
installed models say.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from fhir.resources.R4B import fhirtypes

from service.fhir.elements import TABLES, Element, resource_types

_RESOURCE = "Resource"

# What an EHR puts into an encounter's Bundle, and what we publish; the rest is read from the models when it comes.
TABLED = (  # noqa: SIM905 (fifty quoted names are harder to read)
    "AllergyIntolerance Appointment AuditEvent Bundle CapabilityStatement CarePlan CareTeam ClinicalImpression CodeSystem "
    "Composition ConceptMap Condition Consent Coverage Device DiagnosticReport DocumentReference Encounter EpisodeOfCare "
    "FamilyMemberHistory Flag Goal Group ImagingStudy Immunization List Location Media Medication MedicationRequest "
    "MedicationStatement Observation OperationDefinition OperationOutcome Organization Parameters Patient Practitioner "
    "PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson RiskAssessment SearchParameter "
    "ServiceRequest Specimen StructureDefinition Subscription ValueSet Resource DomainResource"
).split()


def table() -> dict[str, dict[str, str]]:
    """Every structure that can be reached from the tabled types: element name -> how `elements.py` writes it."""
    found: dict[str, dict[str, str]] = {}
    waiting = list(TABLED)
    while waiting:
        name = waiting.pop()
        if name in found or _model(name) is None:
            continue
        elements = list(model_elements(name))
        found[name] = {element.name: _text(element) for element in elements}
        waiting += [element.type for element in elements if not element.primitive and element.type not in resource_types()]
    return dict(sorted(found.items()))


def _text(element: Element) -> str:
    marks = "*" * element.many + "!" * element.required + "-" * (element.primitive and not element.extensible)
    choice = [f"choice:{element.choice}"] if element.choice else []
    return " ".join([element.type + marks, *choice, *sorted(element.targets)])


def model_elements(name: str) -> tuple[Element, ...]:
    """The elements of a type as the models have them, uncorrected. KeyError if there is no model of that name."""
    model = _model(name)
    if model is None:
        raise KeyError(name)
    return tuple(_read(model))


def _model(name: str) -> Any:
    """The model class of that name, or None. Imported on first use: 1 to 30 ms a module."""
    annotation = getattr(fhirtypes, f"{name}Type", None)
    path = getattr(annotation, "_model_klass", None)
    if path is None:
        return None
    module, _, attribute = path.rpartition(".")
    if not module.startswith("fhir."):
        module = f"fhir.resources.R4B.{module.rpartition('.')[2]}"
    return getattr(import_module(module), attribute)


def _read(model: Any) -> Iterator[Element]:
    """The elements of a model class, in the model's order."""
    names = {field.alias for field in model.model_fields.values()}
    for field in model.model_fields.values():
        facts = field.json_schema_extra or {}
        name = field.alias
        if name is None or name.startswith("_") or name == "fhir_comments" or facts.get("element_property") is False:
            continue
        kind = _type_name(field.annotation, field.metadata)
        choice = facts.get("one_of_many", "")
        targets = frozenset(facts.get("enum_reference_types", ())) - {_RESOURCE}
        yield Element(
            name, kind, many=_repeats(field.annotation),
            required=bool(facts["one_of_many_required"] if choice else field.is_required() or facts.get("element_required")),
            choice=choice, targets=targets, extensible=f"_{name}" in names,
        )


def _repeats(annotation: Any) -> bool:
    return typing.get_origin(annotation) is list or any(_repeats(part) for part in typing.get_args(annotation))


def _type_name(annotation: Any, metadata: typing.Sequence[Any] = ()) -> str:
    """The R4 name of what an annotation holds. The library marks some primitives in the field's metadata instead."""
    for mark in metadata:
        visit = getattr(type(mark), "__visit_name__", None)
        if visit is not None:
            return str(visit)
    name = _annotation_names().get(annotation) if _hashable(annotation) else None
    if name is not None:
        return name
    path = getattr(annotation, "_model_klass", None)
    if path is not None:
        return str(path).rpartition(".")[2]
    for part in typing.get_args(annotation):
        if part is not type(None) and (name := _type_name(part)):
            return name
    return ""


def _hashable(annotation: Any) -> bool:
    return getattr(type(annotation), "__hash__", None) is not None


@cache
def _annotation_names() -> Mapping[Any, str]:
    return {
        fhirtypes.BooleanType: "boolean", fhirtypes.StringType: "string", fhirtypes.Base64BinaryType: "base64Binary",
        fhirtypes.CodeType: "code", fhirtypes.IdType: "id", fhirtypes.DecimalType: "decimal", fhirtypes.IntegerType: "integer",
        fhirtypes.UnsignedIntType: "unsignedInt", fhirtypes.PositiveIntType: "positiveInt", fhirtypes.UriType: "uri",
        fhirtypes.CanonicalType: "canonical", fhirtypes.OidType: "oid", fhirtypes.UuidType: "uuid", fhirtypes.UrlType: "url",
        fhirtypes.MarkdownType: "markdown", fhirtypes.XhtmlType: "xhtml", fhirtypes.DateType: "date",
        fhirtypes.DateTimeType: "dateTime", fhirtypes.InstantType: "instant", fhirtypes.TimeType: "time",
    }


if __name__ == "__main__":
    (TABLES / "models.json").write_text(json.dumps(table(), indent=1) + "\n", encoding="utf-8")
