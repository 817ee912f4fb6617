"""What filling in a form reads from the store: content that is only referred to, and with `local` the record of the subject.

Only what this server holds is read, and only where a relative reference names it. Everything read so keeps its version, so that
the remark on an answer names exactly what it was taken from.
"""

from __future__ import annotations

from typing import Any

from service.errors import Fault, InvalidInput
from service.fhir.parameters import Parameter, read_parameters
from service.fhir.references import read_reference
from service.interactions.assessing import Gathered, as_held, named_version
from service.interactions.finding import Find
from service.storage.store import Reader, Version

Resource = dict[str, Any]

RECORD = ("Condition", "Observation", "QuestionnaireResponse")


def gather_record(submitted: Resource, reader: Reader, find: Find) -> Gathered:
    """The Parameters without the content that is referred to here, and what they refer to; InvalidInput if any is not here.

    With `local`, all that is held of the subject is among it.
    """
    if submitted.get("resourceType") != "Parameters":
        return Gathered(submitted, ())
    parameters = read_parameters(submitted)
    found: list[Version] = []
    faults: list[Fault] = []
    for parameter in _contents(parameters):
        version = named_version(reader, _reference(parameter))
        if version is None or version.deleted:
            faults.append(_not_here(parameter))
        else:
            found.append(version)
    if faults:
        raise InvalidInput(faults)
    if any(one.name == "local" and one.value is True for one in parameters):
        found += _record_of(parameters, reader, find)
    once = {version.versioned_reference: as_held(version) for version in found}
    return Gathered(_without_references(submitted), tuple(once.values()))


def subject_here(parameters: tuple[Parameter, ...]) -> str:
    """``Patient/1`` if the subject is named as a Patient of this server; empty otherwise."""
    for parameter in parameters:
        if parameter.name == "subject" and parameter.value_type == "valueReference":
            target = read_reference(str(parameter.value.get("reference", "")))
            if target.form == "relative" and target.type == "Patient":
                return f"Patient/{target.id}"
    return ""


def _record_of(parameters: tuple[Parameter, ...], reader: Reader, find: Find) -> list[Version]:
    """The Patient and the record, in the order they were stored."""
    subject = subject_here(parameters)
    if not subject:
        return []
    patient = reader.read("Patient", subject.partition("/")[2])
    record = [] if patient is None or patient.deleted else [patient]
    for kind in RECORD:
        record += find(reader, kind, [("patient", subject)])
    return sorted(record, key=lambda version: version.sequence)


def _contents(parameters: tuple[Parameter, ...]) -> list[Parameter]:
    """The content parameters that name something of this server, those in a context too."""
    parts = [part for one in parameters if one.name == "context" for part in one.parts]
    return [one for one in (*parameters, *parts) if one.name == "content" and _reference(one)]


def _reference(parameter: Parameter) -> str:
    if parameter.value_type != "valueReference":
        return ""
    reference = str(parameter.value.get("reference", ""))
    return reference if read_reference(reference).form == "relative" else ""


def _without_references(submitted: Resource) -> Resource:
    """The Parameters without what `_contents` finds in them."""
    kept = []
    for entry, parameter in zip(submitted.get("parameter", ()), read_parameters(submitted), strict=True):
        if parameter.name == "content" and _reference(parameter):
            continue
        if parameter.name == "context" and parameter.parts:
            parts = [
                raw
                for raw, part in zip(entry["part"], parameter.parts, strict=True)
                if part.name != "content" or not _reference(part)
            ]
            entry = {**entry, "part": parts}
        kept.append(entry)
    return {**submitted, "parameter": kept} if kept else {name: one for name, one in submitted.items() if name != "parameter"}


def _not_here(parameter: Parameter) -> Fault:
    return Fault(
        "not-found",
        "The content refers to nothing that is stored here.",
        where=f"{parameter.path}.value",
        rule="Content is a resource, or a reference Type/id or Type/id/_history/version to one that is stored here.",
        repair="Correct the reference, or send the resource itself.",
    )
