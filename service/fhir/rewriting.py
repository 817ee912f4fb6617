"""Replacing what links of a resource point to, wherever R4 keeps a link, and nowhere else.

Links are Reference.reference, elements of the types uri, url, canonical, oid and uuid, and href and src in a narrative. Text that
merely looks alike (an identifier's value, a note) is left as it is, which is why the structure of R4 decides and not the text.
Source: http://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape, unescape
from typing import Any

from service.fhir.elements import Element, structure

Resource = dict[str, Any]
# From the text of a link to what it is to be instead, or None to leave it.
Replace = Callable[[str], str | None]

_LINKS = frozenset({"uri", "url", "canonical", "oid", "uuid"})
_IN_NARRATIVE = re.compile(r"""(\s(?:href|src)\s*=\s*)("[^"]*"|'[^']*')""")


def with_links(resource: Resource, replace: Replace) -> Resource:
    """A copy of a valid resource with its links replaced, contained resources included."""
    return {
        name: value if name == "resourceType" else _replaced(value, element, resource["resourceType"], replace)
        for name, value in resource.items()
        for element in (_element(resource["resourceType"], name),)
    }


def references(resource: Resource, path: str) -> Iterator[tuple[str, str]]:
    """The text of every Reference.reference of a valid resource, with its path."""
    yield from _references(resource, resource["resourceType"], path)


def _element(type_name: str, name: str) -> Element | None:
    return structure(type_name).elements.get(name)


def _replaced(value: Any, element: Element | None, owner: str, replace: Replace) -> Any:
    if element is None:  # the extensions beside a primitive (`_birthDate`)
        if isinstance(value, list):
            return [_replaced(item, None, owner, replace) for item in value]
        return _object(value, "Element", replace) if isinstance(value, dict) else value
    if isinstance(value, list):
        return [_replaced(item, element, owner, replace) for item in value]
    if isinstance(value, dict):
        return with_links(value, replace) if element.type == "Resource" else _object(value, element.type, replace)
    if not isinstance(value, str):
        return value
    if element.type in _LINKS or (owner == "Reference" and element.name == "reference"):
        new = replace(value)
        return value if new is None else new
    if element.type == "xhtml":
        return _IN_NARRATIVE.sub(lambda found: found[1] + _attribute(found[2], replace), value)
    return value


def _object(node: dict[str, Any], type_name: str, replace: Replace) -> dict[str, Any]:
    return {name: _replaced(value, _element(type_name, name), type_name, replace) for name, value in node.items()}


def _attribute(quoted: str, replace: Replace) -> str:
    new = replace(unescape(quoted[1:-1]))
    return quoted if new is None else f"{quoted[0]}{escape(new)}{quoted[0]}"


def _references(node: Any, type_name: str, path: str) -> Iterator[tuple[str, str]]:
    for name, value in node.items():
        element = _element(type_name, name)
        if element is None:
            continue
        for at, item in _items(value, f"{path}.{name}"):
            if isinstance(item, dict):
                inner = item.get("resourceType", "") if element.type == "Resource" else element.type
                yield from _references(item, inner, at)
            elif type_name == "Reference" and name == "reference" and isinstance(item, str):
                yield item, at


def _items(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((f"{path}[{index}]", item) for index, item in enumerate(value))
    else:
        yield path, value
