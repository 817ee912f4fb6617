"""Conditions of writes: the version a caller expects, and search criteria that say which resource is meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.errors import Fault, InvalidInput, MalformedInput, VersionConflict
from service.records import dataclass
from service.storage.store import ANY_VERSION, Reader, Version

CONDITIONAL_SPEC = "http://hl7.org/fhir/R4/http.html#cond-update"
CONCURRENCY_SPEC = "http://hl7.org/fhir/R4/http.html#concurrency"

# The resources of a type that meet criteria written as a query string: the first two are enough. MalformedInput for criteria
# that are not wholly understood: a condition of which a part is left out is another condition.
Matches = Callable[[Reader, str, str], Sequence[Version]]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be so before a write: `version` is the newest, nothing is there yet (`absent`), something is (`present`)."""

    version: int | None = None
    absent: bool = False
    present: bool = False

    @property
    def in_store(self) -> int | None:
        """The same for the store, which compares under the lock it writes under: what was read before may be old by then."""
        return 0 if self.absent else ANY_VERSION if self.present else self.version


ANYTHING = Expectation()


def the_only_match(matches: Matches, reader: Reader, type_name: str, criteria: str, *, where: str = "") -> Version | None:
    """The one resource that meets the criteria, None if there is none; VersionConflict if there are several."""
    if not criteria.strip("?& "):
        raise MalformedInput(
            Fault(
                "required",
                "The condition holds no search parameter.",
                where=where,
                rule="A conditional interaction names the resource it means by search parameters.",
                repair="Add a parameter, such as identifier=system|value.",
                spec=CONDITIONAL_SPEC,
            )
        )
    found = matches(reader, type_name, criteria)
    if len(found) > 1:
        raise VersionConflict(
            Fault(
                "multiple-matches",
                f"Several resources of type {type_name} meet the condition.",
                where=where,
                rule="A condition must mean one resource at most.",
                repair="Make the condition narrower, or name the resource by its id.",
                spec=CONDITIONAL_SPEC,
            )
        )
    return found[0] if found else None


def check_presence(reader: Reader, type_name: str, resource_id: str, expectation: Expectation) -> None:
    """Nothing; VersionConflict if there is a resource where the caller expects none, or none where one is expected."""
    if not (expectation.absent or expectation.present):
        return
    current = reader.read(type_name, resource_id)
    if expectation.present and (current is None or current.deleted):
        raise VersionConflict(
            Fault(
                "conflict",
                "The resource does not exist.",
                rule="If-Match: * asks for a resource that exists.",
                repair="Leave the header out to create it.",
                spec=CONCURRENCY_SPEC,
            )
        )
    if expectation.absent and current is not None and not current.deleted:
        raise VersionConflict(
            Fault(
                "conflict",
                "The resource exists already.",
                rule="If-None-Match: * asks for a resource that does not exist yet.",
                repair="Leave the header out to change the resource that is there.",
                spec=CONCURRENCY_SPEC,
            )
        )


def check_id(given: object, wanted: str, *, type_name: str, where: str = "") -> None:
    """Nothing if the resource has the id of its address; MalformedInput otherwise."""
    if given == wanted:
        return
    raise MalformedInput(
        Fault(
            "invalid" if given else "required",
            "The id in the resource is not the id of the address." if given else "The resource has no id.",
            where=f"{where or type_name}.id",
            rule="A resource that is put to an address carries the id of this address.",
            repair="Put the id of the address into the resource.",
            spec="http://hl7.org/fhir/R4/http.html#update",
        )
    )


def check_not_ours(type_name: str, resource_id: str, ours: frozenset[tuple[str, str]], *, where: str = "") -> None:
    """Nothing; InvalidInput for a resource that comes with the service."""
    if (type_name, resource_id) in ours:
        raise InvalidInput(
            Fault(
                "business-rule",
                f"{type_name}/{resource_id} comes with the service and is not changed by callers.",
                where=where,
                rule="It describes the software that runs.",
                repair="Use another id.",
            )
        )
