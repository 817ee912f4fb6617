"""Query strings to searches: what is understood, what is left out and said, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from service.errors import Fault, MalformedInput
from service.fhir.search import Chain, Criterion, Reverse, SearchContext, SearchQuery, read_query
from service.fhir.search_parameters import parameters_of
from service.fhir.search_values import (
    CompositeMatch,
    DateMatch,
    NumberMatch,
    QuantityMatch,
    ReferenceMatch,
    StringMatch,
    TokenMatch,
    UriMatch,
    period,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TYPES = frozenset({"Patient", "Encounter", "Observation", "QuestionnaireResponse", "RiskAssessment", "Provenance", "Device"})
CONTEXT = SearchContext(servers=("https://hip.example/fhir",), types=TYPES, now=NOW)


def read(type_name: str, *pairs: tuple[str, str], strict: bool = False) -> SearchQuery:
    return read_query(type_name, pairs, context=CONTEXT, strict=strict)


def only(type_name: str, name: str, value: str) -> Criterion:
    """The one criterion that the pair is read as."""
    (condition,) = read(type_name, (name, value)).conditions
    assert isinstance(condition, Criterion)
    return condition


def refused(type_name: str, *pairs: tuple[str, str], strict: bool = False) -> tuple[Fault, ...]:
    with pytest.raises(MalformedInput) as error:
        read(type_name, *pairs, strict=strict)
    return error.value.faults


def micro(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


# --- the registry ------------------------------------------------------------------------------------------------------


def test_R44_every_r4_parameter_of_risk_assessment_is_known_and_ours() -> None:
    assert set(parameters_of("RiskAssessment")) == {
        "condition", "date", "encounter", "identifier", "method", "patient", "performer", "probability", "risk", "subject",
        "basis", "_id", "_lastUpdated", "_profile", "_security", "_source", "_tag",
    }  # fmt: skip
    basis = parameters_of("RiskAssessment")["basis"]
    assert (basis.type, basis.expression, basis.url) == (
        "reference", "RiskAssessment.basis", "/SearchParameter/RiskAssessment-basis",
    )  # fmt: skip


def test_a_parameter_of_several_types_keeps_only_the_part_about_the_type() -> None:
    assert parameters_of("Encounter")["date"].expression == "Encounter.period"
    assert parameters_of("RiskAssessment")["patient"].targets == ("Patient",)
    assert parameters_of("Observation")["code-value-quantity"].components[1].type == "quantity"


# --- values by type ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("high", TokenMatch("high", None)),
        ("urn:s|high", TokenMatch("high", "urn:s")),
        ("|high", TokenMatch("high", "")),
        ("urn:s|", TokenMatch(None, "urn:s")),
        ("HIGH", TokenMatch("high", None)),
        (r"a\|b\,c", TokenMatch("a|b,c", None)),
    ],
)
def test_R44_forms_of_a_token(value: str, expected: TokenMatch) -> None:
    assert only("RiskAssessment", "risk", value).matches == (expected,)


def test_case_counts_in_an_identifier_and_in_an_id() -> None:
    assert only("RiskAssessment", "identifier", "urn:s|AbC").matches == (TokenMatch("AbC", "urn:s"),)
    assert only("RiskAssessment", "_id", "AbC").matches == (TokenMatch("AbC", None),)


def test_the_system_of_a_code_element_is_the_one_of_its_binding() -> None:
    assert only("Patient", "gender", "http://hl7.org/fhir/administrative-gender|female").matches == (TokenMatch("female", ""),)
    assert only("Patient", "gender", "urn:other|female").matches == (TokenMatch("female", "urn:other"),)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", ReferenceMatch("1")),
        ("Patient/1", ReferenceMatch("1", "Patient")),
        ("Patient/1/_history/2", ReferenceMatch("1", "Patient", version="2")),
        ("https://hip.example/fhir/Patient/1", ReferenceMatch("1", "Patient")),
        ("http://other.example/r4/Patient/1", ReferenceMatch("1", "Patient", "http://other.example/r4")),
        ("urn:uuid:0c2ab7a6-5d8f-4d4e-8a2b-6c1f6f0b3a11", ReferenceMatch("urn:uuid:0c2ab7a6-5d8f-4d4e-8a2b-6c1f6f0b3a11")),
    ],
)
def test_R42_forms_of_a_reference(value: str, expected: ReferenceMatch) -> None:
    assert only("RiskAssessment", "patient", value).matches == (expected,)


def test_R42_the_type_may_be_a_modifier() -> None:
    assert only("RiskAssessment", "subject:Patient", "1").matches == (ReferenceMatch("1", "Patient"),)


def test_a_canonical_is_read_with_its_version() -> None:
    assert only("QuestionnaireResponse", "questionnaire", "http://x/Questionnaire/q|2").matches == (
        ReferenceMatch("http://x/Questionnaire/q", version="2"),
    )
    assert only("Patient", "_profile", "http://x/p|1").matches == (UriMatch("http://x/p", "1"),)


@pytest.mark.parametrize(
    ("value", "first", "after"),
    [
        ("2026", "2026-01-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
        ("2024-02", "2024-02-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00"),
        ("2026-12", "2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
        ("2026-01-15", "2026-01-15T00:00:00+00:00", "2026-01-16T00:00:00+00:00"),
        ("2026-01-15T10:00", "2026-01-15T10:00:00+00:00", "2026-01-15T10:01:00+00:00"),
        ("2026-01-15T10:00:00Z", "2026-01-15T10:00:00+00:00", "2026-01-15T10:00:01+00:00"),
        ("2026-01-15T10:00:00.5+02:00", "2026-01-15T08:00:00.5+00:00", "2026-01-15T08:00:00.6+00:00"),
        ("2026-01-15T10:00:00 02:00", "2026-01-15T08:00:00+00:00", "2026-01-15T08:00:01+00:00"),
        ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00+00:00", "2025-12-31T23:30:01+00:00"),
    ],
)
def test_R44_a_date_is_the_period_its_precision_says(value: str, first: str, after: str) -> None:
    assert only("RiskAssessment", "date", value).matches == (DateMatch("eq", micro(first), micro(after) - 1),)


def test_the_first_and_the_last_year_have_ends_too() -> None:
    assert period("0001-01-01T00:00:00+14:00") is not None
    low, high = period("9999") or (0, 0)
    assert high - low == 365 * 86_400_000_000 - 1


def test_R44_approximately_is_a_tenth_of_the_way_from_now() -> None:
    (match,) = only("RiskAssessment", "date", "ap2026-05-22").matches
    day = micro("2026-05-22T00:00:00+00:00")
    assert isinstance(match, DateMatch)
    gap = (micro("2026-06-01T00:00:00+00:00") - (day + 86_400_000_000 - 1)) // 10
    assert (match.prefix, match.low, match.high) == ("ap", day - gap, day + 86_400_000_000 - 1 + gap)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("100", NumberMatch("eq", 100.0, 99.5, 100.5)),
        ("100.00", NumberMatch("eq", 100.0, 99.995, 100.005)),
        ("1e2", NumberMatch("eq", 100.0, 95.0, 105.0)),
        ("gt50", NumberMatch("gt", 50.0, 49.5, 50.5)),
        ("ap-50", NumberMatch("ap", -50.0, -55.0, -45.0)),
    ],
)
def test_R44_a_number_is_the_range_its_digits_leave_open(value: str, expected: NumberMatch) -> None:
    assert only("RiskAssessment", "probability", value).matches == (expected,)


def test_forms_of_a_quantity() -> None:
    number = NumberMatch("ge", 5.4, 5.35, 5.45)
    assert only("Observation", "value-quantity", "ge5.4|http://unitsofmeasure.org|deg").matches == (
        QuantityMatch(number, "http://unitsofmeasure.org", "deg"),
    )
    assert only("Observation", "value-quantity", "ge5.4||deg").matches == (QuantityMatch(number, None, "deg"),)
    assert only("Observation", "value-quantity", "ge5.4").matches == (QuantityMatch(number),)


def test_a_composite_has_a_value_for_each_part() -> None:
    (match,) = only("Observation", "code-value-quantity", "urn:s|rom$lt20||deg").matches
    assert match == CompositeMatch(
        (TokenMatch("rom", "urn:s"), QuantityMatch(NumberMatch("lt", 20.0, 19.5, 20.5), None, "deg"))
    )


def test_a_text_is_compared_without_case_and_accents() -> None:
    assert only("Patient", "family", "  MÜLLER ").matches == (StringMatch("  MÜLLER ", "muller"),)


def test_R44_a_comma_is_or_a_repeat_is_and_an_escaped_comma_is_itself() -> None:
    query = read("Patient", ("family", r"a,b\,c"), ("family", "d"))
    assert [len(condition.matches) for condition in query.conditions if isinstance(condition, Criterion)] == [2, 1]


# --- chains ------------------------------------------------------------------------------------------------------------


def test_a_chain_follows_a_reference_to_each_type_that_has_the_parameter() -> None:
    (chain,) = read("RiskAssessment", ("subject.identifier", "s|1")).conditions
    assert isinstance(chain, Chain)
    assert [target for target, _ in chain.targets] == ["Patient"]  # Group is not held here
    (typed,) = read("RiskAssessment", ("subject:Patient.family", "x")).conditions
    assert isinstance(typed, Chain)


def test_a_chain_goes_on() -> None:
    (chain,) = read("RiskAssessment", ("encounter.subject:Patient.name", "x")).conditions
    assert isinstance(chain, Chain)
    assert isinstance(chain.targets[0][1], Chain)
    assert refused("Observation", ("has-member.has-member.has-member.has-member.code", "x"))[0].kind == "too-costly"


def test_has_turns_a_reference_around() -> None:
    (reverse,) = read("Patient", ("_has:Observation:patient:code", "urn:s|x")).conditions
    assert isinstance(reverse, Reverse)
    assert (reverse.parameter.base, reverse.parameter.code) == ("Observation", "patient")
    assert read("Patient", ("_has:Media:patient:type", "x")).ignored[0].kind == "not-supported"
    assert refused("Patient", ("_has:Observation:patient", "x"))[0].kind == "not-supported"


# --- what is not known -------------------------------------------------------------------------------------------------


def test_R45_an_unknown_parameter_is_left_out_and_said() -> None:
    query = read("RiskAssessment", ("bogus", "Jane Doe"), ("patient", "1"))
    assert query.applied == (("patient", "1"),)
    (fault,) = query.ignored
    assert (fault.kind, fault.severity, fault.where) == ("not-supported", "warning", "http.bogus")
    assert "bogus" in fault.message and "basis" in fault.rule
    assert "Jane" not in f"{fault.message}{fault.rule}{fault.repair}"


def test_R46_an_unknown_parameter_is_an_error_in_strict_handling() -> None:
    (fault,) = refused("RiskAssessment", ("bogus", "1"), strict=True)
    assert (fault.kind, fault.severity) == ("not-supported", "error")
    assert "probability" in fault.rule


def test_an_unknown_parameter_at_the_end_of_a_chain_is_unknown_too() -> None:
    assert "shoe-size" in read("RiskAssessment", ("patient.shoe-size", "44")).ignored[0].message
    assert read("RiskAssessment", ("performer:Practitioner.name", "x")).conditions == ()


def test_a_parameter_without_a_value_is_left_out_and_said() -> None:
    query = read("RiskAssessment", ("patient", ""))
    assert (query.conditions, query.applied, query.ignored[0].severity) == ((), (), "warning")
    assert refused("RiskAssessment", ("patient", ""), strict=True)[0].severity == "error"


# --- what is wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_name", "name", "value"),
    [
        ("RiskAssessment", "date", "banana"),
        ("RiskAssessment", "date", "2026-02-30"),
        ("RiskAssessment", "date", "2026-13"),
        ("RiskAssessment", "date", "2026-01-01T24:00:00Z"),
        ("RiskAssessment", "date", "xx2026"),
        ("RiskAssessment", "probability", "high"),
        ("RiskAssessment", "probability", "1e999"),
        ("RiskAssessment", "probability", "NaN"),
        ("RiskAssessment", "patient", "Practitioner/1"),
        ("RiskAssessment", "patient", "a b"),
        ("RiskAssessment", "patient", "#p"),
        ("RiskAssessment", "subject:Patient", "Group/1"),
        ("RiskAssessment", "subject:Patient", "urn:uuid:x"),
        ("RiskAssessment", "identifier", "a|b|c"),
        ("RiskAssessment", "identifier", "|"),
        ("RiskAssessment", "risk:missing", "yes"),
        ("RiskAssessment", "risk", "a\x00b"),
        ("RiskAssessment", "risk", ","),
        ("RiskAssessment", "_count", "-1"),
        ("RiskAssessment", "_count", "abc"),
        ("RiskAssessment", "_count", "²"),
        ("RiskAssessment", "_sort", "zzz"),
        ("RiskAssessment", "_sort", ""),
        ("RiskAssessment", "_sort", "date,-date"),
        ("RiskAssessment", "_total", "maybe"),
        ("RiskAssessment", "_summary", "maybe"),
        ("RiskAssessment", "_elements", "shoes"),
        ("RiskAssessment", "_include", "RiskAssessment:date"),
        ("RiskAssessment", "_include", "Observation:subject"),
        ("RiskAssessment", "_include:all", "RiskAssessment:subject"),
        ("RiskAssessment", "_revinclude", "*"),
        ("RiskAssessment", "_revinclude", "Media:subject"),
        ("Observation", "code-value-quantity", "a"),
        ("Observation", "code-value-quantity", "a$b$c"),
        ("Observation", "value-quantity", "5|mg"),
        ("Patient", "family", "̈"),
        ("Patient", "_profile", "a b"),
    ],
)
def test_R51_a_value_that_does_not_fit_is_refused(type_name: str, name: str, value: str) -> None:
    (fault,) = refused(type_name, (name, value))
    assert (fault.kind, fault.severity) == ("value", "error")
    assert fault.where == f"http.{name}"
    assert fault.rule and fault.repair


@pytest.mark.parametrize(
    ("type_name", "name"),
    [
        ("Observation", "code:text"),
        ("Observation", "code:in"),
        ("Observation", "code:below"),
        ("Observation", "date:exact"),
        ("Patient", "family:not"),
        ("Patient", "_id:missing"),
        ("RiskAssessment", "subject:Media"),
        ("RiskAssessment", "subject:Media.status"),
        ("RiskAssessment", "date.year"),
    ],
)
def test_a_modifier_that_is_not_offered_is_refused(type_name: str, name: str) -> None:
    (fault,) = refused(type_name, (name, "1"))
    assert fault.kind == "not-supported"


def test_R51_all_faults_are_told_at_once() -> None:
    faults = refused("RiskAssessment", ("date", "banana"), ("_count", "-1"), ("risk:in", "x"), ("probability", "much"))
    assert sorted(fault.where for fault in faults) == ["http._count", "http.date", "http.probability", "http.risk:in"]


def test_a_fault_repeats_no_value() -> None:
    for fault in refused("RiskAssessment", ("date", "Jane Doe"), ("_sort", "Jane Doe"), ("_elements", "Jane Doe")):
        assert "Jane" not in f"{fault.message}{fault.rule}{fault.repair}{fault.where}"


def test_too_much_is_refused() -> None:
    assert refused("Patient", *[("family", "a")] * 51)[0].kind == "too-costly"
    assert refused("Patient", ("family", ",".join(map(str, range(201)))))[0].kind == "too-costly"
    assert refused("Patient", ("family", "a" * 20_001))[0].kind == "too-costly"


# --- the form of the answer --------------------------------------------------------------------------------------------


def test_result_parameters_are_read() -> None:
    options = read(
        "RiskAssessment", ("_sort", "-date,_id"), ("_count", "2"), ("_total", "accurate"), ("_elements", "status,occurrence"),
        ("_include", "RiskAssessment:subject"), ("_revinclude", "Provenance:target"),
    ).results  # fmt: skip
    assert [(key.parameter.code, key.descending) for key in options.sort] == [("date", True), ("_id", False)]
    assert (options.count, options.total, options.elements) == (2, "accurate", ("status", "occurrence"))
    assert [(found.source, found.reverse) for found in options.includes] == [("RiskAssessment", False), ("Provenance", True)]


def test_R47_the_pairs_applied_hold_what_was_applied_and_nothing_else() -> None:
    query = read(
        "RiskAssessment", ("_format", "json"), ("bogus", "1"), ("date", "ge2026"), ("_count", "999999"), ("_cursor", "abc"),
    )  # fmt: skip
    assert query.applied == (("date", "ge2026"), ("_count", "1000"))
    assert query.results.cursor == "abc"


def test_R53_summary_false_is_legal_in_strict_handling() -> None:
    assert read("RiskAssessment", ("_summary", "false"), strict=True).results.summary == "false"
