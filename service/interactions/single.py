"""Create, read, update and delete of one resource, with and without conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from service.errors import Fault, Gone, MalformedInput, NotFound, VersionConflict
from service.fhir.wording import with_article
from service.interactions.conditions import (
    ANYTHING,
    CONCURRENCY_SPEC,
    Expectation,
    Matches,
    check_id,
    check_not_ours,
    check_presence,
    the_only_match,
)
from service.interactions.results import Done
from service.records import dataclass
from service.storage.store import Reader, Transaction, Version

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Interactions:
    """The interactions inside one transaction of a store. `ours` are the resources that come with the service.

    `prepare` holds, for types with rules of their own, what makes of a resource as sent the one that is stored.
    """

    matches: Matches
    ours: frozenset[tuple[str, str]] = frozenset()
    prepare: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = field(default_factory=dict)

    def create(
        self, transaction: Transaction, resource: Resource, *, if_none_exist: str | None = None, resource_id: str | None = None
    ) -> Done:
        """created; unchanged if a resource meets `if_none_exist` already."""
        if if_none_exist is not None:
            there = the_only_match(self.matches, transaction, resource["resourceType"], if_none_exist)
            if there is not None:
                return Done("unchanged", there)
        return Done("created", transaction.create(self._prepared(resource), resource_id=resource_id))

    def update(
        self, transaction: Transaction, resource: Resource, resource_id: str, *, expectation: Expectation = ANYTHING
    ) -> Done:
        """updated, or created under the given id if there is no such resource. The caller has compared the id in the resource."""
        type_name = resource["resourceType"]
        check_not_ours(type_name, resource_id, self.ours)
        check_presence(transaction, type_name, resource_id, expectation)
        stored = {**self._prepared(resource), "id": resource_id}
        version = transaction.update(stored, expected=expectation.in_store)
        return Done("created" if version.created else "updated", version)

    def _prepared(self, resource: Resource) -> Resource:
        prepare = self.prepare.get(resource["resourceType"])
        return resource if prepare is None else prepare(dict(resource))

    def update_where(
        self, transaction: Transaction, resource: Resource, criteria: str, *, expectation: Expectation = ANYTHING
    ) -> Done:
        """The update of the resource that meets the criteria; a creation if none does, under the resource's id if it has one."""
        type_name, own_id = resource["resourceType"], resource.get("id")
        there = the_only_match(self.matches, transaction, type_name, criteria)
        if there is None:
            if own_id is None:
                return Done("created", transaction.create(self._prepared(resource)))
            return self.update(transaction, resource, own_id, expectation=Expectation(absent=True))
        if own_id is not None:
            check_id(own_id, there.id, type_name=type_name)
        return self.update(transaction, resource, there.id, expectation=expectation)

    def delete(
        self, transaction: Transaction, type_name: str, resource_id: str, *, expectation: Expectation = ANYTHING
    ) -> Done:
        """deleted, also if it was already or never was; VersionConflict if a version was expected of what never was.

        Source: http://hl7.org/fhir/R4/http.html#delete, https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1
        """
        check_not_ours(type_name, resource_id, self.ours)
        check_presence(transaction, type_name, resource_id, expectation)
        version = transaction.delete(type_name, resource_id, expected=expectation.in_store)
        if version is None and expectation.version is not None:
            raise VersionConflict(
                Fault(
                    "conflict",
                    f"There never was {with_article(type_name)} of that id here.",
                    where="If-Match",
                    rule="If-Match names the version that is deleted.",
                    repair="Correct the id, or leave the header out.",
                    spec=CONCURRENCY_SPEC,
                )
            )
        return Done("deleted", version)

    def delete_where(
        self, transaction: Transaction, type_name: str, criteria: str, *, expectation: Expectation = ANYTHING
    ) -> Done:
        """The deletion of the one resource that meets the criteria; deleted without a version if none does."""
        there = the_only_match(self.matches, transaction, type_name, criteria)
        return Done("deleted") if there is None else self.delete(transaction, type_name, there.id, expectation=expectation)


def read(reader: Reader, type_name: str, resource_id: str) -> Version:
    """The newest version; NotFound, or Gone if it was deleted."""
    return existing(reader.read(type_name, resource_id), type_name)


def vread(reader: Reader, type_name: str, resource_id: str, version: str) -> Version:
    """That version; NotFound, or Gone if it is a deletion. Versions are whole numbers here: another text is none of ours."""
    number = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
    found = reader.vread(type_name, resource_id, number) if str(number) == version else None
    return existing(found, type_name)


def existing(found: Version | None, type_name: str) -> Version:
    if found is None:
        raise not_found(type_name)
    if found.deleted:
        raise Gone(
            Fault(
                "deleted",
                f"The {type_name} was deleted.",
                rule="Its earlier versions can still be read by their number.",
                repair=f"GET {type_name}/[id]/_history lists them.",
                spec="http://hl7.org/fhir/R4/http.html#read",
            )
        )
    return found


def not_found(type_name: str) -> NotFound:
    return NotFound(
        Fault(
            "not-found",
            f"There is no {type_name} of that id or version here.",
            rule="Only what was stored here can be read.",
            repair=f"Search with GET {type_name}, or correct the id.",
        )
    )


def check_type(found: str, wanted: str, *, where: str = "") -> None:
    """Nothing if the body is of the type of its address; MalformedInput otherwise."""
    if found != wanted:
        raise MalformedInput(
            Fault(
                "invalid",
                f"The body is {with_article(found)}, the address is of {wanted}.",
                where=where or found,
                rule="A resource is sent to the address of its own type.",
                repair=f"Send it to {found}, or send {with_article(wanted)}.",
                spec="http://hl7.org/fhir/R4/http.html#create",
            )
        )
