"""What an operation takes, read from an address and from Parameters: every type, every refusal, all faults at once."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import MalformedInput
from service.fhir import r4
from service.fhir.parameters import PARTS, RESOURCE, Input, Inputs, entry, group, parameters, read_inputs, read_parameters

Resource = dict[str, Any]

TAKEN = (
    Input("code", "code", needs=("system",)),
    Input("system", "uri", type_only=True),
    Input("coding", "Coding"),
    Input("count", "integer"),
    Input("flag", "boolean"),
    Input("day", "dateTime"),
    Input("word", "string", many=True),
    Input("held", RESOURCE),
    Input("pair", PARTS, many=True),
    Input("old", "uri", refused="It is of another release."),
)


def test_faults_speak_english() -> None:
    with pytest.raises(MalformedInput) as raised:
        read_inputs(TAKEN, query=[("count", "x"), ("flag", "x")])
    assert [fault.message for fault in raised.value.faults] == ["count is not an integer.", "flag is not a boolean."]


def body(*entries: Resource) -> Resource:
    return {"resourceType": "Parameters", "parameter": list(entries)}


def faults(**given: Any) -> list[tuple[str, str]]:
    with pytest.raises(MalformedInput) as raised:
        read_inputs(TAKEN, **given)
    return [(fault.kind, fault.where) for fault in raised.value.faults]


def read(**given: Any) -> Inputs:
    return read_inputs(TAKEN, **given)


def test_an_address_gives_simple_types() -> None:
    query = [("code", "a b"), ("system", "urn:x"), ("count", "-3"), ("flag", "true"), ("day", "2026-01")]
    found = read(query=[*query, ("word", "1"), ("word", "2")])
    assert (found.one("code"), found.one("count"), found.one("flag"), found.one("day")) == ("a b", -3, True, "2026-01")
    assert found.many("word") == ("1", "2")
    assert found.where("count") == "?count" and found.where("held") == "held"
    assert "held" not in found and found.one("held", "none") == "none"


def test_parameters_give_every_type() -> None:
    found = read(body=body(
        {"name": "coding", "valueCoding": {"code": "x"}},
        {"name": "held", "resource": {"resourceType": "Basic"}},
        {"name": "pair", "part": [{"name": "a", "valueInteger": 1}, {"name": "b", "part": [{"name": "c", "valueCode": "d"}]}]},
        {"name": "count", "valuePositiveInt": 2},
        {"name": "system", "valueUrl": "http://x.example"},
        {"name": "day", "valueDate": "2026-01-02"},
    ))
    assert found.one("coding") == {"code": "x"} and found.one("held") == {"resourceType": "Basic"}
    (pair,) = found.given("pair")
    assert [(part.name, part.value) for part in pair.parts] == [("a", 1), ("b", None)]
    assert pair.parts[1].parts[0].value == "d" and pair.parts[1].parts[0].path == "Parameters.parameter[2].part[1].part[0]"
    assert (found.one("count"), found.one("system"), found.one("day")) == (2, "http://x.example", "2026-01-02")


def test_a_name_may_come_from_address_or_body_but_once() -> None:
    assert read(query=[("flag", "true")], body=body({"name": "count", "valueInteger": 1})).one("count") == 1
    assert faults(query=[("count", "1")], body=body({"name": "count", "valueInteger": 1})) == [
        ("structure", "Parameters.parameter[0].valueInteger")
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ([("count", "1.5")], [("value", "?count")]),
        ([("count", "99999999999")], [("value", "?count")]),
        ([("flag", "True")], [("value", "?flag")]),
        ([("day", "2026-02-30")], [("value", "?day")]),
        ([("coding", "a|b")], [("structure", "?coding")]),
        ([("held", "x")], [("structure", "?held")]),
        ([("old", "x")], [("not-supported", "?old")]),
        ([("Code", "x")], [("not-supported", "?Code")]),
        ([("code", "x")], [("required", "system")]),
        ([("code", " x"), ("system", "a b"), ("<script>", "1")],
         [("value", "?code"), ("value", "?system"), ("not-supported", "?script")]),
    ],
)
def test_what_an_address_may_not_hold(query: list[tuple[str, str]], found: list[tuple[str, str]]) -> None:
    assert faults(query=query) == found


@pytest.mark.parametrize(
    "given",
    [
        {"name": "count", "valueString": "1"}, {"name": "flag", "valueString": "true"}, {"name": "coding", "valueCode": "x"},
        {"name": "held", "valueString": "x"}, {"name": "pair", "valueString": "x"}, {"name": "code", "valueBoolean": True},
        {"name": "word", "valueInteger": 1}, {"name": "word"},
    ],
)
def test_another_type_is_told_with_the_right_one(given: Resource) -> None:
    ((kind, where),) = faults(body=body(given, {"name": "system", "valueUri": "urn:x"}))
    assert kind == "structure" and where.startswith("Parameters.parameter[0]")


def test_shaping_parameters_are_not_for_the_operation() -> None:
    assert read(query=[("_format", "json"), ("_pretty", "true"), ("flag", "false")]).one("flag") is False


def test_on_an_instance_the_address_says_what_is_meant() -> None:
    assert read(query=[("code", "x")], instance=True).one("code") == "x"
    assert faults(query=[("code", "x"), ("system", "urn:x")], instance=True) == [("structure", "?system")]


def test_alternatives() -> None:
    one_of = (("code", "coding"),)
    assert read(query=[("code", "x"), ("system", "urn:x")], one_of=one_of).chosen(one_of[0]) == "code"
    assert faults(one_of=one_of) == [("required", "code")]
    coding, code = {"name": "coding", "valueCoding": {}}, {"name": "code", "valueCode": "x"}
    assert faults(body=body(coding, code, {"name": "system", "valueUri": "urn:x"}), one_of=one_of) == [("structure", "coding")]


def test_a_wrong_value_is_not_reported_as_missing_too() -> None:
    taken = (Input("code", "code", required=True),)
    with pytest.raises(MalformedInput) as raised:
        read_inputs(taken, query=[("code", " ")])
    assert [fault.kind for fault in raised.value.faults] == ["value"]


def test_what_is_written_is_valid_and_reads_back() -> None:
    written = parameters(
        entry("result", valueBoolean=False), entry("message", valueString=None),
        group("match", entry("concept", valueCoding={"code": "x"}), entry("none", valueCode=None)),
    )
    assert r4.check(written).faults == ()
    assert [one.name for one in read_parameters(written)] == ["result", "match"]
    assert [part.name for part in read_parameters(written)[1].parts] == ["concept"]
