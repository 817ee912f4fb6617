"""What a reference means inside one submission. Nothing is ever fetched: what is not there stays unresolved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from service.fhir.bundles import Held, Resource

Reference = dict[str, Any]

_HISTORY = re.compile(r"/_history/[^/]+$")
_RELATIVE = re.compile(r"^([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})$")
_RESTFUL = re.compile(r"^(https?://.+/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})$")


class ReferenceIndex:
    """The resources of one submission by everything a reference may call them."""

    def __init__(self, held: Iterable[Held], *, own_base: str = "") -> None:
        self._by_url: dict[str, Held] = {}
        self._by_type_and_id: dict[str, list[Held]] = {}
        self._by_identifier: dict[tuple[str, str], list[Held]] = {}
        self._by_canonical: dict[str, list[Held]] = {}
        self._bases = {f"{own_base}/"} if own_base else set()
        self._subjects: dict[str, set[str]] = {}  # bases of the references to a subject, by what they refer to; empty: relative
        for one in held:
            self._bases.add(_base(one.full_url))
            subject = one.resource.get("subject")
            literal = _plain(str(subject.get("reference", ""))) if isinstance(subject, dict) else ""
            if tail := _tail(literal):
                self._subjects.setdefault(tail, set()).add(_base(literal))
            if isinstance(one.resource.get("url"), str):
                self._by_canonical.setdefault(one.resource["url"], []).append(one)
            if one.full_url:
                self._by_url.setdefault(_plain(one.full_url), one)
            if one.id:
                self._by_type_and_id.setdefault(f"{one.type}/{one.id}", []).append(one)
            for identifier in _identifiers(one.resource):
                self._by_identifier.setdefault(identifier, []).append(one)

    def resolve(self, reference: Reference, holder: Held) -> Held | None:
        """The resource meant by a reference that `holder` makes, or None if the submission does not hold it.

        Takes absolute, relative, ``urn:uuid:``, ``#contained`` and logical (identifier) references.
        """
        literal = _plain(str(reference.get("reference", "")))
        if literal.startswith("#"):
            return self._contained(literal[1:], holder)
        if literal:
            return self._literal(literal, holder)
        return self._logical(reference)

    def canonical(self, canonical: str, holder: Held) -> Held | None:
        """The resource of the submission that a canonical means: its url (with the version if one is asked for), or ``#id``."""
        if canonical.startswith("#"):
            return self._contained(canonical[1:], holder)
        url, _, version = canonical.partition("|")
        for one in self._by_canonical.get(url, ()):
            if version in ("", one.resource.get("version")):
                return one
        return None

    def same(self, left: str, right: str) -> bool:
        """Whether two names of `name` mean one thing.

        A relative name and an absolute one do where the address is one of this submission or of this service, or the only one
        by which anything refers to the subject. An address of another server is somebody else, however alike the ids are.
        """
        if left == right:
            return True
        tail, base = _tail(left), _base(left) or _base(right)
        if tail != _tail(right) or not tail or "" not in (_base(left), _base(right)):
            return False
        return self._known(base, tail)

    def _known(self, base: str, tail: str) -> bool:
        return base in self._bases or self._subjects.get(tail, {base}) == {base}

    def name(self, reference: Reference, holder: Held) -> str:
        """A name under which what the reference means can be compared with others, resolved or not; empty if it has none."""
        target = self.resolve(reference, holder)
        literal = _plain(str(reference.get("reference", "")))
        if target is not None and literal.startswith("#"):
            # Two resources may each contain a copy of one thing: its identifier is what the copies share.
            shared = (self._named_by(*identifier, target.type) for identifier in _identifiers(target.resource))
            return next(shared, name_of(target))
        if target is not None:
            return name_of(target)
        if literal:
            return self._absolute(literal, holder)
        identifier = reference.get("identifier") or {}
        if not identifier.get("value"):
            return ""
        return self._named_by(str(identifier.get("system", "")), str(identifier["value"]), str(reference.get("type", "")))

    def _named_by(self, system: str, value: str, resource_type: str) -> str:
        alike = [one for one in self._by_identifier.get((system, value), ()) if resource_type in ("", one.type)]
        return name_of(alike[0]) if len(alike) == 1 else f"identifier:{system}|{value}"

    def _contained(self, local_id: str, holder: Held) -> Held | None:
        for index, resource in enumerate(holder.resource.get("contained", ())):
            if resource.get("id") == local_id:
                return Held(resource, f"{holder.path}.contained[{index}]", f"{holder.path}#{local_id}", holder.bundled)
        return None

    def _literal(self, literal: str, holder: Held) -> Held | None:
        found = self._by_url.get(literal) or self._by_url.get(self._absolute(literal, holder))
        if found is not None:
            return found
        tail = _tail(literal)
        if not tail:
            return None
        base = _base(literal)
        # An entry whose own address lies on another server is another resource, however alike the ids are.
        alike = [
            one
            for one in self._by_type_and_id.get(tail, ())
            if not base or _base(one.full_url) == base or (not _base(one.full_url) and self._known(base, tail))
        ]
        return alike[0] if len(alike) == 1 else None

    def _logical(self, reference: Reference) -> Held | None:
        identifier = reference.get("identifier") or {}
        key = (str(identifier.get("system", "")), str(identifier.get("value", "")))
        alike = [one for one in self._by_identifier.get(key, ()) if reference.get("type", one.type) == one.type]
        return alike[0] if len(alike) == 1 else None

    @staticmethod
    def _absolute(literal: str, holder: Held) -> str:
        base = _base(holder.full_url)
        return base + literal if base and _RELATIVE.match(literal) else literal


def name_of(held: Held) -> str:
    """The name of a resource of the submission, as `ReferenceIndex.name` gives it to references that mean it."""
    return _plain(held.full_url) or (f"{held.type}/{held.id}" if held.id else f"at:{held.path}")


def target_type(reference: Reference) -> str:
    """The type of resource a reference says it means, or empty if it does not say."""
    tail = _tail(_plain(str(reference.get("reference", ""))))
    return tail.split("/")[0] if tail else str(reference.get("type", ""))


def must_resolve_inside(reference: Reference) -> bool:
    """Whether the reference can mean nothing outside the submission (``#...``, ``urn:...``)."""
    return str(reference.get("reference", "")).startswith(("#", "urn:"))


def references_in(element: Any, path: str) -> Iterator[tuple[Reference, str]]:
    """Every reference anywhere in an element with its path; contained resources speak for themselves and are passed over."""
    if isinstance(element, dict):
        if isinstance(element.get("reference"), str) or _is_logical(element):
            yield element, path
        for key, value in element.items():
            # Texts and numbers hold none: most values are of these kinds, and a path for each of them takes its time.
            if isinstance(value, dict | list) and key not in ("contained", "identifier"):
                yield from references_in(value, f"{path}.{key}")
    elif isinstance(element, list):
        for index, value in enumerate(element):
            if isinstance(value, dict | list):
                yield from references_in(value, f"{path}[{index}]")


def _is_logical(element: dict[str, Any]) -> bool:
    # A resource, too, has `identifier` (a list, or an object in Bundle and QuestionnaireResponse): it also has its type.
    return isinstance(element.get("identifier"), dict) and element.keys() <= {"identifier", "type", "display", "id", "extension"}


def _identifiers(resource: Resource) -> Iterator[tuple[str, str]]:
    identifiers = resource.get("identifier", [])
    for identifier in identifiers if isinstance(identifiers, list) else [identifiers]:
        if identifier.get("value"):
            yield str(identifier.get("system", "")), str(identifier["value"])


def _plain(literal: str) -> str:
    return _HISTORY.sub("", literal)


def _tail(literal: str) -> str:
    if _RELATIVE.match(literal):
        return literal
    restful = _RESTFUL.match(literal)
    return f"{restful[2]}/{restful[3]}" if restful else ""


def _base(literal: str) -> str:
    restful = _RESTFUL.match(literal)
    return restful[1] if restful else ""
