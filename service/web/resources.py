"""The views of stored resources: headers and body in, one interaction, status and headers out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

from flask import Response, request
from werkzeug.http import http_date, parse_date

from service.errors import Fault, MalformedInput
from service.fhir import r4
from service.fhir.etags import etag, tagged_version, tagged_versions
from service.fhir.outcomes import operation_outcome
from service.fhir.parameters import printable
from service.fhir.subsets import part_of
from service.interactions.conditions import ANYTHING, Expectation, check_id
from service.interactions.history import history_bundle
from service.interactions.results import Done
from service.interactions.single import Interactions, check_type, not_found, read, vread
from service.records import dataclass
from service.storage.store import MOST_PER_PAGE, PAGE, HistoryQuery, ResourceStore, Version
from service.web.parameters import SHAPING, without_effect
from service.web.parts import part_asked_for
from service.web.preferences import ASSESS_ELSEWHERE, check_assess, read_preferences
from service.web.responses import outcome_response, resource_response, stored_response, wants_indent, warn

_POSITION = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")
_HISTORY_OF_OTHERS = ("_at", "_list", "_sort")  # known to FHIR; without them other versions would come than were asked for
STATUS = {"created": 201, "updated": 200, "deleted": 200, "unchanged": 200, "found": 200}


@dataclass(frozen=True, slots=True)
class ResourceViews:
    """The views of one store. `address` gives the FHIR base as the caller reached it, `query` the query string as it was sent."""

    store: ResourceStore
    interactions: Interactions
    limits: r4.Limits
    address: Callable[[], str]
    new_id: Callable[[], str]
    types: frozenset[str]  # whose history the system shows

    # --- reading -------------------------------------------------------------------------------------------------

    def read(self, type_name: str) -> Callable[..., Response]:
        def view(resource_id: str) -> Response:
            with self.store.reading() as reader:
                return version_response(read(reader, type_name, resource_id))

        return view

    def vread(self, type_name: str) -> Callable[..., Response]:
        def view(resource_id: str, version: str) -> Response:
            with self.store.reading() as reader:
                return version_response(vread(reader, type_name, resource_id, version))

        return view

    def history(self, type_name: str = "") -> Callable[..., Response]:
        def view(resource_id: str = "") -> Response:
            query, applied = read_history_query(type_name, resource_id, types=() if type_name else self.types)
            with self.store.reading() as reader:
                if resource_id:
                    reader_has_it(reader.read(type_name, resource_id), type_name)
                page = reader.history(query)
            bundle = history_bundle(
                page, query, address=self.address(), bundle_id=self.new_id(), applied=applied, as_text=not wants_indent()
            )
            response = resource_response(bundle)
            left_out = without_effect(applied)
            if left_out:  # a history has no place for an OperationOutcome: every entry is a version of something
                warn(response, f"without effect: {', '.join(left_out)}")
            return response

        return view

    # --- writing -------------------------------------------------------------------------------------------------

    def create(self, type_name: str) -> Callable[..., Response]:
        def view() -> Response:
            parsed = self._body(type_name)
            condition = request.headers.get("If-None-Exist")
            done = self.store.transact(
                lambda transaction: self.interactions.create(transaction, parsed.resource, if_none_exist=condition),
                conditional=[type_name] if condition is not None else (),
            )
            return self._written(done, parsed.warnings)

        return view

    def update(self, type_name: str) -> Callable[..., Response]:
        def view(resource_id: str) -> Response:
            parsed = self._body(type_name)
            check_id(parsed.resource.get("id"), resource_id, type_name=type_name)
            expectation = read_expectation()
            done = self.store.transact(
                lambda transaction: self.interactions.update(
                    transaction, parsed.resource, resource_id, expectation=expectation
                )
            )
            return self._written(done, parsed.warnings)

        return view

    def update_where(self, type_name: str) -> Callable[..., Response]:
        def view() -> Response:
            parsed = self._body(type_name)
            criteria, expectation = read_criteria(), read_expectation()
            done = self.store.transact(
                lambda transaction: self.interactions.update_where(
                    transaction, parsed.resource, criteria, expectation=expectation
                ),
                conditional=[type_name],
            )
            return self._written(done, parsed.warnings)

        return view

    def delete(self, type_name: str) -> Callable[..., Response]:
        def view(resource_id: str) -> Response:
            expectation = read_expectation()
            done = self.store.transact(
                lambda transaction: self.interactions.delete(
                    transaction, type_name, resource_id, expectation=expectation
                )
            )
            return self._written(done, ())

        return view

    def delete_where(self, type_name: str) -> Callable[..., Response]:
        def view() -> Response:
            criteria, expectation = read_criteria(), read_expectation()
            done = self.store.transact(
                lambda transaction: self.interactions.delete_where(
                    transaction, type_name, criteria, expectation=expectation
                ),
                conditional=[type_name],
            )
            return self._written(done, ())

        return view

    def _body(self, type_name: str) -> r4.Parsed:
        check_assess(read_preferences(request.headers.get("Prefer")))
        parsed = r4.parse(request.get_data(cache=False), limits=self.limits, expected=type_name)
        check_type(parsed.resource["resourceType"], type_name)
        return parsed

    def _written(self, done: Done, warnings: tuple[Fault, ...]) -> Response:
        """The answer to a write: status and headers always the same, the body as the caller prefers it."""
        preferences = read_preferences(request.headers.get("Prefer"))
        wanted, status = preferences.returning, STATUS[done.effect]
        if done.effect == "deleted":
            told = wanted == "OperationOutcome"
            response = outcome_response(written_outcome(done, warnings), 200) if told else Response(status=204)
        elif wanted == "minimal":
            response = Response(status=status)
            del response.headers["Content-Type"]
        elif wanted == "OperationOutcome":
            response = outcome_response(written_outcome(done, warnings), status)
        else:
            assert done.version is not None and done.version.body is not None
            response = stored_response(done.version.body, status)
        if preferences.assess:
            warn(response, ASSESS_ELSEWHERE)
        if done.version is not None:
            add_version_headers(response, done.version)
            if done.effect in ("created", "unchanged"):
                response.headers["Location"] = f"{self.address()}/{done.version.versioned_reference}"
                response.autocorrect_location_header = False
        return response


def version_response(version: Version) -> Response:
    """A version as the answer to a read; 304 without a body if the caller has it already."""
    if caller_has(version):
        response = Response(status=304)
        del response.headers["Content-Type"]
    else:
        assert version.body is not None
        wanted = part_asked_for(version.type)
        if wanted is None:
            response = stored_response(version.body)
        else:
            response = resource_response(part_of(r4.read_stored(version.body), wanted))
    add_version_headers(response, version)
    return response


def add_version_headers(response: Response, version: Version) -> None:
    response.headers["ETag"] = etag(version.version)
    response.headers["Last-Modified"] = http_date(version.last_updated)


def caller_has(version: Version) -> bool:
    """Whether If-None-Match, or without it If-Modified-Since, says that the caller holds this version."""
    tags = request.headers.get("If-None-Match")
    if tags is not None:
        versions = tagged_versions(tags, where="If-None-Match")
        return versions is None or version.version in versions
    since = parse_date(request.headers.get("If-Modified-Since"))
    # The header has whole seconds. Which of two versions of one second the caller holds cannot be told: it is sent again.
    return since is not None and version.last_updated <= since


def read_expectation() -> Expectation:
    """What If-Match and If-None-Match say of the resource before a write."""
    match, none_match = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if match is not None:
        version = tagged_version(match, where="If-Match")
        return Expectation(version=version, present=version is None)
    if none_match is not None and none_match.strip() == "*" and request.method == "PUT":
        return Expectation(absent=True)
    if none_match is not None and request.method == "PUT":
        raise MalformedInput(
            Fault(
                "not-supported",
                "If-None-Match of a write is not understood.",
                where="If-None-Match",
                rule="On a write only If-None-Match: * has a meaning here: the resource must not exist.",
                repair="Send the version to change as If-Match.",
            )
        )
    return ANYTHING


def read_criteria() -> str:
    """The search parameters in the address of a conditional interaction; what shapes the answer is no condition."""
    parts = request.query_string.decode("utf-8", "replace").split("&")
    return "&".join(part for part in parts if part.partition("=")[0] not in SHAPING)


def read_history_query(
    type_name: str, resource_id: str, *, types: Collection[str]
) -> tuple[HistoryQuery, dict[str, str]]:
    """The history that the address asks for, and the parameters that were applied; MalformedInput with every wrong value."""
    faults: list[Fault] = []
    applied: dict[str, str] = {}
    strict = read_preferences(request.headers.get("Prefer")).strict
    count, since, before = PAGE, None, None
    for name, value in request.args.items(multi=True):
        if name == "_count" and value.isascii() and value.isdigit() and len(value) < 10:
            count = min(int(value), MOST_PER_PAGE)
            applied[name] = value
        elif name == "_since" and (moment := _instant(value)) is not None:
            since = moment
            applied[name] = value
        elif name == "_before" and (place := _POSITION.fullmatch(value)) is not None:
            before = int(place[1]), int(place[2])
            applied[name] = value
        elif name in ("_count", "_since", "_before"):
            faults.append(
                Fault(
                    "value",
                    f"The value of {name} is not understood.",
                    where=f"?{name}",
                    rule="_count is a whole number, _since an instant with time zone, _before what a next link holds.",
                    repair="Correct the value, for example _since=2026-01-31T10:00:00Z.",
                    spec="http://hl7.org/fhir/R4/http.html#history",
                )
            )
        elif name in _HISTORY_OF_OTHERS or (name not in SHAPING and strict):
            faults.append(
                Fault(
                    "not-supported",
                    f"A history has no parameter {printable(name)} here.",
                    where=f"?{printable(name)}",
                    rule="The parameters of a history are _count and _since.",
                    repair="Leave the parameter out.",
                    spec="http://hl7.org/fhir/R4/http.html#history",
                )
            )
    if faults:
        raise MalformedInput(faults)
    return HistoryQuery(type_name, resource_id, types, since, before, count), applied


def _instant(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # an unescaped + arrives as a space
    except ValueError:
        return None
    if "T" not in text:
        return moment.replace(tzinfo=UTC) if len(text) == 10 else None
    return moment if moment.tzinfo is not None else None


def reader_has_it(found: Version | None, type_name: str) -> None:
    """Nothing if there ever was such a resource; NotFound otherwise. The history of what was deleted can be read."""
    if found is None:
        raise not_found(type_name)


def written_outcome(done: Done, warnings: tuple[Fault, ...]) -> dict[str, Any]:
    """What was done, in words, after the warnings."""
    said = {
        "created": "The resource was created.",
        "updated": "The resource was updated.",
        "deleted": "The resource is deleted." if done.version is not None else "Nothing met the condition; nothing was deleted.",
        "unchanged": "A resource meets the condition already; nothing was created.",
        "found": "The resource was found.",
    }[done.effect]
    version = f"It is at version {done.version.version}." if done.version is not None else "Nothing was changed."
    return operation_outcome([*warnings, Fault("informational", said, rule=version, severity="information")])

