"""The parameters of an operation: read from the query of an address and from a Parameters resource, written as Parameters.

An operation lists what it takes as `Input`s. `read_inputs` checks what a caller gave against that list and raises with every
fault at once, so that operations themselves only deal with values of the right type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from service.errors import Fault, MalformedInput
from service.fhir.primitives import INTEGER_TEXT, primitives
from service.fhir.wording import with_article
from service.records import dataclass

Resource = dict[str, Any]

OPERATIONS_SPEC = "http://hl7.org/fhir/R4/operations.html"
# What every address may carry: how the answer is formed, which is settled before an operation runs.
SHAPING = frozenset({"_format", "_pretty", "_summary", "_elements"})
# Clients write addresses and codes as plain strings and the other way round; the text is the same, so all are read.
_TEXTUAL = frozenset({"string", "code", "uri", "url", "canonical", "id", "markdown", "oid", "uuid"})
_WHOLE = frozenset({"integer", "positiveInt", "unsignedInt"})
_COMPLEX = frozenset({"Coding", "CodeableConcept", "Reference", "Quantity", "Identifier", "Period"})
RESOURCE = "Resource"  # kind of an input that is a resource
PARTS = "parts"        # kind of an input that has parts of its own


@dataclass(frozen=True, slots=True)
class Parameter:
    """One entry of a Parameters resource. `value_type` is the name of the value element (``valueReference``), or empty."""

    name: str
    path: str
    value_type: str = ""
    value: Any = None
    resource: Resource | None = None
    has_parts: bool = False
    parts: tuple[Parameter, ...] = ()


def read_parameters(parameters: Resource, path: str = "Parameters") -> tuple[Parameter, ...]:
    """The entries in their order."""
    return _entries(parameters.get("parameter", ()), f"{path}.parameter")


def _entries(entries: Iterable[Resource], path: str) -> tuple[Parameter, ...]:
    found = []
    for index, entry in enumerate(entries):
        value_type = next((key for key in entry if key.startswith("value") and key != "value"), "")
        found.append(
            Parameter(
                name=str(entry.get("name", "")),
                path=f"{path}[{index}]",
                value_type=value_type,
                value=entry.get(value_type),
                resource=entry.get("resource"),
                has_parts="part" in entry,
                parts=_entries(entry.get("part", ()), f"{path}[{index}].part"),
            )
        )
    return tuple(found)


# --- what an operation takes -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Input:
    """One parameter that an operation takes.

    `kind` is the R4 data type (``code``, ``Coding``), `RESOURCE` or `PARTS`. `type_only` inputs choose the resource to work on,
    which the address already does on an instance. `needs` names inputs without which this one says too little. `refused` says
    why a parameter that R4 knows is not taken here.
    """

    name: str
    kind: str
    many: bool = False
    required: bool = False
    type_only: bool = False
    needs: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """One value a caller gave, with the place to name in a fault (``?code``, ``Parameters.parameter[2]``)."""

    value: Any
    where: str
    parts: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Inputs:
    """The values of one call by name, each of the type its `Input` says."""

    values: Mapping[str, tuple[Given, ...]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def one(self, name: str, default: Any = None) -> Any:
        """The only value of that name, `default` if there is none."""
        given = self.values.get(name)
        return given[0].value if given else default

    def many(self, name: str) -> tuple[Any, ...]:
        """All values of that name, in the order given."""
        return tuple(given.value for given in self.values.get(name, ()))

    def given(self, name: str) -> tuple[Given, ...]:
        return self.values.get(name, ())

    def chosen(self, names: Iterable[str]) -> str:
        """Which of several alternatives was given; `read_inputs` has made sure that it is one of them."""
        return next(name for name in names if name in self.values)

    def where(self, name: str) -> str:
        """The place of the first value of that name; the name alone if it was not given."""
        given = self.values.get(name)
        return given[0].where if given else name


def read_inputs(
    taken: Sequence[Input],
    *,
    query: Iterable[tuple[str, str]] = (),
    body: Resource | None = None,
    one_of: Iterable[tuple[str, ...]] = (),
    instance: bool = False,
    faults: Iterable[Fault] = (),
) -> Inputs:
    """What a caller gave, checked against what the operation takes.

    `query` are the pairs of the address, `body` is a validated Parameters resource; a name may come from either. `instance` says
    that the operation was called on one resource; of each tuple of `one_of` exactly one must be given. MalformedInput with every
    fault: names the operation does not take, values of another type, repetitions, what is missing; `faults` of the caller first.
    """
    inputs, found = gather_inputs(taken, query=query, body=body, one_of=one_of, instance=instance)
    wrong = [*faults, *found]
    if wrong:
        raise MalformedInput(wrong)
    return inputs


def gather_inputs(
    taken: Sequence[Input],
    *,
    query: Iterable[tuple[str, str]] = (),
    body: Resource | None = None,
    one_of: Iterable[tuple[str, ...]] = (),
    instance: bool = False,
) -> tuple[Inputs, list[Fault]]:
    """As `read_inputs`, but what is right and what is wrong side by side, for operations that have rules of their own."""
    by_name = {one.name: one for one in taken}
    found: dict[str, list[Given]] = {}
    named: set[str] = set()  # what was given at all, be it wrongly
    wrong: list[Fault] = []
    names = ", ".join(one.name for one in taken if not one.refused and not (instance and one.type_only))
    for name, text in query:
        if name in SHAPING:
            continue
        known = by_name.get(name)
        named.add(name)
        where = f"?{printable(name)}"
        if refusal := _refusal(known, name, where, names, instance=instance):
            wrong.append(refusal)
        elif known is not None:
            _keep(_from_text(known, text, where), known, found, wrong)
    for parameter in read_parameters(body or {}):
        known = by_name.get(parameter.name)
        named.add(parameter.name)
        if refusal := _refusal(known, parameter.name, parameter.path, names, instance=instance):
            wrong.append(refusal)
        elif known is not None:
            _keep(_from_entry(known, parameter), known, found, wrong)
    wrong += _repeated(taken, found)
    wrong += _lacking(taken, one_of, named, instance=instance)
    return Inputs({name: tuple(given) for name, given in found.items()}), wrong


def _repeated(taken: Iterable[Input], found: Mapping[str, Sequence[Given]]) -> Iterator[Fault]:
    for one in taken:
        given = found.get(one.name, ())
        if len(given) > 1 and not one.many:
            yield Fault(
                "structure", f"{one.name} is given {len(given)} times.", where=given[1].where,
                rule=f"{one.name} is taken once.", repair="Keep one of them.", spec=OPERATIONS_SPEC,
            )


def _lacking(taken: Iterable[Input], one_of: Iterable[tuple[str, ...]], named: set[str], *, instance: bool) -> Iterator[Fault]:
    """What must be given and is not; `named` is what was given at all, be it wrongly."""
    by_name = {one.name: one for one in taken}
    needed = {one.name: "This operation needs it." for one in by_name.values() if one.required}
    for one in by_name.values():
        if one.name in named:
            needed |= dict.fromkeys(one.needs, f"{one.name} is given, and says nothing without it.")
    for name, rule in needed.items():
        if name not in named and not (instance and by_name[name].type_only):
            yield missing(name, rule)
    for names in one_of:
        given = [name for name in names if name in named]
        if not given:
            yield missing(names[0], f"One of {', '.join(names)} is needed.", f"Give one of {', '.join(names)}.")
        elif len(given) > 1:
            yield Fault(
                "structure", f"{' and '.join(given)} are given together.", where=given[1],
                rule=f"Exactly one of {', '.join(names)} is taken.", repair="Keep one of them.", spec=OPERATIONS_SPEC,
            )


def missing(name: str, rule: str, repair: str = "") -> Fault:
    """The fault of a parameter that was not given."""
    return Fault("required", f"The parameter {name} is missing.", where=name, rule=rule,
                 repair=repair or f"Add {name}.", spec=OPERATIONS_SPEC)


def _refusal(known: Input | None, name: str, where: str, names: str, *, instance: bool) -> Fault | None:
    if known is None:
        return Fault(
            "not-supported", f"The parameter {printable(name)} is not taken here.", where=where,
            rule=f"Taken here: {names}.", repair="Correct the name (upper and lower case count) or leave it out.",
        )
    if known.refused:
        return Fault("not-supported", f"The parameter {name} is not supported.", where=where, rule=known.refused,
                     repair="Leave it out.")
    if instance and known.type_only:
        return Fault(
            "structure", f"The parameter {name} is not taken on an instance.", where=where,
            rule="The address already says which resource is meant.", repair="Leave it out, or call the operation on the type.",
        )
    return None


def _keep(value: Given | Fault, known: Input, found: dict[str, list[Given]], wrong: list[Fault]) -> None:
    if isinstance(value, Fault):
        wrong.append(value)
    else:
        found.setdefault(known.name, []).append(value)


def _from_text(known: Input, text: str, where: str) -> Given | Fault:
    if known.kind in _COMPLEX or known.kind in (RESOURCE, PARTS):
        return Fault(
            "structure", f"{known.name} cannot be given in the address.", where=where,
            rule=f"{known.name} is of type {known.kind}; only simple types fit into an address.",
            repair="POST a Parameters resource.", spec=OPERATIONS_SPEC,
        )
    value: Any = text
    if known.kind == "boolean":
        value = {"true": True, "false": False}.get(text, text)
    elif known.kind in _WHOLE and INTEGER_TEXT.fullmatch(text) and len(text) <= 12:
        value = int(text)
    return _checked(known, value, where)


def _from_entry(known: Input, parameter: Parameter) -> Given | Fault:
    if known.kind == RESOURCE:
        if parameter.resource is None:
            return _other_type(known, f"{parameter.path}.resource", "resource")
        return Given(parameter.resource, f"{parameter.path}.resource")
    if known.kind == PARTS:
        return Given(None, parameter.path, parameter.parts) if parameter.parts else _other_type(known, parameter.path, "part")
    sent = parameter.value_type.removeprefix("value")
    sent = sent if sent in _COMPLEX else sent[:1].lower() + sent[1:]
    same = sent == known.kind or {sent, known.kind} <= _TEXTUAL or {sent, known.kind} <= _WHOLE
    # A moment with a time is an instant and a day is a date; both are dateTimes of that precision.
    if not same and not (known.kind == "dateTime" and sent in ("date", "instant")):
        return _other_type(known, parameter.path, f"value{known.kind[:1].upper()}{known.kind[1:]}")
    where = f"{parameter.path}.{parameter.value_type}"
    return Given(parameter.value, where) if known.kind in _COMPLEX else _checked(known, parameter.value, where)


def _checked(known: Input, value: Any, where: str) -> Given | Fault:
    primitive = primitives()[known.kind]
    if primitive.accepts(value):
        return Given(value, where)
    return Fault("value", f"{known.name} is not {with_article(known.kind)}.", where=where,
                 rule=f"{known.name} is {primitive.rule}.", repair=primitive.repair, spec=primitive.spec)


def _other_type(known: Input, where: str, element: str) -> Fault:
    return Fault("structure", f"{known.name} has another type here.", where=where, rule=f"{known.name} is of type {known.kind}.",
                 repair=f"Write it as {element}.", spec=OPERATIONS_SPEC)


def printable(name: str) -> str:
    """A name as it may be repeated: letters, digits and what else parameters are made of, not too long."""
    kept = "".join(character for character in name[:40] if character.isascii() and (character.isalnum() or character in "_:.-"))
    return kept or "(unnamed)"


# --- what an operation answers ---------------------------------------------------------------------------------------


def parameters(*entries: Resource | None) -> Resource:
    """A Parameters resource of the entries that are not None."""
    kept = [entry for entry in entries if entry is not None]
    return {"resourceType": "Parameters", **({"parameter": kept} if kept else {})}  # an empty array is not legal FHIR


def entry(name: str, **value: Any) -> Resource | None:
    """One entry of Parameters, as in ``entry("result", valueBoolean=True)``; None where the value is None."""
    (kind, content), = value.items()
    return None if content is None else {"name": name, kind: content}


def group(name: str, *parts: Resource | None) -> Resource:
    """One entry of Parameters made of parts, those that are not None."""
    return {"name": name, "part": [part for part in parts if part is not None]}
