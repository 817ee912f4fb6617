"""The text of a body: strict JSON, positions of what is wrong, limits, digits."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from r4_seeds import LIMITS, faults_of, observation, patient

from service.errors import InvalidInput, MalformedInput, TooLarge
from service.fhir.r4 import Limits, parse, serialise


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b"{bad", "line 1 column 2"),
        (b"", "line 1 column 1"),
        (b" \n ", "line 1 column 1"),
        (b"[]", "line 1 column 1"),
        (b"null", "line 1 column 1"),
        (b'"x"', "line 1 column 1"),
        (b"4", "line 1 column 1"),
        (b'{"resourceType": "Observation",\n "valueQuantity": {"value": NaN}}', "line 2 column 29"),
        (b'{"resourceType": "Observation", "valueInteger": Infinity}', "line 1 column 49"),
        (b'{"resourceType": "Observation",\n "id": "\xff"}', "line 2 column 9"),
        (b'{"resourceType": "Observation", "id": "\xed\xa0\x80"}', "line 1 column 40"),
        (b'{"resourceType": "Observation", "id": "\\ud800"}', "line 1 column"),
        (b'\xef\xbb\xbf{"resourceType": "Observation"}', "line 1 column 1"),
        ('{"resourceType": "Observation"}'.encode("utf-16"), "line 1 column"),
        (b'{"resourceType": "Observation"} x', "line 1 column 33"),
        (b'{"resourceType": "Observation",}', "line 1 column 31"),
        (b'{"resourceType": "Observation", "id": "\x01"}', "line 1 column"),
        (b'{"resourceType": "Observation", "valueInteger": 01}', "line 1 column 49"),
        (b'{"valueQuantity": {"value": 1e999999999}}', "line 1 column 29"),
    ],
)
def test_R13_a_body_that_is_not_one_json_object_is_malformed_and_the_place_is_named(raw: bytes, place: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        parse(raw, limits=LIMITS)
    (fault,) = caught.value.faults
    assert fault.kind == "structure"
    assert place in fault.rule
    assert fault.repair


@pytest.mark.parametrize(
    ("raw", "where", "place"),
    [
        (b'{"resourceType":"Observation",\n "status":"final","status":"final"}', "Observation.status", "line 2 column 19"),
        (
            b'{"resourceType":"Observation","component":[{"id":"a"},{"code":{"text":"a","te\\u0078t":"b"}}]}',
            "Observation.component[1].code.text",
            "line 1 column 75",
        ),
        (b'{"resourceType":"Bundle","entry":[{},{"resource":{"a":1,"a":2}}]}', "Bundle.entry[1].resource.a", "line 1 column 57"),
        (b'{"a":1,"a":2}', "a", "line 1 column 8"),
    ],
)
def test_R13_a_repeated_member_is_named_by_path_line_and_column(raw: bytes, where: str, place: str) -> None:
    (fault,) = faults_of(raw)
    assert (fault.kind, fault.where) == ("structure", where)
    assert place in fault.rule


def test_R13_all_repeated_members_are_reported_and_their_names_only_if_they_are_names() -> None:
    first, second = faults_of(b'{"a":{"Jane Roe, 1 Main St":1,"Jane Roe, 1 Main St":2},"b":1,"b":2}')
    assert first.where == "a"
    assert "Jane" not in first.message + first.rule + first.repair
    assert second.where == "b"


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"resourceType":"QuestionnaireResponse","status":"completed","item":['
        + b'{"linkId":"a","item":[' * 5_000
        + b'{"linkId":"z"}'
        + b"]}" * 5_000
        + b"]}",
        b'{"resourceType":"QuestionnaireResponse","status":"completed","item":['
        + b'{"linkId":"a","item":[' * 200
        + b'{"linkId":"z"}'
        + b"]}" * 200
        + b"]}",
        b'{"extension":' + b"[" * 900 + b"]" * 900 + b"}",
    ],
)
def test_R14_deep_nesting_is_refused_at_once_and_never_a_recursion_error(raw: bytes) -> None:
    started = time.process_time()
    (fault,) = faults_of(raw)
    assert fault.kind == "too-costly"
    assert "line 1 column" in fault.rule
    assert time.process_time() - started < 0.5
    assert faults_of(observation()) == ()


def test_R14_a_limit_near_the_interpreters_own_is_still_no_recursion_error() -> None:
    raw = b'{"resourceType":"Basic","x":' + b"[" * 1_010 + b"]" * 1_010 + b"}"
    assert faults_of(raw, limits=Limits(max_depth=100_000))[0].kind in ("too-costly", "structure")


def test_R14_twenty_nested_groups_are_not_too_deep() -> None:
    inner: dict = {"linkId": "z"}
    for _ in range(20):
        inner = {"linkId": "a", "item": [inner]}
    assert faults_of({"resourceType": "QuestionnaireResponse", "status": "completed", "item": [inner]}) == ()


def test_R12_too_many_bytes_are_too_large() -> None:
    with pytest.raises(TooLarge) as caught:
        parse(serialise(observation()), limits=Limits(max_bytes=100))
    assert caught.value.faults[0].kind == "too-long"
    assert "100 bytes" in caught.value.faults[0].rule


def test_too_many_elements_are_too_costly() -> None:
    raw = b'{"resourceType":"Patient","name":[' + b",".join([b'{"given":["x"]}'] * 1_000) + b"]}"
    assert faults_of(raw, limits=Limits(max_nodes=2_000))[0].kind == "too-costly"
    assert faults_of(raw) == ()


def test_R59_decimals_keep_their_digits_through_parse_and_serialise() -> None:
    raw = (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":7.10},"component":[{"code":{"text":"y"},"valueQuantity":{"value":1.50e3}},'
        b'{"code":{"text":"z"},"valueQuantity":{"value":0.1000000000000000055511151231257827}}]}'
    )
    resource = parse(raw, limits=LIMITS).resource
    assert resource["valueQuantity"]["value"] == Decimal("7.10")
    assert isinstance(resource["valueQuantity"]["value"], Decimal)
    written = serialise(resource)
    assert b'"value":7.10' in written
    assert b"0.1000000000000000055511151231257827" in written
    assert parse(written, limits=LIMITS).resource == resource


@pytest.mark.parametrize("number", [b"1e308", b"1e-999999", b"1e-99999999999999999999", b"1e400", b"9" * 400])
def test_numbers_beyond_reason_are_faults_and_cost_nothing(number: bytes) -> None:
    started = time.process_time()
    raw = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":' + number + b"}}"
    assert faults_of(raw)[0].kind in ("value", "structure")
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("number", [b"2147483648", b"-2147483649", b"123456789012345678901234567890", b"4.0", b"4e0"])
def test_an_integer_has_32_bits_and_no_fraction(number: bytes) -> None:
    raw = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueInteger":' + number + b"}"
    (fault,) = faults_of(raw)
    assert (fault.kind, fault.where) == ("value", "Observation.valueInteger")


def test_whole_numbers_come_back_as_int_and_text_as_it_was() -> None:
    raw = '{"resourceType":"Patient","multipleBirthInteger":2,"name":[{"family":"Müller \\u00e9 \\"q\\""}]}'.encode()
    resource = parse(raw, limits=LIMITS).resource
    assert type(resource["multipleBirthInteger"]) is int
    assert serialise(resource) == raw.replace(b"\\u00e9", "é".encode())


def test_R8_pretty_is_the_same_value_indented_by_two() -> None:
    resource = parse(serialise(patient()), limits=LIMITS).resource
    pretty = serialise(resource, pretty=True)
    assert pretty.startswith(b'{\n  "resourceType"')
    assert parse(pretty, limits=LIMITS).resource == resource


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), {1, 2}])
def test_what_has_no_json_is_not_written(value: object) -> None:
    with pytest.raises(TypeError):
        serialise({"resourceType": "Basic", "x": value})


def test_R28_another_type_than_the_address_takes_is_named() -> None:
    with pytest.raises(MalformedInput) as caught:
        parse(serialise(patient()), limits=LIMITS, expected="Observation")
    (fault,) = caught.value.faults
    assert (fault.kind, fault.where) == ("structure", "Patient")
    assert "Observation" in fault.message
    assert parse(serialise(patient()), limits=LIMITS, expected="Patient").warnings == ()


def test_errors_are_one_family() -> None:
    assert issubclass(MalformedInput, InvalidInput)
    assert issubclass(TooLarge, InvalidInput)
