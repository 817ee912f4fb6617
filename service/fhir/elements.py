"""The structure of R4 types, taken from the library's R4B models and corrected where R4 (4.0.1) differs.

The types an EHR sends are read from a table made of the models (`models.py`), so that a start does not wait for pydantic to
build classes nobody runs; the others are read from the models themselves at their first use.

fhir.resources has no R4 models any more. R4B differs from R4 in few places of the types an EHR sends, and `r4_tables/` lists
every one: types R4 does not know (SubscriptionTopic, Citation ...), types only R4 has, elements and reference targets that came
or went (R4B lets an Observation be about a Practitioner, R4 does not). Required bindings are in no model at all and come from
the same folder.

The models are read, not run: validating a form of 60 answers through them takes 1.5 to 3.3 ms and still accepts `status: "foo"`,
`"true"` for a boolean, null, empty arrays and a 70-character id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from service.fhir.primitives import primitives
from service.records import dataclass

TABLES = Path(__file__).parent / "r4_tables"


@dataclass(frozen=True, slots=True)
class Binding:
    """A required binding: the codes of each code system that are allowed."""

    value_set: str
    systems: Mapping[str, frozenset[str]]
    codes: tuple[str, ...]  # of all systems, in the order of the standard


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type. `type` is a primitive's name, the name of a structure, or ``Resource`` for any resource.

    `choice` is the stem of a choice of types (``value`` for value[x]); `targets` the types a Reference may name, empty for any.
    `extensible`: a primitive that may have a ``_name`` beside it, which ids, Extension.url and Narrative.div may not.
    """

    name: str
    type: str
    many: bool = False
    required: bool = False
    choice: str = ""
    targets: frozenset[str] = frozenset()
    binding: Binding | None = None
    extensible: bool = False

    @property
    def primitive(self) -> bool:
        return self.type in primitive_names()


@dataclass(frozen=True, slots=True)
class Structure:
    """A resource, a data type or a part of one. `page` is the page of the specification that defines it."""

    name: str
    elements: Mapping[str, Element]
    is_resource: bool
    page: str

    @property
    def required(self) -> tuple[Element, ...]:
        """Required elements that are no choice."""
        return tuple(element for element in self.elements.values() if element.required and not element.choice)

    @property
    def choices(self) -> Mapping[str, tuple[Element, ...]]:
        """The elements of each choice of types, by stem."""
        stems = dict.fromkeys(element.choice for element in self.elements.values() if element.choice)
        return {stem: tuple(element for element in self.elements.values() if element.choice == stem) for stem in stems}


@cache
def resource_types() -> frozenset[str]:
    """The names of all resource types of R4."""
    return frozenset(_table("r4_differences")["resourceTypes"])


@cache
def structure(name: str) -> Structure:
    """The structure of that name (``Observation``, ``ObservationComponent``, ``Quantity``). KeyError if R4 has none.

    Names of parts are those of the models: the path without dots. Read once, at the first use of the type: a few milliseconds.
    """
    own = _table("r4_types").get(name)
    if own is not None:
        base = structure(own["base"])
        elements = dict(base.elements)
        elements.update((element.name, element) for element in map(_written, own["elements"].items()))
        return _corrected(name, elements, is_resource=base.is_resource)
    tabled = _table("models").get(name)
    if tabled is not None:
        found = {element.name: element for element in map(_written, tabled.items())}
    else:
        from service.fhir.models import model_elements  # pydantic and the models: not before they are needed

        found = {element.name: element for element in model_elements(name)}
    return _corrected(name, found, is_resource=name in resource_types() or name in ("Resource", "DomainResource"))


def _corrected(name: str, elements: dict[str, Element], *, is_resource: bool) -> Structure:
    differences = _table("r4_differences")
    for path, text in differences["added"].items():
        if path.startswith(f"{name}."):
            added = _written((path.split(".")[1], text))
            elements[added.name] = added
    for path in differences["removed"]:
        if path.startswith(f"{name}."):
            elements.pop(path.split(".")[1], None)
    for element in elements.values():
        path = f"{name}.{element.name}"
        if path in differences["required"]:
            element = replace(element, required=True)
        if path in differences["targets"]:
            element = replace(element, targets=frozenset(differences["targets"][path]))
        elements[element.name] = replace(element, binding=_binding(path))
    return Structure(name, elements, is_resource, _page(name))


def _written(row: tuple[str, str]) -> Element:
    """An element as the tables write it.

    The type, ``*`` if it repeats, ``!`` if it is required, ``-`` for a primitive that no extension may go with; then
    ``choice:stem`` or the types a Reference may name.
    """
    name, text = row
    kind, *rest = text.split()
    plain = kind.rstrip("*!-")
    choice = next((word.removeprefix("choice:") for word in rest if word.startswith("choice:")), "")
    return Element(
        name, plain, many="*" in kind, required="!" in kind, choice=choice,
        targets=frozenset(word for word in rest if not word.startswith("choice:")),
        extensible=plain in primitive_names() and "-" not in kind,
    )


@cache
def primitive_names() -> frozenset[str]:
    """The names of the primitive types."""
    return frozenset(primitives())


# --- the tables ----------------------------------------------------------------------------------------------------


@cache
def _table(name: str) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads((TABLES / f"{name}.json").read_text(encoding="utf-8"))
    return content


@cache
def _binding(path: str) -> Binding | None:
    tables = _table("bindings")
    value_set = tables["elements"].get(path)
    if value_set is None:
        return None
    systems = tables["valueSets"][value_set]
    codes = dict.fromkeys(code for listed in systems.values() for code in listed)
    return Binding(value_set, {system: frozenset(listed) for system, listed in systems.items()}, tuple(codes))


@cache
def value_set_codes(name: str) -> frozenset[tuple[str, str]] | None:
    """(system, code) of every code of an R4 value set by its name (``request-priority``), None if it is not in the tables."""
    systems = _table("bindings")["valueSets"].get(name)
    return None if systems is None else frozenset((system, code) for system, codes in systems.items() for code in codes)


def _page(name: str) -> str:
    """Address of the page that defines a type; parts are on the page of their resource."""
    owner = next((kind for kind in sorted(resource_types(), key=len, reverse=True) if name.startswith(kind)), "")
    return f"http://hl7.org/fhir/R4/{owner.lower()}.html" if owner else "http://hl7.org/fhir/R4/datatypes.html"
