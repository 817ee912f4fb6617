"""What an assessment reads from the store: the form it is called on, what Parameters name, and the patient they are about.

Only what this server holds is read, and only where a relative reference names it: in R4 such a reference means the server that
the resource is sent to. Everything read so appears among the inputs of the answer with its version.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service.errors import Fault, Gone, InvalidInput, MalformedInput, NotFound
from service.fhir.bundles import Held, held_in_bundle
from service.fhir.parameters import read_parameters
from service.fhir.r4 import read_stored
from service.fhir.references import read_reference
from service.fhir.wording import with_article
from service.interactions.single import read, vread
from service.mapping.submission import STORED
from service.records import dataclass
from service.storage.store import Reader, Version

Resource = dict[str, Any]

NOTHING_SENT: Resource = {"resourceType": "Parameters"}
_SUBJECTS = ("subject", "patient")  # elements that say whom a resource is about


@dataclass(frozen=True, slots=True)
class Gathered:
    """A submission without the references to stored resources, and these resources."""

    resource: Resource
    stored: tuple[Held, ...]


def gather(resource: Resource, reader: Reader, *, instance: tuple[str, str] | None = None) -> Gathered:
    """The submission with what it names of the store. `instance` is the type and id of the address it was sent to.

    NotFound or Gone if that one is not there; InvalidInput with every other reference that names nothing here.
    """
    stored: list[Held] = []
    if instance is not None:
        _only_parameters(resource, instance[0])
        stored.append(as_held(read(reader, *instance)))
    kept, named = _named(resource, reader)
    stored += named
    sent = [*_sent(kept), *stored]
    have = {(one.type, one.id) for one in sent}
    wanted = [key for key in dict.fromkeys(_patients(kept, sent)) if key not in have]
    stored += [as_held(version) for version in reader.read_many(wanted).values()]
    return Gathered(kept, tuple(stored))


def as_held(version: Version) -> Held:
    """A stored version as the reading of a submission takes it."""
    assert version.body is not None
    return Held(read_stored(version.body), version.type, version=str(version.version))


def _only_parameters(resource: Resource, type_name: str) -> None:
    found = resource.get("resourceType")
    if found != "Parameters":
        raise MalformedInput(
            Fault(
                "structure",
                f"The body is {with_article(str(found))}.",
                where=str(found),
                rule=f"At the address of {with_article(type_name)} the body is empty, "
                "or Parameters with options and further resources.",
                repair=f"Send it to {type_name}/$assess, or put it into Parameters.",
            )
        )


def _named(resource: Resource, reader: Reader) -> tuple[Resource, list[Held]]:
    """The Parameters without those that name a stored resource; and these resources."""
    if resource.get("resourceType") != "Parameters":
        return resource, []
    kept, held, faults = [], [], []
    for entry, parameter in zip(resource.get("parameter", ()), read_parameters(resource), strict=True):
        if parameter.name != STORED:
            kept.append(entry)
            continue
        reference = str(parameter.value.get("reference", "")) if parameter.value_type == "valueReference" else ""
        found = named_version(reader, reference) if read_reference(reference).form == "relative" else None
        if found is None or found.deleted:
            faults.append(
                Fault(
                    "not-found",
                    "The parameter refers to nothing that is stored here.",
                    where=f"{parameter.path}.value",
                    rule=f"{STORED} carries a valueReference, Type/id or Type/id/_history/version, of a resource stored here.",
                    repair="Correct the reference, or send the resource itself in a parameter of its own.",
                )
            )
        else:
            held.append(as_held(found))
    if faults:
        raise InvalidInput(faults)
    rest = {name: value for name, value in resource.items() if name != "parameter"}
    return (rest | {"parameter": kept} if kept else rest), held


def named_version(reader: Reader, reference: str) -> Version | None:
    """The version that a relative reference names, the newest if it names none; None if there never was one."""
    parts = reference.split("/")
    if len(parts) == 4:
        try:
            return vread(reader, parts[0], parts[1], parts[3])
        except (NotFound, Gone):
            return None
    return reader.read(parts[0], parts[1])


def _sent(resource: Resource) -> Iterator[Held]:
    """The resources of a submission as the reading of it is going to find them."""
    kind = str(resource.get("resourceType", ""))
    if kind == "Bundle":
        yield from held_in_bundle(resource)
    elif kind == "Parameters":
        for parameter in read_parameters(resource):
            if parameter.resource is not None:
                inner = parameter.resource
                yield from held_in_bundle(inner) if inner.get("resourceType") == "Bundle" else (Held(inner, parameter.path),)
    else:
        yield Held(resource, kind)


def _patients(resource: Resource, held: list[Held]) -> Iterator[tuple[str, str]]:
    """Type and id of each Patient that is referred to as one of this server."""
    for one in held:
        if "://" in one.full_url:
            continue  # its relative references mean the server it came from
        for name in _SUBJECTS:
            reference = one.resource.get(name)
            if isinstance(reference, dict):
                yield from _patient(str(reference.get("reference", "")))
    if resource.get("resourceType") == "Parameters":
        for parameter in read_parameters(resource):
            if parameter.name == "subject" and parameter.value_type == "valueReference":
                yield from _patient(str(parameter.value.get("reference", "")))


def _patient(text: str) -> Iterator[tuple[str, str]]:
    target = read_reference(text)
    if target.form == "relative" and target.type == "Patient":
        yield "Patient", target.id
