"""The structure of R4 types, read from the library's R4B models and corrected where R4 (4.0.1) differs.

fhir.resources has no R4 models any more. R4B differs from R4 in few places of the types an EHR sends, and `r4_tables/` lists
every one: types R4 does not know (SubscriptionTopic, Citation ...), types only R4 has, elements and reference targets that came
or went (R4B lets an Observation be about a Practitioner, R4 does not). Required bindings are in no model at all and come from
the same folder.

The models are read, not run: validating a form of 60 answers through them takes 1.5 to 3.3 ms and still accepts `status: "foo"`,
`"true"` for a boolean, null, empty arrays and a 70-character id.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from fhir.resources.R4B import fhirtypes

from service.fhir.primitives import primitives

TABLES = Path(__file__).parent / "r4_tables"

_RESOURCE = "Resource"


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
        return self.type in _primitive_names()


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
    model = _model(name)
    if model is None:
        raise KeyError(name)
    found = {element.name: element for element in _read(model)}
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

    The type, ``*`` if it repeats, ``!`` if it is required, then ``choice:stem`` or the types a Reference may name.
    """
    name, text = row
    kind, *rest = text.split()
    choice = next((word.removeprefix("choice:") for word in rest if word.startswith("choice:")), "")
    return Element(
        name, kind.rstrip("*!"), many="*" in kind, required="!" in kind, choice=choice,
        targets=frozenset(word for word in rest if not word.startswith("choice:")),
        extensible=kind.rstrip("*!") in _primitive_names(),
    )


# --- the models --------------------------------------------------------------------------------------------------


def _model(name: str) -> Any:
    """The model class of that name, or None. Imported on first use: 1 to 30 ms a module."""
    annotation = getattr(fhirtypes, f"{name}Type", None)
    path = getattr(annotation, "_model_klass", None)
    if path is None:
        return None
    module, _, attribute = path.rpartition(".")
    if not module.startswith("fhir."):
        module = f"fhir.resources.R4B.{module.rpartition('.')[2]}"
    return getattr(import_module(module), attribute)


def _read(model: Any) -> Iterator[Element]:
    """The elements of a model class, in the model's order."""
    names = {field.alias for field in model.model_fields.values()}
    for field in model.model_fields.values():
        facts = field.json_schema_extra or {}
        name = field.alias
        if name is None or name.startswith("_") or name == "fhir_comments" or facts.get("element_property") is False:
            continue
        kind = _type_name(field.annotation, field.metadata)
        choice = facts.get("one_of_many", "")
        targets = frozenset(facts.get("enum_reference_types", ())) - {_RESOURCE}
        yield Element(
            name, kind, many=_repeats(field.annotation),
            required=bool(facts["one_of_many_required"] if choice else field.is_required() or facts.get("element_required")),
            choice=choice, targets=targets, extensible=f"_{name}" in names,
        )


def _repeats(annotation: Any) -> bool:
    return typing.get_origin(annotation) is list or any(_repeats(part) for part in typing.get_args(annotation))


def _type_name(annotation: Any, metadata: typing.Sequence[Any] = ()) -> str:
    """The R4 name of what an annotation holds. The library marks some primitives in the field's metadata instead."""
    for mark in metadata:
        visit = getattr(type(mark), "__visit_name__", None)
        if visit is not None:
            return str(visit)
    name = _annotation_names().get(annotation) if _hashable(annotation) else None
    if name is not None:
        return name
    path = getattr(annotation, "_model_klass", None)
    if path is not None:
        return str(path).rpartition(".")[2]
    for part in typing.get_args(annotation):
        if part is not type(None) and (name := _type_name(part)):
            return name
    return ""


def _hashable(annotation: Any) -> bool:
    return getattr(type(annotation), "__hash__", None) is not None


@cache
def _annotation_names() -> Mapping[Any, str]:
    return {
        fhirtypes.BooleanType: "boolean", fhirtypes.StringType: "string", fhirtypes.Base64BinaryType: "base64Binary",
        fhirtypes.CodeType: "code", fhirtypes.IdType: "id", fhirtypes.DecimalType: "decimal", fhirtypes.IntegerType: "integer",
        fhirtypes.UnsignedIntType: "unsignedInt", fhirtypes.PositiveIntType: "positiveInt", fhirtypes.UriType: "uri",
        fhirtypes.CanonicalType: "canonical", fhirtypes.OidType: "oid", fhirtypes.UuidType: "uuid", fhirtypes.UrlType: "url",
        fhirtypes.MarkdownType: "markdown", fhirtypes.XhtmlType: "xhtml", fhirtypes.DateType: "date",
        fhirtypes.DateTimeType: "dateTime", fhirtypes.InstantType: "instant", fhirtypes.TimeType: "time",
    }


@cache
def _primitive_names() -> frozenset[str]:
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


def _page(name: str) -> str:
    """Address of the page that defines a type; parts are on the page of their resource."""
    owner = next((kind for kind in sorted(resource_types(), key=len, reverse=True) if name.startswith(kind)), "")
    return f"http://hl7.org/fhir/R4/{owner.lower()}.html" if owner else "http://hl7.org/fhir/R4/datatypes.html"
