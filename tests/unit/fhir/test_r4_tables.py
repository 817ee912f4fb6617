"""The tables that correct R4B to R4: no entry is stale, and they agree with what the models do say."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import fhir.resources.R4B
import pytest
from fhir.resources.R4B.resource import Resource as ResourceModel

from service.fhir.elements import TABLES, resource_types, structure
from service.fhir.invariants import invariants
from service.fhir.models import table as models_table


def table(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((TABLES / f"{name}.json").read_text(encoding="utf-8"))
    return content


@cache
def models() -> Mapping[str, Any]:
    """Every R4B model class by name."""
    found = {}
    for module in pkgutil.iter_modules(fhir.resources.R4B.__path__):
        for name, thing in vars(importlib.import_module(f"fhir.resources.R4B.{module.name}")).items():
            if isinstance(thing, type) and hasattr(thing, "model_fields") and thing.__module__.endswith(module.name):
                found[name] = thing
    return found


def test_the_146_resource_types_of_r4_all_have_a_structure() -> None:
    assert len(resource_types()) == 146
    for name in resource_types():
        assert structure(name).is_resource, name
        assert structure(name).elements["id"].type == "id"


def test_every_element_of_every_type_has_a_known_type() -> None:
    seen: set[str] = set()
    waiting = sorted(resource_types())
    while waiting:
        name = waiting.pop()
        if name in seen or name == "Resource":
            continue
        seen.add(name)
        for element in structure(name).elements.values():
            assert element.type, f"{name}.{element.name}"
            if not element.primitive:
                waiting.append(element.type)
    assert len(seen) > 600
    assert {"Quantity", "BundleEntryRequest", "MedicinalProductName", "Extension"} <= seen
    assert not {"CodeableReference", "RatioRange"} & seen, "R4 has no such data types"


def test_types_r4b_added_are_not_r4() -> None:
    added = {name for name, model in models().items() if issubclass(model, ResourceModel)} - resource_types()
    assert added >= {
        "SubscriptionTopic",
        "SubscriptionStatus",
        "Citation",
        "Ingredient",
        "NutritionProduct",
        "ClinicalUseDefinition",
    }


@pytest.mark.parametrize("key", ["removed", "required", "targets"])
def test_every_correction_names_an_element_of_the_models(key: str) -> None:
    for path in table("r4_differences")[key]:
        name, element = path.split(".")
        assert element in {field.alias for field in models()[name].model_fields.values()}, path


def test_no_element_is_added_that_the_models_have() -> None:
    for path in table("r4_differences")["added"]:
        name, element = path.split(".")
        assert element not in {field.alias for field in models()[name].model_fields.values()}, path


@pytest.mark.parametrize(
    ("path", "targets"),
    [
        ("Observation.subject", {"Patient", "Group", "Device", "Location"}),
        ("DiagnosticReport.subject", {"Patient", "Group", "Device", "Location"}),
        (
            "QuestionnaireResponse.author",
            {"Device", "Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Organization"},
        ),
        ("QuestionnaireResponse.subject", set()),
    ],
)
def test_reference_targets_are_those_of_r4(path: str, targets: set[str]) -> None:
    name, element = path.split(".")
    assert structure(name).elements[element].targets == targets


def test_every_binding_names_a_coded_element_and_a_listed_value_set() -> None:
    bindings = table("bindings")
    of_profiles = {"risk-probability"}  # R4 only suggests it; our profile of the RiskAssessment requires it
    assert set(bindings["elements"].values()) | of_profiles == set(bindings["valueSets"])
    for path in bindings["elements"]:
        name, element = path.split(".")
        found = structure(name).elements[element]
        assert found.type in ("code", "Coding", "CodeableConcept"), path
        assert found.binding is not None


def test_bindings_agree_with_the_codes_the_models_list_in_full() -> None:
    """The models repeat the codes from an element's short text, which ends in ``+`` where it has no room for all."""
    elements, value_sets = table("bindings")["elements"], table("bindings")["valueSets"]
    compared = 0
    for path, value_set in elements.items():
        name, element = path.split(".")
        model = models().get(name)
        field = next((field for field in model.model_fields.values() if field.alias == element), None) if model else None
        listed = (field.json_schema_extra or {}).get("enum_values", []) if field else []
        if field is None or not listed or "+" in listed or len(listed) < 2:
            continue
        codes = {code for system in value_sets[value_set].values() for code in system}
        plain = {code for code in listed if code.replace("-", "").isalnum()}
        if plain & codes:
            compared += 1
            # R4B gained codes (a newer month of FHIR versions, two data types); it lost none of R4.
            assert codes <= set(listed) or plain <= codes, path
    assert compared > 100


def test_the_types_the_service_reads_and_writes_have_their_status_bound() -> None:
    for name in (
        "Observation",
        "QuestionnaireResponse",
        "Questionnaire",
        "Encounter",
        "Procedure",
        "DiagnosticReport",
        "ServiceRequest",
        "RiskAssessment",
        "CapabilityStatement",
        "Device",
        "CodeSystem",
        "ConceptMap",
        "OperationDefinition",
    ):
        assert structure(name).elements["status"].binding is not None, name


def test_every_invariant_belongs_to_a_structure_and_names_a_rule_and_a_repair() -> None:
    for name, rules in invariants().items():
        assert structure(name)
        assert len({rule.key for rule in rules}) == len(rules), name
        for rule in rules:
            assert rule.rule.endswith("."), rule.key
            assert rule.repair.endswith("."), rule.key


def test_the_table_of_structures_says_what_the_installed_models_say() -> None:
    """`python -m service.fhir.models` writes it anew."""
    committed = json.loads((TABLES / "models.json").read_text(encoding="utf-8"))
    assert models_table() == committed


@pytest.mark.parametrize("name", ["MolecularSequence", "Basic"])
def test_a_type_outside_the_table_is_read_from_the_models(name: str) -> None:
    assert name not in json.loads((TABLES / "models.json").read_text(encoding="utf-8"))
    assert "id" in structure(name).elements


def test_the_everyday_types_are_checked_without_loading_the_models() -> None:
    """What a start must not wait for: pydantic and the models."""
    code = (
        "import json, sys; from service.fhir import r4;"
        "r4.check({'resourceType': 'Observation', 'status': 'final', 'code': {'text': 'x'}});"
        "sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[3]).returncode == 0
