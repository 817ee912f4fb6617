"""The part of FHIRPath that search parameters are written in, compiled to plain walks over JSON.

A general FHIRPath engine (fhirpathpy) takes milliseconds for all parameters of one resource, which is more than storing it
costs; these walks take a fiftieth of that (docs/search.md has the figures). The engine is the judge in the tests: both must
find the same values for every parameter.

What is understood: alternatives with ``|``, ``a.b.c``, ``(x as T)``, ``x.as(T)``, ``where(resolve() is T)``,
``where(name='text')``, ``x.exists() and x != false``. Anything else is an error when it is compiled, which a test does for all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from service.fhir.elements import structure
from service.fhir.references import read_reference
from service.records import dataclass

# A value found: its data type and the JSON.
Node = tuple[str, Any]
Filter = Callable[[Any], bool]

_UNION = re.compile(r"\s\|\s")
_CAST = re.compile(r"\((\S+) as (\w+)\)((?:\.\w+)*)")
_METHOD_CAST = re.compile(r"(.+)\.as\((\w+)\)")
_EXISTS = re.compile(r"(\S+)\.exists\(\) and \1 != false")
_PIECE = re.compile(r"\.?(?:where\((resolve\(\) is (\w+)|(\w+)\s*=\s*'([^']*)')\)|(\w+))")


@dataclass(frozen=True, slots=True)
class _Step:
    """One name of a path: from the data type before it to the JSON members it stands for, each with its data type."""

    members: Mapping[str, tuple[tuple[str, str], ...]]
    keep: Filter | None = None


@dataclass(frozen=True, slots=True)
class _Walk:
    start: str
    steps: tuple[_Step, ...]
    only: str = ""  # the data type of a cast
    truth: bool = False  # asks whether there is a value other than false

    def ends(self) -> frozenset[str]:
        """The data types it may end at."""
        if not self.steps:
            return frozenset({self.start})
        return frozenset(kind for members in self.steps[-1].members.values() for _, kind in members)

    def nodes(self, node: Node) -> Iterable[Node]:
        found: list[Node] = [node]
        for step in self.steps:
            below: list[Node] = []
            for kind, value in found:
                for member, type_name in step.members.get(kind, ()):
                    child = value.get(member)
                    if child is None:
                        continue
                    if type(child) is list:
                        below += [(type_name, item) for item in child if item is not None]
                    else:
                        below.append((type_name, child))
            if step.keep is not None:
                below = [(kind, value) for kind, value in below if step.keep(value)]
            if not below:
                found = below
                break
            found = below
        if self.truth:
            return [("boolean", bool(found) and found[0][1] is not False)]
        return [(kind, value) for kind, value in found if kind == self.only] if self.only else found


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled expression."""

    walks: tuple[_Walk, ...]

    def heads(self, type_name: str) -> frozenset[str] | None:
        """The members of which a value has to have one for anything to be found; None if something is found in any."""
        if any(walk.truth or not walk.steps for walk in self.walks):
            return None
        return frozenset(member for walk in self.walks for member, _ in walk.steps[0].members.get(type_name, ()))

    def nodes(self, value: Mapping[str, Any], type_name: str) -> list[Node]:
        """What the expression finds in a value of that data type (of a resource: its type), in the order of the expression."""
        return [node for walk in self.walks for node in walk.nodes((type_name, value))]


def compile_path(expression: str, start: str) -> Path:
    """The expression for values of the data type `start`; its paths may begin with the name of the type or leave it out.

    ValueError if it uses anything that is not understood, or names an element that does not exist.
    """
    return Path(tuple(_walk(part.strip(), start) for part in _UNION.split(expression)))


def _walk(text: str, start: str) -> _Walk:
    exists = _EXISTS.fullmatch(text)
    if exists:
        return _Walk(start, _steps(exists[1], start, ""), truth=True)
    cast = _CAST.fullmatch(text)
    if cast:
        if cast[3]:  # (x as T).y: the names after the cast are those of T alone
            return _Walk(start, _steps(cast[1] + cast[3], start, _type_name(cast[2])))
        return _Walk(start, _steps(cast[1], start, ""), only=_type_name(cast[2]))
    method = _METHOD_CAST.fullmatch(text)
    if method:
        return _Walk(start, _steps(method[1], start, ""), only=_type_name(method[2]))
    return _Walk(start, _steps(text, start, ""))


def _steps(path: str, start: str, cast: str) -> tuple[_Step, ...]:
    """The steps of a path; `cast` is the only data type that the last name but one may have."""
    pieces = list(_pieces(path))
    if pieces and pieces[0][0] in (start, "Resource"):
        pieces = pieces[1:]
    kinds: set[str] = {start}
    steps: list[_Step] = []
    for index, (name, keep) in enumerate(pieces):
        if not name:
            steps[-1] = _Step(steps[-1].members, keep)
            continue
        if cast and index == len(pieces) - 1:
            kinds &= {cast}
        members = {kind: found for kind in kinds if (found := _members(kind, name))}
        if not members:
            raise ValueError(f"no element {name} in {path} of {start}")
        steps.append(_Step(members))
        kinds = {type_name for found in members.values() for _, type_name in found}
    return tuple(steps)


def _pieces(path: str) -> Iterable[tuple[str, Filter | None]]:
    position = 0
    while position < len(path):
        piece = _PIECE.match(path, position)
        if piece is None:
            raise ValueError(f"not understood: {path}")
        position = piece.end()
        if piece[2]:
            yield "", _points_to(piece[2])
        elif piece[3]:
            yield "", _member_is(piece[3], piece[4])
        else:
            yield piece[5], None


def _members(kind: str, name: str) -> tuple[tuple[str, str], ...]:
    try:
        elements = structure(kind).elements.values()
    except KeyError:
        return ()
    return tuple((element.name, element.type) for element in elements if element.name == name or element.choice == name)


def _type_name(name: str) -> str:
    """The data type a cast means: one published expression writes DateTime for dateTime."""
    return "dateTime" if name == "DateTime" else name


def _points_to(type_name: str) -> Filter:
    """Whether a Reference names a resource of the type. Nothing is fetched: the text and the element `type` decide."""

    def keep(value: Any) -> bool:
        reference = value.get("reference")
        target = read_reference(reference).type if isinstance(reference, str) else ""
        return (target or value.get("type")) == type_name

    return keep


def _member_is(name: str, text: str) -> Filter:
    return lambda value: value.get(name) == text
