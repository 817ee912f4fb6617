"""The one use case over many records: a line in, a line out, in order, in the memory of a few lines.

A line is one resource that `assess_subject` takes; the line that answers is its RiskAssessment, or the OperationOutcome that says
why there is none. A line is never a reason to stop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

from service.assessment.run import Parts, assess_subject
from service.errors import Fault, ServiceError
from service.fhir import r4
from service.fhir.outcomes import operation_outcome
from service.records import dataclass

Resource = dict[str, Any]

CHUNK = 20  # lines given to a worker at a time: the way there costs less than a line


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one line; `number` counts from 1."""

    number: int
    line: bytes
    assessed: bool


def assess_line(line: bytes, number: int, *, parts: Parts, limits: r4.Limits) -> Answered:
    """The answer to one line."""
    try:
        parsed = r4.parse(line, limits=limits)
        answer = assess_subject(parsed.resource, parts=parts, warnings=parsed.warnings).risk_assessment
    except ServiceError as error:
        return Answered(number, r4.serialise(_outcome(error.faults, number)), assessed=False)
    except Exception as error:  # noqa: BLE001  (one line must not end the others; its text might quote the patient)
        fault = Fault("exception", f"The service failed on this line ({type(error).__name__}).", repair="Report it.")  # type: ignore[arg-type]
        return Answered(number, r4.serialise(_outcome([fault], number)), assessed=False)
    return Answered(number, r4.serialise(answer), assessed=True)


def assess_lines(
    lines: Iterable[bytes], work: Callable[[list[tuple[int, bytes]]], list[Answered]], *, executor: Executor, ahead: int
) -> Iterator[Answered]:
    """The answers to the lines, in their order; empty lines are passed over.

    `work` does a chunk of numbered lines, in a worker of the executor; at most `ahead` chunks are under way, so that a file of
    any length is read no faster than it is answered.
    """
    pending: deque[Future[list[Answered]]] = deque()
    for chunk in _chunks(lines):
        pending.append(executor.submit(work, chunk))
        if len(pending) >= ahead:
            yield from pending.popleft().result()
    while pending:
        yield from pending.popleft().result()


def _chunks(lines: Iterable[bytes]) -> Iterator[list[tuple[int, bytes]]]:
    chunk: list[tuple[int, bytes]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        chunk.append((number, line))
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _outcome(faults: Iterable[Fault], number: int) -> Resource:
    """The faults of a line; its number in the file is in the id, so that the two can be brought together."""
    return {"resourceType": "OperationOutcome", "id": f"line-{number}", **_issues(faults)}


def _issues(faults: Iterable[Fault]) -> Resource:
    outcome = operation_outcome(faults)
    return {"issue": outcome["issue"]}
