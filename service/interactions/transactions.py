"""One transaction Bundle inside one transaction of the store: which resource each entry means, references, order, writes.

Source: http://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from service.errors import Fault, InvalidInput, MalformedInput, ServiceError
from service.fhir.rewriting import references, with_links
from service.interactions.conditions import the_only_match
from service.interactions.entries import TRANSACTION_SPEC, Entry, Offer, at_entry
from service.interactions.results import Done
from service.interactions.single import Interactions
from service.records import dataclass
from service.storage.store import Reader, Transaction

Resource = dict[str, Any]
# What a GET of an entry answers, in the view of the transaction or of a reader.
Retrieve = Callable[[Reader, Entry], Done]

RULES_SPEC = "http://hl7.org/fhir/R4/http.html#trules"
_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "GET": 3, "HEAD": 3}
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?(.+)", re.DOTALL)
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_RESTFUL = re.compile(r"(https?://.+/)[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_VERSIONED = re.compile(r"(.+)/_history/[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Steps:
    """What single entries are carried out with."""

    interactions: Interactions
    retrieve: Retrieve
    offer: Offer

    def write(self, transaction: Transaction, entry: Entry, *, resource_id: str | None = None) -> Done:
        """What a writing entry does; `resource_id` is the id a creation is to get."""
        todo = self.interactions
        if entry.method == "DELETE":
            if entry.criteria is not None and not entry.id:
                return todo.delete_where(transaction, entry.type, entry.criteria, expectation=entry.expectation)
            return todo.delete(transaction, entry.type, entry.id, expectation=entry.expectation)
        assert entry.resource is not None
        if entry.method == "POST":
            return todo.create(
                transaction, entry.resource, if_none_exist=entry.if_none_exist, resource_id=resource_id
            )
        if entry.criteria is not None and not entry.id:
            return todo.update_where(transaction, entry.resource, entry.criteria, expectation=entry.expectation)
        return todo.update(transaction, entry.resource, entry.id, expectation=entry.expectation)

    @staticmethod
    def named(entry: Entry, work: Callable[..., Done], *arguments: Any, **more: Any) -> Done:
        """What `work` returns; its errors name the entry."""
        try:
            return work(*arguments, **more)
        except ServiceError as error:
            raise at_entry(error, entry.index, entry.type) from error


class TransactionRun:
    """One transaction Bundle inside one transaction of the store."""

    def __init__(self, steps: Steps, transaction: Transaction, entries: Sequence[Entry]) -> None:
        self._steps = steps
        self._transaction = transaction
        self._entries = entries
        self._settled: dict[int, Done] = {}  # entries that need no write
        self._ids: dict[int, str] = {}  # the id of what each writing entry is about, once known
        self._addresses: dict[str, str] = {}  # fullUrl -> Type/id
        self._conditional: dict[str, str] = {}  # conditional reference -> Type/id

    def results(self) -> list[Done]:
        self._check_conditions()
        for entry in self._entries:
            try:
                self._identify(entry)
            except ServiceError as error:
                raise at_entry(error, entry.index, entry.type) from error
        self._check_identities()
        entries = self._with_references()
        results: dict[int, Done] = dict(self._settled)
        for entry in sorted(entries, key=self._turn):
            if entry.index not in results:
                results[entry.index] = self._steps.named(entry, self._carry_out, entry)
        return [results[entry.index] for entry in entries]

    def _identify(self, entry: Entry) -> None:
        """Settle which resource the entry is about, before anything is written."""
        matches = self._steps.interactions.matches
        if entry.method == "POST":
            there = None
            if entry.if_none_exist is not None:
                there = the_only_match(matches, self._transaction, entry.type, entry.if_none_exist)
            if there is not None:
                self._settled[entry.index] = Done("unchanged", there)
            self._know(entry, there.id if there is not None else self._transaction.new_id())
        elif entry.method in ("PUT", "DELETE") and entry.id:
            self._know(entry, entry.id)
        elif entry.method in ("PUT", "DELETE"):
            there = the_only_match(matches, self._transaction, entry.type, entry.criteria or "")
            if there is not None:
                self._know(entry, there.id)
            elif entry.method == "PUT":
                assert entry.resource is not None
                self._know(entry, entry.resource.get("id") or self._transaction.new_id())

    def _know(self, entry: Entry, resource_id: str) -> None:
        self._ids[entry.index] = resource_id
        if entry.full_url and entry.method != "DELETE":
            self._addresses[entry.full_url] = f"{entry.type}/{resource_id}"

    def _check_conditions(self) -> None:
        """Nothing; InvalidInput if two entries have one condition: if nothing meets it, each would create one that does."""
        _check_once(
            (entry, (entry.type, entry.if_none_exist if entry.method == "POST" else entry.criteria))
            for entry in self._entries
            if entry.conditional
        )

    def _check_identities(self) -> None:
        """Nothing; InvalidInput if two entries write one resource."""
        _check_once(
            (entry, (entry.type, self._ids[entry.index]))
            for entry in self._entries
            if entry.index in self._ids and entry.index not in self._settled
        )

    def _with_references(self) -> list[Entry]:
        faults: list[Fault] = []
        rewritten = []
        for entry in self._entries:
            resource = entry.resource
            if resource is not None and entry.method in ("POST", "PUT") and entry.index not in self._settled:
                faults += self._unresolved(entry, resource)
                if not faults:
                    resource = with_links(resource, partial(self._new_link, entry))
            rewritten.append(replace(entry, resource=resource))
        if faults:
            raise InvalidInput(faults)
        return rewritten

    def _new_link(self, entry: Entry, text: str) -> str | None:
        found = self._addresses.get(text) or self._conditional.get(text)
        if found is not None:
            return found
        base = _RESTFUL.fullmatch(entry.full_url)
        if base is not None and _RELATIVE.fullmatch(text):
            return self._addresses.get(base[1] + text)
        versioned = _VERSIONED.fullmatch(text)
        if versioned is not None and self._new_link(entry, versioned[1]) is not None:
            # The version that the caller knew is none of ours; what the entry is going to be is the newest.
            return self._new_link(entry, versioned[1])
        return None

    def _unresolved(self, entry: Entry, resource: Resource) -> Iterator[Fault]:
        """A fault for each reference that can only mean an entry and means none, or a search that finds not one resource."""
        for text, path in references(resource, f"{entry.path}.resource"):
            if text.startswith("urn:") and text not in self._addresses:
                yield Fault(
                    "not-found",
                    "No entry of the transaction has the fullUrl that this reference names.",
                    where=path,
                    rule="A reference by urn: means another entry of the same Bundle.",
                    repair="Add the entry, or refer to a resource that is stored.",
                    spec=RULES_SPEC,
                )
            condition = _CONDITIONAL.fullmatch(text)
            if condition is not None and text not in self._conditional:
                found, problem = self._found(condition[1], condition[2], path)
                if problem is not None:
                    yield problem
                else:
                    self._conditional[text] = found

    def _found(self, type_name: str, criteria: str, path: str) -> tuple[str, Fault | None]:
        steps = self._steps
        try:
            steps.offer.check(type_name, "vread", path)  # only what is stored can be searched for
            there = the_only_match(steps.interactions.matches, self._transaction, type_name, criteria, where=path)
        except ServiceError as error:
            return "", replace(error.faults[0], where=path)
        if there is None:
            return "", Fault(
                "not-found",
                "No resource meets the condition of this reference.",
                where=path,
                rule="A conditional reference means exactly one resource that is stored.",
                repair="Store the resource first, or refer to an entry of the transaction by its fullUrl.",
                spec=RULES_SPEC,
            )
        return there.reference, None

    def _turn(self, entry: Entry) -> tuple[int, str, str]:
        # Within one method by identity: two transactions that write the same resources then meet at the first of them,
        # instead of each holding what the other one waits for.
        return _ORDER[entry.method], entry.type, self._ids.get(entry.index, "")

    def _carry_out(self, entry: Entry) -> Done:
        if entry.method in ("GET", "HEAD"):
            return self._steps.retrieve(self._transaction, entry)
        resource_id = self._ids.get(entry.index)
        if entry.method == "DELETE" and resource_id is None:
            return Done("deleted")
        if entry.method == "PUT" and not entry.id:
            return self._update(entry, str(resource_id))
        settled = replace(entry, id=resource_id or "", criteria=None) if entry.method == "DELETE" else entry
        return self._steps.write(self._transaction, replace(settled, if_none_exist=None), resource_id=resource_id)

    def _update(self, entry: Entry, resource_id: str) -> Done:
        """A conditional update, whose resource is known by now."""
        assert entry.resource is not None
        own = entry.resource.get("id")
        if own is not None and own != resource_id:
            raise MalformedInput(
                Fault(
                    "invalid",
                    "The id in the resource is not the id of the resource that meets the condition.",
                    where=f"{entry.path}.resource.id",
                    rule="A conditional update changes the resource that meets the condition.",
                    repair="Leave the id out.",
                    spec=TRANSACTION_SPEC,
                )
            )
        return self._steps.interactions.update(
            self._transaction, entry.resource, resource_id, expectation=entry.expectation
        )


def _check_once(about: Iterable[tuple[Entry, tuple[str, str | None]]]) -> None:
    first: dict[tuple[str, str | None], Entry] = {}
    faults = [
        Fault(
            "business-rule",
            f"This entry and {other.path} are about the same resource.",
            where=entry.path,
            rule="A transaction writes each resource once.",
            repair="Leave one of the two out.",
            spec=RULES_SPEC,
        )
        for entry, what in about
        if (other := first.setdefault(what, entry)) is not entry
    ]
    if faults:
        raise InvalidInput(faults)
