"""Transactions, where all entries take effect or none, and batches, where each is for itself.

Source: http://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from service.errors import Fault, InvalidInput, MalformedInput, ServiceError
from service.fhir import r4
from service.fhir.rewriting import references
from service.interactions.entries import Entry, Offer, at_entry, read_entry
from service.interactions.results import Answered, Done, EntryResult
from service.interactions.single import Interactions
from service.interactions.transactions import Retrieve, Steps, TransactionRun
from service.records import dataclass
from service.storage.store import ResourceStore, Transaction

Resource = dict[str, Any]
# What follows the entries of a transaction, inside it.
Then = Callable[[Transaction, Sequence[Done]], Sequence[EntryResult]]

BUNDLES = ("transaction", "batch")
_OPERATION = re.compile(r"/?(?:[A-Z][A-Za-z]+/(?:[A-Za-z0-9\-.]{1,64}/)?)?\$[a-z-]+/?(?:\?.*)?", re.DOTALL)
_IN_RESOURCE = re.compile(r"Bundle\.entry\[(\d+)\]\.resource(?:\.|$)")


@dataclass(frozen=True, slots=True)
class BundleProcessor:
    """Carries out Bundles on one store. `operate` carries out an operation: method, address below the base, body."""

    store: ResourceStore
    interactions: Interactions
    retrieve: Retrieve
    offer: Offer
    operate: Callable[[str, str, Resource | None], Answered] | None = None

    def transaction(self, bundle: Resource, *, then: Then | None = None) -> list[EntryResult]:
        """The result of each entry, in the order of the Bundle; after them what `then` does in the same transaction.

        ServiceError, with nothing stored, if anything is wrong with any entry; of the faults that the Bundle itself shows, all.
        `bundle` is decoded JSON.
        """
        try:
            warnings = r4.accept(bundle).warnings
        except InvalidInput as error:
            raise _refusal(error.faults) from None
        entries = self._entries(bundle)
        conditional = sorted({entry.type for entry in entries if entry.conditional})
        writing = sorted({entry.type for entry in entries if entry.method in ("DELETE", "POST", "PUT")})
        if not writing:
            with self.store.reading() as reader:
                return [Steps.named(entry, self.retrieve, reader, entry) for entry in entries]

        def work(transaction: Transaction) -> tuple[list[Done], Sequence[EntryResult]]:
            results = TransactionRun(self._steps, transaction, entries).results()
            return results, then(transaction, results) if then is not None else ()

        done, more = self.store.transact(work, conditional=conditional, writing=writing)
        return [*(replace(one, warnings=_of_entry(warnings, index)) for index, one in enumerate(done)), *more]

    def batch(self, bundle: Resource) -> list[EntryResult]:
        """The result of each entry, in the order of the Bundle; what is wrong with one is the result of this one.

        ServiceError if the Bundle around them is not valid. `bundle` is decoded JSON.
        """
        verdict = r4.check(bundle)
        if any(_IN_RESOURCE.match(fault.where) is None for fault in verdict.faults):
            raise _refusal(verdict.faults)
        entries = bundle.get("entry", ())
        addresses = frozenset(str(raw["fullUrl"]) for raw in entries if str(raw.get("fullUrl", "")).startswith("urn:"))
        return [self._one(raw, index, verdict.faults, addresses) for index, raw in enumerate(entries)]

    def _entries(self, bundle: Resource) -> list[Entry]:
        entries: list[Entry] = []
        faults: list[Fault] = []
        for index, raw in enumerate(bundle.get("entry", ())):
            try:
                entries.append(read_entry(raw, index, self.offer))
            except ServiceError as error:
                faults += error.faults
        if faults:
            raise MalformedInput(faults)
        return entries

    def _one(self, raw: Resource, index: int, faults: Sequence[Fault], addresses: Collection[str]) -> EntryResult:
        own = _of_entry(faults, index)
        try:
            if self.operate is not None and _OPERATION.fullmatch(str(raw["request"]["url"])):
                # Faults of its body are for the operation to judge: $validate is there to find them.
                return self.operate(raw["request"]["method"], str(raw["request"]["url"]), raw.get("resource"))
            entry = read_entry(raw, index, self.offer)
            if own:
                raise r4.refusal(own)
            parsed = r4.accept(entry.resource) if entry.resource is not None else None
            if entry.resource is not None and (entwined := list(_entwined(entry, entry.resource, addresses))):
                raise InvalidInput(entwined)
            done = self._carry_out(entry)
            return replace(done, warnings=parsed.warnings) if parsed is not None else done
        except ServiceError as error:
            name = raw.get("resource", {}).get("resourceType")
            return at_entry(error, index, name if isinstance(name, str) else "")

    def _carry_out(self, entry: Entry) -> Done:
        if entry.method in ("GET", "HEAD"):
            with self.store.reading() as reader:
                return self.retrieve(reader, entry)
        conditional = [entry.type] if entry.conditional else []
        return self.store.transact(lambda transaction: self._steps.write(transaction, entry), conditional=conditional)

    @property
    def _steps(self) -> Steps:
        return Steps(self.interactions, self.retrieve, self.offer)


def _entwined(entry: Entry, resource: Resource, addresses: Collection[str]) -> Iterator[Fault]:
    """A fault for each reference to another entry: in a batch that can mean nothing."""
    for text, path in references(resource, f"{entry.path}.resource"):
        if text in addresses:
            yield Fault(
                "business-rule",
                "A reference of a batch names another entry of it.",
                where=path,
                rule="The entries of a batch stand by themselves; none can refer to what another one is going to create.",
                repair="Send the entries as a transaction.",
                spec="http://hl7.org/fhir/R4/http.html#brules",
            )


def _refusal(faults: Sequence[Fault]) -> InvalidInput:
    """The error for a Bundle that is not valid: malformed if not only resources in it are at fault, but the request itself."""
    itself = any(_IN_RESOURCE.match(fault.where) is None for fault in faults)
    return MalformedInput(faults) if itself else r4.refusal(faults)


def _of_entry(faults: Sequence[Fault], index: int) -> tuple[Fault, ...]:
    return tuple(fault for fault in faults if (at := _IN_RESOURCE.match(fault.where)) and int(at[1]) == index)
