"""Every terminology operation of R4 that is offered here, by type and name: one table behind the web and the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from service.errors import Fault, NotFound, NotSupported, ServiceError
from service.fhir.codes import code_system, concept_map, value_set
from service.fhir.codes.code_system import spoken
from service.fhir.codes.held import Held
from service.fhir.parameters import Input, Inputs, read_inputs
from service.records import dataclass

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answers, and the language its wording is in."""

    resource: Resource
    language: str


@dataclass(frozen=True, slots=True)
class _Offered:
    work: Callable[..., Resource]
    inputs: tuple[Input, ...]
    one_of: tuple[tuple[str, ...], ...] = ()


# Asks another server: type, operation, Parameters. ServiceError if it has no answer.
Delegate = Callable[[str, str, Resource], Resource]


class TerminologyOperations:
    """The operations on what is held. `now` gives an aware datetime, `new_id` a UUID.

    `delegate` is asked about what is not held and not ours; None: nobody is.
    """

    def __init__(
        self,
        held: Held,
        *,
        side_of: Callable[[Resource], str | None],
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        delegate: Delegate | None = None,
    ) -> None:
        self.held = held
        self._delegate = delegate
        self._now = now
        self._new_id = new_id
        self._operations: Mapping[tuple[str, str], _Offered] = {
            ("CodeSystem", "lookup"): _Offered(code_system.lookup, code_system.LOOKUP, code_system.CODED),
            ("CodeSystem", "validate-code"): _Offered(
                code_system.validate_code, code_system.VALIDATE_CODE, code_system.ANY_CODED
            ),
            ("CodeSystem", "subsumes"): _Offered(code_system.subsumes, code_system.SUBSUMES, code_system.PAIR),
            ("ValueSet", "expand"): _Offered(self._expand, value_set.EXPAND),
            ("ValueSet", "validate-code"): _Offered(value_set.validate_code, value_set.VALIDATE_CODE, value_set.ANY_CODED),
            ("ConceptMap", "translate"): _Offered(
                partial(concept_map.translate, side_of=side_of), concept_map.TRANSLATE, concept_map.ANY_CODED
            ),
        }

    def inputs_of(self, type_name: str, operation: str) -> tuple[Input, ...]:
        """What an operation takes, for descriptions of it; nothing if it is none of these."""
        offered = self._operations.get((type_name, operation))
        return offered.inputs if offered is not None else ()

    def run(
        self,
        type_name: str,
        operation: str,
        *,
        query: Iterable[tuple[str, str]] = (),
        body: Resource | None = None,
        resource_id: str | None = None,
        accepted: Iterable[str] = (),
        faults: Iterable[Fault] = (),
    ) -> Answer:
        """The answer of one operation. `accepted` are the languages the caller prefers, where no displayLanguage is given.

        Raises MalformedInput, NotFound and NotSupported as the operations do.
        """
        offered = self._operations[type_name, operation]
        inputs = read_inputs(
            offered.inputs, query=query, body=body, one_of=offered.one_of, instance=resource_id is not None, faults=faults
        )
        instance = self.held.by_id(type_name, resource_id) if resource_id is not None else None
        asked = inputs.one("displayLanguage")
        languages = self.held.languages
        language = spoken(asked, languages) if asked else next((tag for tag in accepted if tag in languages), languages[0])
        try:
            return Answer(offered.work(self.held, inputs, instance=instance, language=language), language)
        except (NotFound, NotSupported) as unknown:
            if self._delegate is None or instance is not None or not self.held.may_ask_elsewhere(_addresses(inputs)):
                raise
            return Answer(self._elsewhere(type_name, operation, _forwarded(offered.inputs, inputs, body), unknown), language)

    def _elsewhere(self, type_name: str, operation: str, parameters: Resource, unknown: ServiceError) -> Resource:
        assert self._delegate is not None
        try:
            return self._delegate(type_name, operation, parameters)
        except NotFound as error:  # both do not know: say so in both words
            raise NotFound((*unknown.faults, *error.faults)) from None

    def _expand(self, held: Held, inputs: Any, **options: Any) -> Resource:
        now = self._now().isoformat(timespec="seconds")
        return value_set.expand(held, inputs, now=now, identifier=f"urn:uuid:{self._new_id()}", **options)


def _addresses(inputs: Inputs) -> list[str]:
    """Every address that says which code system, value set or map a call is about."""
    found = [str(value) for name in ("system", "url", "targetsystem", "source", "target") for value in inputs.many(name)]
    for name in ("coding", "codingA", "codingB"):
        found += [str(coding.get("system", "")) for coding in inputs.many(name)]
    for concept in inputs.many("codeableConcept"):
        found += [str(coding.get("system", "")) for coding in concept.get("coding", ())]
    return found


def _forwarded(taken: Iterable[Input], inputs: Inputs, body: Resource | None) -> Resource:
    """The call as Parameters: what came in the body as it came, what came in the address by its type."""
    entries = list((body or {}).get("parameter", ()))
    for one in taken:
        element = f"value{one.kind[:1].upper()}{one.kind[1:]}"
        entries += [{"name": one.name, element: given.value} for given in inputs.given(one.name) if given.where.startswith("?")]
    return {"resourceType": "Parameters", "parameter": entries}
