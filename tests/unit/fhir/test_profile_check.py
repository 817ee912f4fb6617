"""A profile held against resources: each kind of demand, broken and kept, on small definitions made for the purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.errors import Fault
from service.fhir.profile_check import ProfileCheck
from service.fhir.profile_definitions import Profiles
from service.fhir.profile_pass import contains
from service.fhir.profile_rules import FhirPathRules

Resource = dict[str, Any]

BASE = "https://test.example/fhir"
PROFILE, EXTENSION = f"{BASE}/StructureDefinition/patient", f"{BASE}/StructureDefinition/colour"
COLOURS, COLOUR = f"{BASE}/ValueSet/colours", f"{BASE}/CodeSystem/colour"


class Codes:
    """A value set of two codes, and the code system they are of."""

    def member(self, value_set: str, system: str, code: str) -> bool | None:
        return None if value_set != COLOURS else code in ("red", "blue") and system in ("", COLOUR)

    def exists(self, system: str, code: str) -> bool | None:
        return None if system != COLOUR else code in ("red", "blue", "green")


def definition(kind: str, *elements: Resource, **more: Any) -> Resource:
    """A StructureDefinition of that type whose differential holds the elements; ids are given without the type."""
    listed = [{"id": kind, "path": kind}]
    listed += [{**element, "id": f"{kind}.{element['id']}", "path": f"{kind}.{element['id']}"} for element in elements]
    return {"resourceType": "StructureDefinition", "url": PROFILE, "version": "1", "name": "Test", "type": kind,
            "differential": {"element": listed}, **more}


@pytest.fixture(scope="module")
def rules() -> FhirPathRules:
    return FhirPathRules()


@pytest.fixture
def judge(rules: FhirPathRules) -> Callable[..., list[tuple[str, str]]]:
    """(kind, place) of every fault of a resource against definitions; the first one is asked for."""

    def judged(resource: Resource, *definitions: Resource, named: bool = True) -> list[tuple[str, str]]:
        loaders = [(one["url"], lambda one=one: one) for one in definitions]
        check = ProfileCheck(Profiles(lambda: loaders, BASE), Codes(), rules.hold)
        faults: tuple[Fault, ...] = check.faults(resource, [definitions[0]["url"]] if named and definitions else [])
        return [(fault.kind, fault.where) for fault in faults if fault.severity == "error"]

    return judged


def patient(**more: Any) -> Resource:
    return {"resourceType": "Patient", **more}


Judge = Callable[..., list[tuple[str, str]]]


# --- cardinality -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "names", "found"),
    [
        (1, "*", [], [("required", "Patient.name")]),
        (1, "*", [{"text": "a"}], []),
        (2, "*", [{"text": "a"}], [("required", "Patient.name")]),
        (0, "1", [{"text": "a"}, {"text": "b"}], [("structure", "Patient.name")]),
        (0, "0", [{"text": "a"}], [("structure", "Patient.name")]),
    ],
)
def test_how_often_an_element_may_be_there(
    judge: Judge, low: int, high: str, names: list[Resource], found: list[tuple[str, str]]
) -> None:
    profile = definition("Patient", {"id": "name", "min": low, "max": high})
    assert judge(patient(**({"name": names} if names else {})), profile) == found


def test_a_demand_on_a_part_holds_wherever_the_whole_is_and_only_there(judge: Judge) -> None:
    profile = definition("Patient", {"id": "contact.name", "min": 1})
    assert judge(patient(), profile) == []
    two = patient(contact=[{"name": {"text": "a"}}, {"gender": "male"}])
    assert judge(two, profile) == [("required", "Patient.contact[1].name")]


def test_a_primitive_that_only_has_extensions_is_there(judge: Judge) -> None:
    profile = definition("Patient", {"id": "birthDate", "min": 1})
    absent = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
    assert judge(patient(_birthDate=absent), profile) == []


# --- values ------------------------------------------------------------------------------------------------------------


def test_a_fixed_value_is_the_whole_value_and_a_pattern_a_part_of_it(judge: Judge) -> None:
    coding = {"system": COLOUR, "code": "red"}
    fixed = definition("Patient", {"id": "maritalStatus", "fixedCodeableConcept": {"coding": [coding]}})
    pattern = definition("Patient", {"id": "maritalStatus", "patternCodeableConcept": {"coding": [{"code": "red"}]}})
    more = {"coding": [{**coding, "display": "Red"}, {"code": "x"}], "text": "more"}
    assert judge(patient(maritalStatus={"coding": [coding]}), fixed) == []
    assert judge(patient(maritalStatus=more), fixed) == [("value", "Patient.maritalStatus")]
    assert judge(patient(maritalStatus=more), pattern) == []
    assert judge(patient(maritalStatus={"text": "x"}), pattern) == [("value", "Patient.maritalStatus")]


@pytest.mark.parametrize(
    ("value", "pattern", "holds"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"b": 2}, {"a": 1}, False),
        ([1, 2], [2], True),
        ([1], [2], False),
        ({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}, True),
        ("x", "x", True),
        (None, {"a": 1}, False),
    ],
)
def test_what_a_pattern_covers(value: Any, pattern: Any, holds: bool) -> None:
    assert contains(value, pattern) is holds


def test_a_choice_may_be_narrowed_to_some_types(judge: Judge) -> None:
    profile = definition("Patient", {"id": "deceased[x]", "type": [{"code": "dateTime"}]})
    assert judge(patient(deceasedDateTime="2020"), profile) == []
    assert judge(patient(deceasedBoolean=True), profile) == [("structure", "Patient.deceasedBoolean")]


def test_a_reference_leads_to_the_types_of_the_profile(judge: Judge) -> None:
    profile = definition(
        "Patient",
        {"id": "generalPractitioner", "type": [{"code": "Reference", "targetProfile": [
            "http://hl7.org/fhir/StructureDefinition/Practitioner", f"{BASE}/StructureDefinition/practice"]}]},
    )
    practice = definition("Organization", url=f"{BASE}/StructureDefinition/practice")
    fine = [{"reference": "Practitioner/1"}, {"reference": "https://x.example/Organization/2"}, {"reference": "urn:uuid:x"}]
    assert judge(patient(generalPractitioner=fine), profile, practice) == []
    wrong = [{"reference": "PractitionerRole/1"}, {"type": "PractitionerRole", "display": "x"}]
    assert judge(patient(generalPractitioner=wrong), profile, practice) == [
        ("value", "Patient.generalPractitioner[0]"), ("value", "Patient.generalPractitioner[1]")
    ]


@pytest.mark.parametrize(("strength", "found"), [("required", [("code-invalid", "Patient.maritalStatus")]), ("extensible", []),
                                                 ("preferred", []), ("example", [])])
def test_only_a_required_binding_makes_an_error(judge: Judge, strength: str, found: list[tuple[str, str]]) -> None:
    profile = definition("Patient", {"id": "maritalStatus", "binding": {"strength": strength, "valueSet": f"{COLOURS}|1"}})
    assert judge(patient(maritalStatus={"coding": [{"system": COLOUR, "code": "green"}]}), profile) == found
    assert judge(patient(maritalStatus={"coding": [{"system": COLOUR, "code": "red"}, {"code": "else"}]}), profile) == []


def test_a_binding_to_what_is_not_held_says_nothing(judge: Judge) -> None:
    profile = definition("Patient", {"id": "gender", "binding": {"strength": "required", "valueSet": "http://x.example/vs"}})
    assert judge(patient(gender="male"), profile) == []


def test_a_code_is_bound_without_a_system(judge: Judge) -> None:
    profile = definition("Patient", {"id": "language", "binding": {"strength": "required", "valueSet": COLOURS}})
    assert judge(patient(language="red"), profile) == []
    assert judge(patient(language="de"), profile) == [("code-invalid", "Patient.language")]


def test_a_rule_in_fhirpath_is_of_its_element(judge: Judge) -> None:
    rule = {"key": "t-1", "severity": "error", "human": "A name has a text.", "expression": "text.exists()"}
    profile = definition("Patient", {"id": "name", "constraint": [rule]})
    assert judge(patient(name=[{"text": "a"}, {"family": "b"}]), profile) == [("invariant", "Patient.name[1]")]


def test_a_rule_about_a_choice_knows_the_element_by_its_stem(judge: Judge) -> None:
    rule = {"key": "t-2", "severity": "error", "human": "Alive.", "expression": "deceased.empty() or deceased = false"}
    profile = definition("Patient", {"id": "active"})
    profile["differential"]["element"][0]["constraint"] = [rule]
    assert judge(patient(deceasedBoolean=False), profile) == []
    assert judge(patient(deceasedBoolean=True), profile) == [("invariant", "Patient")]


def test_a_rule_that_cannot_be_evaluated_does_not_hold(judge: Judge) -> None:
    rule = {"key": "t-3", "severity": "error", "human": "x", "expression": "name.text.toInteger() + 'a' > 1"}
    profile = definition("Patient", {"id": "active"})
    profile["differential"]["element"][0]["constraint"] = [rule]
    assert judge(patient(name=[{"text": "1"}]), profile) == [("invariant", "Patient")]


# --- slices ------------------------------------------------------------------------------------------------------------

BY_SYSTEM: Resource = {"id": "telecom", "slicing": {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}}
PHONE = (
    {"id": "telecom:phone", "sliceName": "phone", "min": 1, "max": "1"},
    {"id": "telecom:phone.system", "fixedCode": "phone"},
    {"id": "telecom:phone.value", "min": 1},
)


def test_a_slice_is_counted_and_held_to_its_own_demands(judge: Judge) -> None:
    profile = definition("Patient", BY_SYSTEM, *PHONE)
    phone, mail = {"system": "phone", "value": "1"}, {"system": "email"}
    assert judge(patient(telecom=[mail, phone]), profile) == []
    assert judge(patient(telecom=[mail]), profile) == [("required", "Patient.telecom")]
    assert judge(patient(telecom=[phone, phone]), profile) == [("structure", "Patient.telecom")]
    assert judge(patient(telecom=[{"system": "phone"}]), profile) == [("required", "Patient.telecom[0].value")]


def test_what_belongs_to_no_slice_is_allowed_where_slicing_is_open_only(judge: Judge) -> None:
    closed = {**BY_SYSTEM, "slicing": {**BY_SYSTEM["slicing"], "rules": "closed"}}
    profile = definition("Patient", closed, *PHONE)
    found = judge(patient(telecom=[{"system": "phone", "value": "1"}, {"system": "email"}]), profile)
    assert found == [("structure", "Patient.telecom[1]")]


def test_slices_by_pattern_by_a_part_of_it_and_by_a_binding(judge: Judge) -> None:
    def sliced(*parts: Resource) -> Resource:
        slicing = {"discriminator": [{"type": "pattern", "path": "relationship"}], "rules": "open"}
        return definition("Patient", {"id": "contact", "slicing": slicing}, {"id": "contact:one", "min": 1}, *parts)

    named = patient(contact=[{"relationship": [{"coding": [{"system": COLOUR, "code": "red", "display": "x"}]}]}])
    for parts in (
        ({"id": "contact:one.relationship", "patternCodeableConcept": {"coding": [{"code": "red"}]}},),
        ({"id": "contact:one.relationship.coding.code", "patternCode": "red"},),
        ({"id": "contact:one.relationship", "binding": {"strength": "required", "valueSet": COLOURS}},),
    ):
        assert judge(named, sliced(*parts)) == []
        other = patient(contact=[{"relationship": [{"coding": [{"code": "green"}]}]}])
        assert judge(other, sliced(*parts)) == [("required", "Patient.contact")]


def test_slices_by_type_of_a_choice(judge: Judge) -> None:
    profile = definition(
        "Observation",
        {"id": "value[x]", "slicing": {"discriminator": [{"type": "type", "path": "$this"}], "rules": "open"}},
        {"id": "value[x]:valueQuantity", "type": [{"code": "Quantity"}]},
        {"id": "value[x]:valueQuantity.unit", "min": 1},
    )
    assert judge({"resourceType": "Observation", "valueQuantity": {"value": 1}}, profile) == [
        ("required", "Observation.valueQuantity.unit")
    ]
    assert judge({"resourceType": "Observation", "valueString": "x"}, profile) == []


def test_slices_by_existence(judge: Judge) -> None:
    profile = definition(
        "Patient",
        {"id": "name", "slicing": {"discriminator": [{"type": "exists", "path": "period"}], "rules": "open"}},
        {"id": "name:old", "max": "1"},
        {"id": "name:old.period", "min": 1},
    )
    old = {"text": "a", "period": {"end": "2000"}}
    assert judge(patient(name=[old, {"text": "b"}]), profile) == []
    assert judge(patient(name=[old, old]), profile) == [("structure", "Patient.name")]


# --- extensions --------------------------------------------------------------------------------------------------------

COLOUR_EXTENSION = definition(
    "Extension",
    {"id": "url", "fixedUri": EXTENSION},
    {"id": "extension", "max": "0"},
    {"id": "value[x]", "min": 1, "type": [{"code": "code"}], "binding": {"strength": "required", "valueSet": COLOURS}},
    url=EXTENSION,
    context=[{"type": "element", "expression": "Patient"}, {"type": "element", "expression": "Patient.contact"}],
)


@pytest.mark.parametrize(
    ("extension", "found"),
    [
        ({"valueCode": "red"}, []),
        ({"valueCode": "green"}, [("code-invalid", "Patient.extension[0].valueCode")]),
        ({"valueString": "red"}, [("structure", "Patient.extension[0].valueString")]),
        ({"extension": [{"url": "x", "valueCode": "y"}]},
         [("structure", "Patient.extension[0].extension"), ("required", "Patient.extension[0].value")]),
    ],
)
def test_an_extension_is_checked_without_being_claimed(judge: Judge, extension: Resource, found: list[tuple[str, str]]) -> None:
    placed = patient(extension=[{"url": EXTENSION, **extension}])
    assert judge(placed, COLOUR_EXTENSION, named=False) == found


def test_an_extension_stands_where_its_definition_says(judge: Judge) -> None:
    fine = {"url": EXTENSION, "valueCode": "red"}
    assert judge(patient(contact=[{"extension": [fine]}]), COLOUR_EXTENSION, named=False) == []
    assert judge(patient(name=[{"extension": [fine]}]), COLOUR_EXTENSION, named=False) == [
        ("structure", "Patient.name[0].extension[0]")
    ]
    assert judge(patient(_birthDate={"extension": [fine]}), COLOUR_EXTENSION, named=False) == [
        ("structure", "Patient._birthDate.extension[0]")
    ]


def test_an_extension_slice_is_told_by_the_profile_of_its_type(judge: Judge) -> None:
    profile = definition(
        "Patient", {"id": "extension:colour", "min": 1, "max": "1", "type": [{"code": "Extension", "profile": [EXTENSION]}]}
    )
    fine = {"url": EXTENSION, "valueCode": "red"}
    assert judge(patient(extension=[fine, {"url": "http://x.example/y", "valueCode": "z"}]), profile, COLOUR_EXTENSION) == []
    assert judge(patient(), profile, COLOUR_EXTENSION) == [("required", "Patient.extension")]
    assert judge(patient(extension=[fine, fine]), profile, COLOUR_EXTENSION) == [("structure", "Patient.extension")]


def test_an_address_of_ours_without_a_definition_is_an_error_and_a_strangers_is_not(judge: Judge) -> None:
    unknown = patient(extension=[{"url": f"{BASE}/StructureDefinition/none", "valueCode": "x"}])
    assert judge(unknown, COLOUR_EXTENSION, named=False) == [("structure", "Patient.extension[0].url")]
    assert judge(patient(extension=[{"url": "http://x.example/none", "valueCode": "x"}]), COLOUR_EXTENSION, named=False) == []


# --- codes and parts ---------------------------------------------------------------------------------------------------


def test_a_code_that_its_system_does_not_have_is_an_error_anywhere(judge: Judge) -> None:
    concept = {"coding": [{"system": COLOUR, "code": "pink"}, {"system": "http://x.example", "code": "pink"}]}
    assert judge(patient(maritalStatus=concept)) == [("code-invalid", "Patient.maritalStatus.coding[0].code")]
    assert judge(patient(maritalStatus={"coding": [{"system": COLOUR, "code": "green"}]})) == []


def test_parts_are_held_to_the_profiles_they_claim(judge: Judge) -> None:
    profile = definition("Patient", {"id": "name", "min": 1})
    claiming = {"resourceType": "Patient", "id": "p", "meta": {"profile": [f"{PROFILE}|1"]}}
    whole = {"resourceType": "Observation", "contained": [claiming]}
    assert judge(whole, profile, named=False) == [("required", "Observation.contained[0].name")]
    assert judge({"resourceType": "Bundle", "entry": [{"resource": claiming}]}, profile, named=False) == [
        ("required", "Bundle.entry[0].resource.name")
    ]


def test_a_strange_shape_is_passed_over_because_the_base_check_told_of_it(judge: Judge) -> None:
    profile = definition("Patient", BY_SYSTEM, *PHONE, {"id": "contact.name.family", "min": 1})
    for shape in ({"telecom": "x"}, {"telecom": [1, None]}, {"contact": {"name": []}}, {"extension": ["x", {"url": 1}]},
                  {"meta": []}, {"meta": {"profile": [1]}}):
        judge(patient(**shape), profile)
