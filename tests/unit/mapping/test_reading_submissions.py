"""Reading Bundles and Parameters: whose data they are, what refers to what, what counts twice, what is left out."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from service.engine.model import Answer
from service.errors import Fault, InvalidInput
from service.mapping.case import Reading, ReadingContext, read_submission

Resource = dict[str, Any]
Read = Callable[[Resource], Reading]
Make = Callable[..., Resource]

ANSWER = "https://hipspine.example/fhir/CodeSystem/answer"
URN = "urn:uuid:0c3a1f52-6d1e-4d61-9a51-00000000000{}"


def patient(identifier: str = "1", /, **elements: Any) -> Resource:
    return {"resourceType": "Patient", "id": identifier} | elements


def parameters(*entries: Resource) -> Resource:
    return {"resourceType": "Parameters", "parameter": list(entries)}


def about(reference: str) -> Resource:
    return {"subject": {"reference": reference}}


def faults(read: Read, resource: Resource) -> tuple[Fault, ...]:
    with pytest.raises(InvalidInput) as caught:
        read(resource)
    return caught.value.faults


# --- what may be sent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resource_type", ["Patient", "Encounter", "Condition", "Questionnaire"])
def test_another_type_alone_is_refused_and_the_accepted_ones_are_named(read: Read, resource_type: str) -> None:
    (fault,) = faults(read, {"resourceType": resource_type})
    assert (fault.kind, fault.where) == ("not-supported", resource_type)
    assert all(name in fault.rule for name in ("QuestionnaireResponse", "Observation", "Bundle", "Parameters"))


@pytest.mark.parametrize("kind", ["collection", "document", "message", "searchset", "history", "batch", "transaction"])
def test_a_bundle_of_any_type_is_read(read: Read, observe: Make, bundle: Make, kind: str) -> None:
    assert read(bundle(patient(), observe("fadir", "present"), kind=kind)).case.value("fadir") is True


def test_a_bundle_inside_a_bundle_is_read_in_place(read: Read, observe: Make, bundle: Make) -> None:
    reading = read(bundle(patient(), bundle(observe("fadir", "present", subject={"reference": "Patient/1"}))))
    assert reading.inputs[0].where == "Bundle.entry[1].resource.entry[0].resource"


def test_A13_a_bundle_with_the_patient_alone_is_an_empty_case(read: Read, bundle: Make) -> None:
    reading = read(bundle(patient(gender="female", birthDate="1950-04-14")))
    assert (reading.case.answers, reading.case.age_years, reading.case.sex) == ((), 76.0, "female")
    assert reading.subject == {"reference": "Patient/1"}


def test_an_empty_bundle_has_no_subject(read: Read, bundle: Make) -> None:
    assert [fault.kind for fault in faults(read, bundle())] == ["required"]


def test_of_a_history_only_the_newest_version_counts(read: Read, observe: Make, bundle: Make) -> None:
    old = observe("fadir", "absent", id="o", meta={"versionId": "1", "lastUpdated": "2026-01-01T00:00:00Z"})
    new = observe("fadir", "present", id="o", meta={"versionId": "2", "lastUpdated": "2026-02-01T00:00:00Z"})
    reading = read(bundle(old, new, kind="history"))
    assert reading.case.value("fadir") is True and [one.where for one in reading.ignored] == ["Bundle.entry[0].resource"]


def test_A10_what_is_not_read_is_listed_with_its_reason(read: Read, observe: Make, bundle: Make) -> None:
    report = {"resourceType": "DiagnosticReport", "id": "d1", "status": "final"}
    reading = read(bundle(patient(), report, observe("fadir", "present")))
    assert [(one.what, one.where) for one in reading.ignored] == [("DiagnosticReport/d1", "Bundle.entry[1].resource")]


def test_the_names_of_parameters_are_known_and_any_resource_is_taken(read: Read, respond: Make, observe: Make) -> None:
    reading = read(
        parameters(
            {"name": "questionnaire-response", "resource": respond(fadir="present")},
            {"name": "resource", "resource": observe("slr", "absent")},
        )
    )
    assert reading.case.answers == (Answer("fadir", True), Answer("slr", False))


def test_faults_of_parameters_come_all_at_once(read: Read, observe: Make) -> None:
    found = faults(
        read,
        parameters(
            {"name": "patiant", "resource": patient()},
            {"name": "observation", "resource": patient()},
            {"name": "observation"},
            {"name": "subject", "valueBoolean": True},
            {"name": "resource", "resource": observe("fadir", "present", subject=None)},
        ),
    )
    assert [(fault.kind, fault.where) for fault in found] == [
        ("not-supported", "Parameters.parameter[0].name"),
        ("value", "Parameters.parameter[1].resource"),
        ("required", "Parameters.parameter[2].resource"),
        ("value", "Parameters.parameter[3].value"),
        ("required", "Parameters.parameter[4].resource.subject"),
    ]


# --- the subject ---------------------------------------------------------------------------------------------------------


def test_A15_two_patients_are_one_too_many(read: Read, respond: Make, bundle: Make) -> None:
    (fault,) = faults(read, bundle(patient("1"), patient("2"), respond(fadir="present")))
    assert fault.kind == "multiple-matches" and "subject" in fault.repair


@pytest.mark.parametrize(
    "selection", [{"valueReference": {"reference": "Patient/2"}}, {"valueString": "Patient/2"}, {"valueString": "2"}]
)
def test_A15_the_subject_parameter_selects_one_of_two_patients(
    read: Read, observe: Make, bundle: Make, selection: Resource
) -> None:
    both = bundle(
        patient("1", gender="male"),
        patient("2", gender="female"),
        observe("fadir", "present", **about("Patient/1")),
        observe("slr", "present", **about("Patient/2")),
    )
    reading = read(parameters({"name": "bundle", "resource": both}, {"name": "subject"} | selection))
    assert reading.case.answers == (Answer("slr", True),) and reading.case.sex == "female"
    assert reading.subject == {"reference": "Patient/2"}
    assert sorted(one.reason for one in reading.ignored) == ["It is about another subject.", "It is another patient."]


def test_a_selected_subject_that_nothing_is_about_is_refused(read: Read, respond: Make) -> None:
    (fault,) = faults(
        read,
        parameters(
            {"name": "resource", "resource": respond(fadir="present")},
            {"name": "subject", "valueString": "Patient/9"},
        ),
    )
    assert (fault.kind, fault.where) == ("not-found", "Parameters.parameter[1].value")


def test_a_selected_subject_is_taken_for_data_that_name_nobody_with_a_warning(read: Read, respond: Make) -> None:
    reading = read(
        parameters(
            {"name": "resource", "resource": respond(fadir="present", _subject=None)},
            {"name": "subject", "valueString": "7"},
        )
    )
    assert reading.subject == {"reference": "Patient/7"} and reading.case.value("fadir") is True
    assert [warning.kind for warning in reading.warnings if warning.severity == "warning"] == ["required"]


def test_two_forms_of_two_people_are_refused(read: Read, respond: Make, bundle: Make) -> None:
    (fault,) = faults(read, bundle(respond(fadir="present"), respond(fadir="present", _subject={"reference": "Patient/2"})))
    assert (fault.kind, fault.where) == ("multiple-matches", "Bundle.entry[1].resource.subject")


def test_C10_an_observation_of_another_subject_is_ignored(read: Read, respond: Make, observe: Make, bundle: Make) -> None:
    reading = read(bundle(respond(fadir="present"), observe("slr", "present", **about("Patient/2"))))
    assert [answer.finding_id for answer in reading.case.answers] == ["fadir"]
    assert [one.where for one in reading.ignored] == ["Bundle.entry[1].resource"]
    assert len(reading.inputs) == 1


def test_C10_family_history_is_ignored(read: Read, respond: Make, observe: Make, bundle: Make) -> None:
    mother = observe("osteoporosis", True, focus=[{"reference": "RelatedPerson/mother"}])
    family = {"resourceType": "FamilyMemberHistory", "status": "completed"}
    reading = read(bundle(respond(fadir="present"), mother, family))
    assert reading.case.value("osteoporosis") is None
    assert [one.where for one in reading.ignored] == ["Bundle.entry[1].resource", "Bundle.entry[2].resource"]


# --- references ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("full_url", "reference"),
    [
        ("http://ehr.example/fhir/Patient/1", "http://ehr.example/fhir/Patient/1"),
        ("http://ehr.example/fhir/Patient/1", "Patient/1"),
        ("http://ehr.example/fhir/Patient/1", "http://ehr.example/fhir/Patient/1/_history/3"),
        (URN.format(1), URN.format(1)),
        ("", "Patient/1"),
    ],
)
def test_C13_the_patient_is_found_by_every_kind_of_address(
    read: Read, observe: Make, bundle: Make, full_url: str, reference: str
) -> None:
    entry = (full_url, patient(gender="male")) if full_url else patient(gender="male")
    reading = read(bundle(entry, observe("fadir", "present", **about(reference))))
    assert reading.case.sex == "male" and reading.case.value("fadir") is True
    assert reading.subject == {"reference": reference} and not reading.warnings


def test_C13_a_logical_identifier_finds_the_patient(read: Read, observe: Make, bundle: Make) -> None:
    identifier = {"system": "http://ehr.example/mrn", "value": "77"}
    reading = read(
        bundle(patient(gender="male", identifier=[identifier]), observe("fadir", "present", subject={"identifier": identifier}))
    )
    assert reading.case.sex == "male" and reading.case.value("fadir") is True


def test_C13_a_contained_patient_is_found_and_handed_on(read: Read, respond: Make) -> None:
    reading = read(respond(fadir="present", _subject={"reference": "#p"}, _contained=[patient("p", gender="male")]))
    assert reading.case.sex == "male"
    assert reading.subject == {"reference": "#subject"} and reading.contained == (patient("subject", gender="male"),)


def test_C13_a_contained_patient_with_an_identifier_is_referred_to_by_it(read: Read, respond: Make) -> None:
    identifier = {"system": "http://ehr.example/mrn", "value": "77"}
    reading = read(respond(fadir="present", _subject={"reference": "#p"}, _contained=[patient("p", identifier=[identifier])]))
    assert reading.subject == {"type": "Patient", "identifier": identifier} and reading.contained == ()


@pytest.mark.parametrize("reference", [URN.format(9), "#p"])
def test_C13_a_subject_that_can_only_be_inside_and_is_not_is_a_fault(read: Read, respond: Make, reference: str) -> None:
    (fault,) = faults(read, respond(fadir="present", _subject={"reference": reference}))
    assert (fault.kind, fault.where) == ("not-found", "QuestionnaireResponse.subject")


def test_C13_other_unresolved_references_are_listed_once_each(read: Read, observe: Make, bundle: Make) -> None:
    performer = {"performer": [{"reference": "Practitioner/5"}]}
    reading = read(bundle(patient(), observe("fadir", "present", **performer), observe("slr", "present", **performer)))
    assert [(one.kind, one.severity, one.where) for one in reading.warnings] == [
        ("not-found", "information", "Bundle.entry[1].resource.performer[0]")
    ]


def test_C13_the_same_id_on_another_server_is_another_patient(read: Read, respond: Make, observe: Make, bundle: Make) -> None:
    here = ("http://a.example/fhir/Patient/1", patient())
    reading = read(bundle(here, respond(fadir="present"), observe("slr", "present", **about("http://b.example/fhir/Patient/1"))))
    assert reading.case.value("slr") is None and reading.ignored[0].reason == "It is about another subject."


@pytest.mark.parametrize("sent_along", [False, True])
def test_B5_an_absolute_reference_to_another_server_is_another_patient(
    read: Read, observe: Make, bundle: Make, sent_along: bool
) -> None:
    stranger = observe("fever", "present", **about("https://b.example/fhir/Patient/1"))
    mine = [patient()] if sent_along else []
    both = bundle(*mine, observe("pain_groin", "present"), stranger)
    if not sent_along:
        assert [one.kind for one in faults(read, both)] == ["multiple-matches"]
        both = parameters({"name": "bundle", "resource": both}, {"name": "subject", "valueReference": {"reference": "Patient/1"}})
    reading = read(both)
    assert [answer.finding_id for answer in reading.case.answers] == ["pain_groin"]
    assert [one.reason for one in reading.ignored] == ["It is about another subject."]


@pytest.mark.parametrize("base", ["https://hipspine.example/fhir", "https://ehr.example/fhir"])
def test_B5_a_patient_without_an_address_is_the_one_that_everything_refers_to(
    read: Read, observe: Make, bundle: Make, base: str
) -> None:
    reading = read(bundle(patient(gender="male"), observe("fever", "present", **about(f"{base}/Patient/1"))))
    assert reading.case.sex == "male" and reading.case.value("fever") is True


def test_C14_no_reference_is_ever_followed_over_the_network(
    context: ReadingContext, observe: Make, bundle: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    outside = "http://169.254.169.254/fhir/"
    reading = read_submission(
        bundle(
            observe("fadir", "present", **about(f"{outside}Patient/1"), derivedFrom=[{"reference": f"{outside}Observation/2"}])
        ),
        context=context,
    )
    assert reading.case.value("fadir") is True and reading.subject == {"reference": f"{outside}Patient/1"}


def test_the_encounter_of_the_form_is_copied(read: Read, respond: Make) -> None:
    encounter = {"reference": "Encounter/e1"}
    assert read(respond(fadir="present", _encounter=encounter)).encounter == encounter
    assert read(respond(fadir="present")).encounter is None


def test_the_encounter_parameter_goes_first_and_a_single_encounter_sent_is_taken(read: Read, respond: Make, bundle: Make) -> None:
    given = parameters(
        {"name": "resource", "resource": respond(fadir="present", _encounter={"reference": "Encounter/e1"})},
        {"name": "encounter", "valueReference": {"reference": "Encounter/e2"}},
    )
    assert read(given).encounter == {"reference": "Encounter/e2"}
    visit = {"resourceType": "Encounter", "id": "e3", "status": "finished", **about("Patient/1")}
    assert read(bundle(visit, respond(fadir="present"))).encounter == {"reference": "Encounter/e3"}


# --- one finding, several sources ----------------------------------------------------------------------------------------


def test_C5_agreeing_form_and_observation_count_once_and_both_are_inputs(
    read: Read, respond: Make, observe: Make, bundle: Make
) -> None:
    reading = read(bundle(respond(fadir="present", _id="q"), observe("fadir", "present", id="o")))
    assert reading.case.answers == (Answer("fadir", True),)
    assert sorted(one.reference for one in reading.inputs) == ["Observation/o", "QuestionnaireResponse/q"]
    assert sorted(reading.used[0].inputs) == ["Observation/o", "QuestionnaireResponse/q"]


@pytest.mark.parametrize(("form_time", "expected"), [("2026-04-14T09:00:00Z", False), ("2026-04-14T11:00:00Z", True)])
def test_C6_of_conflicting_answers_the_newer_counts(
    read: Read, respond: Make, observe: Make, bundle: Make, form_time: str, expected: bool
) -> None:
    reading = read(bundle(respond(fadir="present", _authored=form_time, _id="q"), observe("fadir", "absent", id="o")))
    assert reading.case.value("fadir") is expected
    assert len(reading.inputs) == 1 and len(reading.ignored) == 1
    assert [warning.kind for warning in reading.warnings if warning.severity == "warning"] == ["conflict"]


def test_C6_the_newer_is_told_across_time_zones(read: Read, observe: Make, bundle: Make) -> None:
    early = observe("fadir", "present", effectiveDateTime="2026-04-14T12:00:00+05:00")
    late = observe("fadir", "absent", effectiveDateTime="2026-04-14T08:00:00.1234567Z")
    assert read(bundle(late, early)).case.value("fadir") is False


def test_C6_at_equal_times_final_goes_before_preliminary(read: Read, observe: Make, bundle: Make) -> None:
    reading = read(bundle(observe("fadir", "present"), observe("fadir", "absent", status="preliminary")))
    assert reading.case.value("fadir") is True and not reading.preliminary


@pytest.mark.parametrize("swapped", [False, True])
def test_A12_of_equally_recent_answers_the_one_that_states_a_red_flag_counts(
    read: Read, observe: Make, bundle: Make, swapped: bool
) -> None:
    when = {"effectiveDateTime": "2026-04-14T10:00:00Z"}
    both = [observe("fever", "present", status="preliminary", **when), observe("fever", "absent", **when)]
    reading = read(bundle(*(reversed(both) if swapped else both)))
    assert reading.case.value("fever") is True
    assert ["red flag" in one.message for one in reading.warnings if one.kind == "conflict"] == [True]


DAY, NINE = "2026-04-14", "2026-04-14T09:00:00Z"


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(("stated", "denied"), [(DAY, NINE), (NINE, DAY), ("2026-04", DAY), (None, DAY), (DAY, None)])
@pytest.mark.parametrize("finding", ["fever", "motor_any"])  # a sign of danger, and what raises a flag by itself
def test_A12_a_date_overlaps_a_time_of_the_same_day_so_that_no_denial_hides_a_red_flag(
    read: Read, observe: Make, bundle: Make, finding: str, stated: str | None, denied: str | None, swapped: bool
) -> None:
    both = [observe(finding, "present", effectiveDateTime=stated), observe(finding, "absent", effectiveDateTime=denied)]
    reading = read(bundle(*(reversed(both) if swapped else both)))
    assert reading.case.value(finding) is True
    assert [one.kind for one in reading.warnings if one.severity == "warning"] == ["conflict"]


@pytest.mark.parametrize(
    ("stated", "denied"), [("2026-04-13", NINE), (NINE, "2026-04-14T09:00:01Z"), ("2026-04-13", DAY), (NINE, "2026-04-15")]
)
def test_C6_a_red_flag_is_outdated_by_a_denial_that_is_wholly_newer(
    read: Read, observe: Make, bundle: Make, stated: str, denied: str
) -> None:
    both = [observe("fever", "present", effectiveDateTime=stated), observe("fever", "absent", effectiveDateTime=denied)]
    assert read(bundle(*both)).case.value("fever") is False


# --- how long an answer counts ------------------------------------------------------------------------------------------

NOW = "2026-04-14T12:00:00Z"  # of the assessment
TOMORROW = "2026-04-15T12:00:00Z"


def test_A3_an_acute_sign_of_years_ago_is_ignored_with_its_reason_and_a_warning(
    read: Read, observe: Make, bundle: Make
) -> None:
    old = observe("fever", "present", effectiveDateTime="2019-01-01")
    reading = read(bundle(old, observe("pain_groin", "present")))
    assert [answer.finding_id for answer in reading.case.answers] == ["pain_groin"]
    assert [("Too old" in one.reason, "14 days" in one.reason) for one in reading.ignored] == [(True, True)]
    assert ["Ask whether it is still so" in one.message for one in reading.warnings if one.severity == "warning"] == [True]


@pytest.mark.parametrize(
    ("finding", "dated", "counts"),
    [
        ("fever", "2026-03-31", True),
        ("fever", "2026-03-30", False),
        ("fever", "2026-03", True),  # its last day may be meant
        ("fever", "2026-02", False),
        ("fever", None, True),
        ("slr", "2025-11-01", True),
        ("slr", "2025-10-01", False),
        ("cancer_history", "1999", True),
    ],
)
@pytest.mark.parametrize("answer", ["present", "absent"])
def test_A3_an_answer_counts_for_the_span_of_its_finding(
    read: Read, observe: Make, bundle: Make, finding: str, dated: str | None, counts: bool, answer: str
) -> None:
    reading = read(bundle(observe(finding, answer, effectiveDateTime=dated), observe("pain_groin", "present")))
    assert (reading.case.value(finding) is (answer == "present")) is counts
    assert len(reading.ignored) == (not counts)


def test_A3_what_is_sent_by_itself_is_assessed_as_of_its_own_newest_date(read: Read, observe: Make, bundle: Make) -> None:
    visit = [observe(finding, "present", effectiveDateTime="2019-01-01") for finding in ("fever", "slr")]
    assert len(read(bundle(*visit)).case.answers) == 2


def test_A3_of_a_record_the_days_are_counted_back_from_today(context: ReadingContext, observe: Make, bundle: Make) -> None:
    old = bundle(observe("fever", "present", effectiveDateTime="2019-01-01"))
    assert read_submission(old, context=replace(context, of_today=True)).case.answers == ()


def test_A3_a_form_is_as_old_as_its_encounter(read: Read, respond: Make, observe: Make, bundle: Make) -> None:
    """A form of 2023, corrected: what was so at that encounter counts, and what was so long before it does not."""
    encounter = {
        "resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": "Patient/1"}, "period": {"start": "2023-05-02T09:00:00Z", "end": "2023-05-02T09:30:00Z"},
    }
    form = respond(pain_groin="present", _authored=None, _encounter={"reference": "Encounter/e"})
    near, far = (observe("fever", "present", effectiveDateTime=day) for day in ("2023-05-01", "2023-04-01"))
    assert read(bundle(encounter, form, near)).case.value("fever") is True
    assert read(bundle(encounter, form, far)).case.value("fever") is None


@pytest.mark.parametrize("ahead", [TOMORROW, "2062-11-28"])
def test_A3_a_denial_of_the_future_never_hides_a_red_flag(read: Read, observe: Make, bundle: Make, ahead: str) -> None:
    stated, denied = observe("fever", "present"), observe("fever", "absent", effectiveDateTime=ahead)
    reading = read(bundle(stated, denied))
    assert reading.case.value("fever") is True
    assert [one.kind for one in reading.warnings if one.severity == "warning"] == ["business-rule", "conflict"]


@pytest.mark.parametrize(("dated", "warned"), [("2026-04-14T12:05:00Z", False), ("2026-04-15", False), (TOMORROW, True)])
def test_A3_a_date_after_the_assessment_is_warned_of_but_not_what_clocks_and_zones_explain(
    read: Read, observe: Make, dated: str, warned: bool
) -> None:
    reading = read(observe("fever", "present", effectiveDateTime=dated))
    assert reading.case.value("fever") is True and bool(reading.warnings) is warned


def test_C6_a_known_answer_goes_before_a_newer_unknown(read: Read, respond: Make, observe: Make, bundle: Make) -> None:
    reading = read(bundle(observe("fadir", "present"), respond(fadir="unknown", _authored="2026-04-15T10:00:00Z")))
    assert reading.case.value("fadir") is True and reading.case.asked_unknown == ()


def test_C7_an_observation_derived_from_the_form_is_counted_once(read: Read, respond: Make, observe: Make, bundle: Make) -> None:
    derived = observe("fadir", "present", id="o", derivedFrom=[{"reference": "QuestionnaireResponse/q"}])
    reading = read(bundle(respond(fadir="present", _id="q"), derived))
    assert reading.case.answers == (Answer("fadir", True),) and len(reading.used) == 1
    assert not [warning for warning in reading.warnings if warning.severity == "warning"]


def test_A7_inputs_are_named_by_id_else_by_address_else_by_number(read: Read, observe: Make, bundle: Make) -> None:
    reading = read(
        bundle(
            observe("fadir", "present", id="o1"),
            (URN.format(2), observe("slr", "present")),
            observe("pain_groin", "present"),
            observe("pain_buttock", "present"),
        )
    )
    assert [one.reference for one in reading.inputs] == ["Observation/o1", URN.format(2), "#input-1", "#input-2"]


@pytest.mark.parametrize(
    ("elements", "inputs"),
    [
        ({"birthDate": "1950-01-01"}, ["Observation/o1", "Patient/1"]),
        ({"gender": "male"}, ["Observation/o1", "Patient/1"]),
        ({"gender": "other"}, ["Observation/o1"]),
    ],
)
def test_A7_the_patient_is_an_input_where_age_or_sex_was_taken_from_it(
    read: Read, observe: Make, bundle: Make, elements: Resource, inputs: list[str]
) -> None:
    reading = read(bundle(patient(**elements), observe("fadir", "present", id="o1")))
    assert [one.reference for one in reading.inputs] == inputs


MODIFIER = {"modifierExtension": [{"url": "http://ehr.example/negated", "valueBoolean": True}]}
COMPONENT = {"component": [{"code": {"text": "side"}, "valueBoolean": True} | MODIFIER]}


@pytest.mark.parametrize("modifier", [MODIFIER, {"implicitRules": "http://ehr.example/rules"}, COMPONENT])
def test_what_carries_an_unknown_modifier_is_left_out_with_a_warning(
    read: Read, observe: Make, bundle: Make, modifier: Resource
) -> None:
    """Source: http://hl7.org/fhir/R4/extensibility.html#modifierExtension."""
    reading = read(bundle(observe("slr", "present"), observe("fever", "present", **modifier)))
    assert [answer.finding_id for answer in reading.case.answers] == ["slr"]
    assert "not-supported" in [one.kind for one in reading.warnings] and len(reading.ignored) == 1


def test_a_form_with_an_unknown_modifier_is_refused(read: Read, respond: Make) -> None:
    form = respond(pain_groin="present")
    form["item"][0] |= MODIFIER
    assert [fault.kind for fault in faults(read, form)] == ["not-supported"]


def test_A7_unused_resources_are_no_inputs(read: Read, observe: Make, bundle: Make) -> None:
    reading = read(bundle(patient(), observe("fadir", "present", id="o1"), observe(("http://ehr.example", "x"), True, id="o2")))
    assert [one.reference for one in reading.inputs] == ["Observation/o1"]


# --- age and sex ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("born", "age"), [("1976-04-14", 50.0), ("1976-04-15", 49.0), ("1976", 50.0), ("1976-05", 49.0), ("2026-04-14", 0.0)]
)
def test_age_is_in_completed_years_at_the_assessment(read: Read, bundle: Make, born: str, age: float) -> None:
    assert read(bundle(patient(birthDate=born))).case.age_years == age


def test_a_birth_date_after_the_assessment_is_not_used(read: Read, bundle: Make) -> None:
    reading = read(bundle(patient(birthDate="2026-04-15")))
    assert reading.case.age_years is None and [one.kind for one in reading.warnings] == ["value"]


@pytest.mark.parametrize("born", ["1800-01-01", "0001"])
def test_a_birth_date_nobody_alive_has_is_not_used(read: Read, bundle: Make, born: str) -> None:
    reading = read(bundle(patient(birthDate=born)))
    assert reading.case.age_years is None
    assert [one.where for one in reading.warnings if one.kind == "value"] == ["Bundle.entry[0].resource.birthDate"]


def test_without_a_patient_the_form_states_age_and_sex(read: Read, respond: Make) -> None:
    reading = read(respond(age_band="70-and-over", sex="female"))
    assert reading.case.answers == (Answer("age_band", "70 and over"), Answer("sex", "female"))
    assert reading.case.age_years is None and reading.case.sex is None


def test_the_patient_outranks_the_form_with_a_warning(read: Read, respond: Make, bundle: Make) -> None:
    reading = read(
        bundle(patient(birthDate="1960-01-01", gender="male"), respond(age_band="70-and-over", sex="female", fadir="present"))
    )
    assert (reading.case.age_years, reading.case.sex) == (66.0, "male")
    assert reading.case.answers == (Answer("fadir", True),)
    assert [warning.kind for warning in reading.warnings] == ["conflict", "conflict"]


def test_a_form_that_agrees_with_the_patient_is_no_conflict(read: Read, respond: Make, bundle: Make) -> None:
    reading = read(bundle(patient(birthDate="1960-01-01", gender="male"), respond(age_band="60-69", sex="male")))
    assert len(reading.case.answers) == 2 and not reading.warnings


def test_a_patient_below_the_lowest_age_band_is_warned_of(read: Read, bundle: Make) -> None:
    assert "18" in read(bundle(patient(birthDate="2010-01-01"))).warnings[0].message
    assert not read(bundle(patient(birthDate="2008-04-14"))).warnings


def test_order_of_the_entries_does_not_change_the_case(context: ReadingContext, observe: Make, bundle: Make) -> None:
    entries = [patient(gender="female"), observe("fadir", "present", id="a"), observe("slr", "absent", id="b")]
    cases = {read_submission(bundle(*order), context=replace(context)).case for order in (entries, entries[::-1])}
    assert len(cases) == 1
