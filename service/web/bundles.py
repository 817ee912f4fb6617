"""A Bundle posted to the base: a transaction or a batch in, the Bundle of its results out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from flask import Response, request

from service.errors import Fault, MalformedInput, ServiceError
from service.fhir import r4
from service.fhir.elements import structure
from service.fhir.etags import etag
from service.fhir.json_text import read_json
from service.fhir.outcomes import operation_outcome
from service.fhir.times import instant
from service.interactions.bundles import BUNDLES, BundleProcessor, Then
from service.interactions.results import Answered, Done, EntryResult
from service.web.errors import status_of
from service.web.preferences import ASSESS_ELSEWHERE, Return, check_assess, read_preferences
from service.web.resources import STATUS, written_outcome
from service.web.responses import resource_response, warn

Resource = dict[str, Any]


def bundle_view(
    processor: BundleProcessor, *, limits: r4.Limits, address: Callable[[], str], new_id: Callable[[], str], assess: Then
) -> Callable[[], Response]:
    """The view of the FHIR base. `assess` makes the assessments a caller prefers to get with a transaction."""

    def view() -> Response:
        bundle = read_json(request.get_data(cache=False), limits)
        check_kind(bundle)
        results: Sequence[EntryResult]
        preferences = read_preferences(request.headers.get("Prefer"))
        wanted = preferences.returning
        if bundle["type"] != "transaction":
            check_assess(preferences)
        assessing = preferences.assess and bundle["type"] == "transaction"
        if bundle["type"] == "transaction":
            results = processor.transaction(bundle, then=assess if assessing else None)
        else:
            results = processor.batch(bundle)
        answer: Resource = {"resourceType": "Bundle", "id": new_id(), "type": f"{bundle['type']}-response"}
        if results:
            answer["entry"] = [entry_of(result, address=address(), wanted=wanted) for result in results]
        asked = len(bundle.get("entry", ()))
        applied = assessing and len(results) > asked  # a transaction that writes nothing has nothing to assess
        if applied:
            # Behind the entries that answer those of the request, in their order, come the assessments, always in full.
            answer["entry"][asked:] = [
                entry_of(result, address=address(), wanted="representation") for result in results[asked:]
            ]
        response = resource_response(answer)
        if applied:
            response.headers["Preference-Applied"] = "assess"
        elif preferences.assess and not assessing:
            warn(response, ASSESS_ELSEWHERE)
        return response

    return view


def check_kind(bundle: Resource) -> None:
    """Nothing for a transaction or batch; MalformedInput that says where everything else goes."""
    found = bundle.get("resourceType")
    if found != "Bundle" and isinstance(found, str):
        raise MalformedInput(
            Fault(
                "invalid",
                "What is posted to the base is a Bundle.",
                where="resourceType",
                rule="The base takes transactions and batches; a single resource goes to the address of its type.",
                repair="Put the resource into an entry of a transaction, or post it to its type.",
                spec="http://hl7.org/fhir/R4/http.html#transaction",
            )
        )
    kind = bundle.get("type")
    if found == "Bundle" and isinstance(kind, str) and kind in r4_bundle_types() and kind not in BUNDLES:
        raise MalformedInput(
            Fault(
                "not-supported",
                f"A Bundle of type {kind} is not carried out.",
                where="Bundle.type",
                rule="The base takes Bundles of the types transaction and batch.",
                repair="To have its findings weighed, post it to $assess; to store it, make it a transaction.",
                spec="http://hl7.org/fhir/R4/http.html#transaction",
            )
        )
    if found != "Bundle" or kind not in BUNDLES:
        r4.accept(bundle)  # names what is wrong with it
        raise MalformedInput(
            Fault(
                "structure",
                "The Bundle has no type that can be carried out.",
                where="Bundle.type",
                rule="The base takes Bundles of the types transaction and batch.",
                repair="Set Bundle.type.",
            )
        )


def r4_bundle_types() -> tuple[str, ...]:
    """The types a Bundle may have."""
    binding = structure("Bundle").elements["type"].binding
    return binding.codes if binding is not None else ()


def entry_of(result: EntryResult, *, address: str, wanted: Return | None) -> Resource:
    """One entry of the answer. What was written is repeated only if the caller prefers it; what was read always is."""
    if isinstance(result, ServiceError):
        return {"response": {"status": _status_line(status_of(result)), "outcome": operation_outcome(result.faults)}}
    if isinstance(result, Answered):
        return _of_operation(result)
    status = _status(result)
    response: Resource = {"status": _status_line(status)}
    entry: Resource = {}
    version = result.version
    if version is not None:
        entry["fullUrl"] = f"{address}/{version.reference}"
        if result.effect in ("created", "updated", "unchanged") and status != 304:
            response["location"] = f"{address}/{version.versioned_reference}"
        response["etag"] = etag(version.version)
        response["lastModified"] = instant(version.last_updated)
        reading = result.effect == "found" and status != 304
        if version.body is not None and (reading or (wanted == "representation" and status != 304)):
            entry["resource"] = r4.read_stored(version.body)
    if result.resource is not None:
        entry["resource"] = result.resource
    if result.warnings or (wanted == "OperationOutcome" and result.effect != "found"):
        response["outcome"] = written_outcome(result, result.warnings)
    if "resource" not in entry:
        entry.pop("fullUrl", None)
    return {**entry, "response": response}


def _of_operation(answered: Answered) -> Resource:
    """What an operation answered; why it refused stands where the outcome of any other entry does."""
    response: Resource = {"status": _status_line(answered.status)}
    if answered.location:
        response["location"] = answered.location
    if answered.resource is None:
        return {"response": response}
    if answered.status >= 400:
        return {"response": {**response, "outcome": answered.resource}}
    return {"resource": answered.resource, "response": response}


def _status(done: Done) -> int:
    if done.effect == "deleted":
        return 204
    return 304 if done.not_modified else STATUS[done.effect]


def _status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
