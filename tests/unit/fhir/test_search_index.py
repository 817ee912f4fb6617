"""What a resource is found by, compared with a general FHIRPath engine on random resources, and kind by kind by hand."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from support.fhirpath import engine
from support.random_resources import random_resource

from service.fhir.index_values import (
    DateValue,
    IndexValue,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
)
from service.fhir.resource_types import RESOURCE_TYPES
from service.fhir.search_index import LARGEST, resource_indexer
from service.fhir.search_parameters import parameters_of
from service.fhir.search_paths import compile_path
from service.fhir.search_values import EARLIEST, LATEST, period

Resource = dict[str, Any]
TYPES = sorted(offered.name for offered in RESOURCE_TYPES)
PER_TYPE = 25


def plain(value: Any) -> str:
    """One text for equal values, whoever found them: numbers by value, members in one order."""
    return json.dumps(_plain(value), sort_keys=True, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal | int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value) if not isinstance(value, bool | str) and value is not None else value


def distinct(values: Iterable[Any]) -> list[str]:
    """In one order and each once: a union in FHIRPath keeps no doubles."""
    return sorted({plain(value) for value in values})


@pytest.mark.parametrize("type_name", TYPES)
def test_every_expression_finds_what_a_general_fhirpath_engine_finds(type_name: str) -> None:
    rng = random.Random(type_name)
    found = 0
    for number in range(PER_TYPE):
        resource = random_resource(type_name, str(number), rng)
        given = json.loads(json.dumps(resource, default=float))
        for parameter in parameters_of(type_name).values():
            own = [value for _, value in compile_path(parameter.expression, type_name).nodes(resource, type_name)]
            assert distinct(own) == distinct(engine(parameter.expression, type_name)(given)), (parameter.code, given)
            found += len(own)
    assert found > PER_TYPE


def test_an_expression_that_is_not_understood_is_an_error() -> None:
    for text in ("Patient.name.first()", "Patient.shoes", "(Patient.deceased as boolean).nothing"):
        with pytest.raises(ValueError, match=r"not understood|no element"):
            compile_path(text, "Patient")


# --- kind by kind ------------------------------------------------------------------------------------------------------


def values(resource: Resource, name: str, servers: tuple[str, ...] = ()) -> list[IndexValue]:
    whole = {"id": "1", "meta": {"versionId": "1", "lastUpdated": "2026-01-01T00:00:00Z"}, **resource}
    return [value for value in resource_indexer(servers)(whole) if value.name == name]


def test_a_coded_value_is_found_by_every_coding_without_case() -> None:
    concept = {"coding": [{"system": "urn:s", "code": "AbC"}, {"code": "d"}], "text": "words"}
    assert values({"resourceType": "Observation", "code": concept}, "code") == [
        TokenValue("code", "abc", "urn:s"), TokenValue("code", "d"),
    ]  # fmt: skip
    assert values({"resourceType": "Observation", "code": {"text": "words"}}, "code") == [TokenValue("code", "")]


def test_an_identifier_keeps_its_case() -> None:
    identifier = [{"system": "urn:s", "value": "AbC"}, {"value": "d"}]
    assert values({"resourceType": "Patient", "identifier": identifier}, "identifier") == [
        TokenValue("identifier", "AbC", "urn:s"), TokenValue("identifier", "d"),
    ]  # fmt: skip


def test_truth_and_what_is_asked_of_it() -> None:
    assert values({"resourceType": "Patient", "active": False}, "active") == [TokenValue("active", "false")]
    for patient, deceased in (({}, "false"), ({"deceasedBoolean": False}, "false"), ({"deceasedBoolean": True}, "true"),
                              ({"deceasedDateTime": "2020"}, "true")):  # fmt: skip
        assert values({"resourceType": "Patient", **patient}, "deceased") == [TokenValue("deceased", deceased)]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"reference": "Patient/1"}, ReferenceValue("subject", "1", "Patient")),
        ({"reference": "Patient/1/_history/2"}, ReferenceValue("subject", "1", "Patient", version="2")),
        ({"reference": "http://o/r4/Patient/1"}, ReferenceValue("subject", "1", "Patient", "http://o/r4")),
        ({"reference": "https://hip.example/fhir/Patient/1"}, ReferenceValue("subject", "1", "Patient")),
        ({"reference": "urn:uuid:x"}, ReferenceValue("subject", "urn:uuid:x")),
        ({"reference": "#p"}, ReferenceValue("subject", "#p")),
        ({"display": "somebody"}, ReferenceValue("subject")),
        ({"identifier": {"system": "urn:s", "value": "V"}},
         ReferenceValue("subject", identifier_system="urn:s", identifier_value="V")),
    ],
)  # fmt: skip
def test_where_a_reference_points(reference: Resource, expected: ReferenceValue) -> None:
    resource = {"resourceType": "RiskAssessment", "subject": reference}
    assert values(resource, "subject", ("https://hip.example/fhir",)) == [expected]


def test_R48_a_basis_is_found_with_and_without_its_version() -> None:
    basis = [{"reference": "QuestionnaireResponse/7/_history/3"}]
    assert values({"resourceType": "RiskAssessment", "basis": basis}, "basis") == [
        ReferenceValue("basis", "7", "QuestionnaireResponse", version="3")
    ]


def test_a_canonical_is_apart_from_its_version() -> None:
    form = "http://x/Questionnaire/q|1.0"
    assert values({"resourceType": "QuestionnaireResponse", "questionnaire": form}, "questionnaire") == [
        ReferenceValue("questionnaire", "http://x/Questionnaire/q", version="1.0")
    ]
    meta = {"profile": [form], "versionId": "1", "lastUpdated": "2026-01-01T00:00:00Z"}
    assert values({"resourceType": "Patient", "meta": meta}, "_profile") == [
        UriValue("_profile", "http://x/Questionnaire/q", "1.0")
    ]


def test_periods_have_ends_even_if_they_are_not_told() -> None:
    start, end = period("2026-01-01"), period("2026-02")
    assert start and end
    for given, expected in (
        ({"start": "2026-01-01", "end": "2026-02"}, (start[0], end[1])),
        ({"start": "2026-01-01"}, (start[0], LATEST)),
        ({"end": "2026-02"}, (EARLIEST, end[1])),
    ):
        assert values({"resourceType": "Encounter", "period": given}, "date") == [DateValue("date", *expected)]


def test_a_timing_spans_its_events_or_bounds() -> None:
    first, last = period("2026-01-01"), period("2026-03-01")
    assert first and last
    for timing in (
        {"event": ["2026-03-01", "2026-01-01"]},
        {"repeat": {"boundsPeriod": {"start": "2026-01-01", "end": "2026-03-01"}}},
    ):
        assert values({"resourceType": "ServiceRequest", "occurrenceTiming": timing}, "occurrence") == [
            DateValue("occurrence", first[0], last[1])
        ]
    assert values({"resourceType": "ServiceRequest", "occurrenceTiming": {"repeat": {"frequency": 1}}}, "occurrence") == []


def test_a_name_is_found_by_each_of_its_parts() -> None:
    name = [{"family": "Müller", "given": ["Anna", "Lena"], "text": "Anna Lena Müller"}]
    found = values({"resourceType": "Patient", "name": name}, "name")
    assert {part.start for part in found if isinstance(part, StringValue)} == {"muller", "anna", "lena", "anna lena muller"}
    assert values({"resourceType": "Patient", "name": name}, "family") == [StringValue("family", "muller", "muller", "Müller")]


def test_a_number_is_its_value_and_a_range_its_ends() -> None:
    predictions = [{"probabilityDecimal": Decimal("12.50")}, {"probabilityRange": {"low": {"value": 1}, "high": {"value": 2}}}]
    assert values({"resourceType": "RiskAssessment", "prediction": predictions}, "probability") == [
        QuantityValue("probability", 12.5, 12.5), QuantityValue("probability", 1.0, 2.0),
    ]  # fmt: skip


def test_a_quantity_is_found_by_code_and_by_unit_and_its_comparator_opens_an_end() -> None:
    quantity = {"value": 5, "unit": "degrees", "system": "http://unitsofmeasure.org", "code": "deg", "comparator": "<"}
    assert values({"resourceType": "Observation", "valueQuantity": quantity}, "value-quantity") == [
        QuantityValue("value-quantity", -LARGEST, 5.0, "http://unitsofmeasure.org", "deg"),
        QuantityValue("value-quantity", -LARGEST, 5.0, "", "degrees"),
    ]


def test_samples_are_the_range_they_lie_in() -> None:
    samples = {"origin": {"value": 10, "code": "mV"}, "factor": Decimal("0.5"), "data": "2 4 E -6", "dimensions": 1}
    assert values({"resourceType": "Observation", "valueSampledData": samples}, "value-quantity") == [
        QuantityValue("value-quantity", 7.0, 12.0, "", "mV")
    ]


def test_the_parts_of_a_composite_belong_together() -> None:
    component = [
        {"code": {"coding": [{"code": "a"}]}, "valueQuantity": {"value": 1}},
        {"code": {"coding": [{"code": "b"}]}, "valueQuantity": {"value": 2}},
        {"code": {"coding": [{"code": "c"}]}},
    ]
    resource = {"resourceType": "Observation", "component": component}
    assert values(resource, "component-code-value-quantity.1") == [
        TokenValue("component-code-value-quantity.1", "a"),
        TokenValue("component-code-value-quantity.1", "b", occurrence=1),
    ]
    assert [found.occurrence for found in values(resource, "component-code-value-quantity.2")] == [0, 1]


def test_a_value_too_long_for_an_index_is_found_by_its_fingerprint() -> None:
    long = "x" * 5000
    (found,) = values({"resourceType": "Patient", "identifier": [{"value": long}]}, "identifier")
    assert isinstance(found, TokenValue)
    assert len(found.code) < 200
    assert found != values({"resourceType": "Patient", "identifier": [{"value": long + "y"}]}, "identifier")[0]


def test_every_parameter_has_a_reader_for_some_data_type_it_ends_at() -> None:
    """A parameter that no value could ever be found by would be a promise in the CapabilityStatement that nothing keeps."""
    found: dict[str, set[str]] = {}
    for type_name in TYPES:
        rng = random.Random(type_name)
        for number in range(200):
            for value in resource_indexer()(random_resource(type_name, str(number), rng, share=0.8)):
                found.setdefault(type_name, set()).add(value.name.rsplit(".", 1)[0])
        missing = set(parameters_of(type_name)) - found[type_name] - {"_id", "_lastUpdated"}
        assert not missing, (type_name, missing)


