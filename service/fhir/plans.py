"""Structures made ready for the walk: one small function per member, compiled at the first use of a type and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from service.fhir import wording
from service.fhir.elements import Element, Structure, structure
from service.fhir.invariants import invariants
from service.fhir.narrative import narrative_fault
from service.fhir.primitives import DECIMAL_TEXT, INTEGER_TEXT, Primitive, primitives
from service.fhir.rules import Invariant, Node, coded
from service.fhir.wording import Where
from service.records import dataclass

if TYPE_CHECKING:
    from service.fhir.walk import Walk

# What a widely used form renderer exports as text: members of an answer, and the member inside its Quantity.
_NUMBERS_IN_ANSWERS = {"QuestionnaireResponseItemAnswer": ("valueDecimal", "valueInteger"), "Quantity": ("value",)}
_LOCAL_LINKS = frozenset({"uri", "url", "canonical"})

Visitor = Callable[["Walk", Any, Node, Where], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """A structure as the walk needs it: one visitor per member, and the checks of the object as a whole."""

    structure: Structure
    visitors: Mapping[str, Visitor]
    extensible: Mapping[str, Element]
    required: tuple[str, ...]
    choices: tuple[tuple[str, bool], ...]
    stems: Mapping[str, str]
    rules: tuple[Invariant, ...]


@cache
def plan(name: str, answer: bool = False) -> Plan:
    """The plan of a structure. `answer`: it belongs to an answer, where a number may be written as text (R24)."""
    found = structure(name)
    lenient = _NUMBERS_IN_ANSWERS.get(name, ()) if answer or name == "QuestionnaireResponseItemAnswer" else ()
    visitors: dict[str, Visitor] = {}
    for element in found.elements.values():
        visitors[element.name] = _visitor(element, name, lenient=element.name in lenient)
    if found.is_resource:
        visitors["resourceType"] = _nothing
    choices = {stem: any(element.required for element in elements) for stem, elements in found.choices.items()}
    stems = {
        prefix + element.name: element.choice for element in found.elements.values() if element.choice for prefix in ("", "_")
    }
    return Plan(
        found, visitors, {element.name: element for element in found.elements.values() if element.extensible},
        tuple(element.name for element in found.required), tuple(choices.items()), stems, invariants().get(name, ()),
    )


def _nothing(walk: Walk, value: Any, node: Node, where: Where) -> None:
    """The type of a resource has been read before its members are."""


def _contained(walk: Walk, value: Any, node: Node, where: Where) -> None:
    walk.contained(value, where)


def _visitor(element: Element, owner: str, *, lenient: bool) -> Visitor:
    if element.name == "contained" and element.type == "Resource":
        return _contained
    if element.type == "Resource":
        return _resource(element)
    if not element.primitive:
        return _complex(element, owner)
    single = _primitive(element, owner)
    if lenient:
        return _number_or_text(element, single)
    return _primitive_array(element, single) if element.many else single


def _primitive(element: Element, owner: str) -> Visitor:
    primitive = primitives()[element.type]
    name, accepts = element.name, primitive.accepts
    if element.binding is not None:
        return _bound_code(element, primitive)
    if owner == "Narrative" and name == "div":
        return _narrative(primitive)

    def visit(walk: Walk, value: Any, node: Node, where: Where) -> None:
        if not accepts(value):
            walk.faults.append(wording.bad_value(value, primitive, (where, name)))

    def visit_link(walk: Walk, value: Any, node: Node, where: Where) -> None:
        if not accepts(value):
            walk.faults.append(wording.bad_value(value, primitive, (where, name)))
        elif value[0] == "#":
            walk.local_link(value)

    return visit_link if element.type in _LOCAL_LINKS else visit


def _bound_code(element: Element, primitive: Primitive) -> Visitor:
    binding = element.binding
    assert binding is not None
    name, codes, accepts = element.name, frozenset(binding.codes), primitive.accepts

    def visit(walk: Walk, value: Any, node: Node, where: Where) -> None:
        if type(value) is str and value in codes:
            return
        if accepts(value):
            walk.faults.append(wording.illegal_code(value, binding, (where, name)))
        else:
            walk.faults.append(wording.bad_value(value, primitive, (where, name)))

    return visit


def _narrative(primitive: Primitive) -> Visitor:
    def visit(walk: Walk, value: Any, node: Node, where: Where) -> None:
        if not primitive.accepts(value):
            walk.faults.append(wording.bad_value(value, primitive, (where, "div")))
            return
        fault = narrative_fault(value)
        if fault is not None:
            walk.faults.append(wording.invariant(fault[0], fault[1], (where, "div"), "Send a simple narrative, or none."))

    return visit


def _number_or_text(element: Element, strict: Visitor) -> Visitor:
    """The one exception to "no coercion" (R24): in an answer, a number written as text is taken as the number, with a warning."""
    pattern = INTEGER_TEXT if element.type == "integer" else DECIMAL_TEXT
    name = element.name

    def visit(walk: Walk, value: Any, node: Node, where: Where) -> None:
        if type(value) is str and len(value) <= 40 and pattern.fullmatch(value):
            number: int | Decimal = int(value) if INTEGER_TEXT.fullmatch(value) else Decimal(value)
            before = len(walk.faults)
            strict(walk, number, node, where)
            if len(walk.faults) == before:
                walk.faults.append(wording.number_as_text((where, name)))
                walk.conversions.append((node, name, number))
        else:
            strict(walk, value, node, where)

    return visit


def _primitive_array(element: Element, single: Visitor) -> Visitor:
    name = element.name

    def visit(walk: Walk, value: Any, node: Node, where: Where) -> None:
        here = (where, name)
        if type(value) is not list or not value:
            walk.faults.append(wording.not_an_array(value, here))
            return
        beside = node.get(f"_{name}")
        for index, item in enumerate(value):
            if item is not None:
                before = len(walk.faults)
                single(walk, item, node, where)
                for position in range(before, len(walk.faults)):
                    walk.faults[position] = wording.at_item(walk.faults[position], name, index)
            elif not (type(beside) is list and index < len(beside) and type(beside[index]) is dict):
                walk.faults.append(wording.null((here, index)))

    return visit


def _complex(element: Element, owner: str) -> Visitor:
    name, kind, targets = element.name, element.type, element.targets
    answer = owner == "QuestionnaireResponseItemAnswer" and kind == "Quantity"
    binding = element.binding
    found: list[Plan] = []  # filled at first use: structures refer to each other in circles

    def one(walk: Walk, value: Any, here: Where) -> None:
        if type(value) is not dict:
            walk.faults.append(wording.not_an_object(value, here))
            return
        if not found:
            found.append(plan(kind, answer))
        walk.object(value, found[0], here)
        if kind == "Reference":
            walk.reference(value, targets, here)
        elif binding is not None and not _has_bound_code(value, binding.systems, kind):
            walk.faults.append(wording.illegal_code("", binding, here))

    def single(walk: Walk, value: Any, node: Node, where: Where) -> None:
        one(walk, value, (where, name))

    def several(walk: Walk, value: Any, node: Node, where: Where) -> None:
        here = (where, name)
        if type(value) is not list or not value:
            walk.faults.append(wording.not_an_array(value, here))
            return
        for index, item in enumerate(value):
            one(walk, item, (here, index))

    return several if element.many else single


def _has_bound_code(value: Node, systems: Mapping[str, frozenset[str]], kind: str) -> bool:
    if not value:
        return True  # reported as empty already
    concept = {"coding": [value]} if kind == "Coding" else value
    return any(coded({"concept": concept}, "concept", system, *codes) for system, codes in systems.items())


def _resource(element: Element) -> Visitor:
    name = element.name

    def visit(walk: Walk, value: Any, node: Node, where: Where) -> None:
        walk.resource(value, (where, name))

    return visit


def prepare(name: str) -> None:
    """Nothing; afterwards the plan of a type and of everything it is made of is ready. Unknown names are passed over."""
    waiting, seen = [name], set()
    while waiting:
        kind = waiting.pop()
        if kind in seen or kind == "Resource" or kind in primitives():
            continue
        seen.add(kind)
        try:
            found = plan(kind)
        except KeyError:
            continue
        waiting += [element.type for element in found.structure.elements.values()]
    if name == "QuestionnaireResponse":
        plan("Quantity", True)
