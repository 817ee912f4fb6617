"""All the service emits, before three validators that share no code with it: no error, and each warning with its reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from conformance.harvest import NOT_HARVESTED, Harvest, routes_of
from conformance.validators import VALIDATORS, Issue, Verdicts
from conformance.warnings_file import explained_by, known_faults, known_warnings
from flask import Flask

SHOWN = 25
AT_LEAST = 700
AT_LEAST_OF_EACH_VALIDATOR = 300  # as asked; it is about twice as many


def test_every_route_is_harvested_or_says_why_not(harvest: Harvest, app: Flask) -> None:
    routes = routes_of(app.url_map)
    missed = sorted(routes - harvest.reached - set(NOT_HARVESTED))
    assert not missed, f"add a request for each to tests/conformance/harvest.py: {missed}"


def test_no_reason_for_not_harvesting_is_stale(harvest: Harvest, app: Flask) -> None:
    assert set(NOT_HARVESTED) <= routes_of(app.url_map) - harvest.reached


def test_the_harvest_is_large_and_of_every_kind(harvest: Harvest) -> None:
    kinds = Counter(json.loads(text)["resourceType"] for text in harvest.resources.values())
    assert kinds.total() >= AT_LEAST
    assert kinds["RiskAssessment"] >= 150
    assert kinds["OperationOutcome"] >= len(harvest.statuses - {200, 201}) > 5
    assert {"Bundle", "CapabilityStatement", "CodeSystem", "Device", "DocumentReference", "Questionnaire", "ValueSet"} <= set(
        kinds
    )


def test_each_validator_sees_hundreds_and_every_kind(verdicts: Verdicts, harvest: Harvest) -> None:
    kinds = {json.loads(text)["resourceType"] for text in harvest.resources.values()}
    for validator, found in verdicts.items():
        assert len(found) >= AT_LEAST_OF_EACH_VALIDATOR, validator
        seen = {json.loads(harvest.resources[file.removesuffix(".json")])["resourceType"] for file in found}
        assert seen == kinds, validator


def test_A1_S1_T8_no_validator_finds_an_error_in_what_we_emit(verdicts: Verdicts) -> None:
    known = known_faults()
    errors = [str(issue) for issue in issues_of(verdicts) if issue.is_error and explained_by(issue, known) is None]
    assert not errors, f"{len(errors)} errors, the first:\n" + "\n".join(errors[:SHOWN])


def test_no_fault_of_a_validator_is_stale(verdicts: Verdicts) -> None:
    known = known_faults()
    met = {explained_by(issue, known) for issue in issues_of(verdicts) if issue.is_error}
    assert [fault.pattern for fault in known if fault not in met] == []


def test_every_warning_has_a_reason(verdicts: Verdicts) -> None:
    known = known_warnings()
    unexplained = [str(issue) for issue in issues_of(verdicts) if issue.is_warning and explained_by(issue, known) is None]
    assert not unexplained, f"{len(unexplained)} warnings without reason, the first:\n" + "\n".join(unexplained[:SHOWN])


def test_no_reason_for_a_warning_is_stale(verdicts: Verdicts) -> None:
    known = known_warnings()
    met = {explained_by(issue, known) for issue in issues_of(verdicts) if issue.is_warning}
    assert [warning.pattern for warning in known if warning not in met] == []
    assert {warning.validator for warning in known} <= set(VALIDATORS)


def issues_of(verdicts: Verdicts) -> Iterator[Issue]:
    """All remarks of all validators."""
    for found in verdicts.values():
        for issues in found.values():
            yield from issues
