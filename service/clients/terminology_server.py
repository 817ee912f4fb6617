"""Adapter to a terminology server: asked about what is not held here, with a time box and a memory. Off unless configured."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from service.clients.outbound import Outbound
from service.errors import Fault, NotFound, ServiceError, UpstreamFailed

Resource = dict[str, Any]

MOST_REMEMBERED = 1_000  # answers; a list of a few hundred codes is some 30 KB
_FHIR_JSON = "application/fhir+json"
_LONGEST_REMARK = 300  # characters of what the other server says about a refusal


class TerminologyServer:
    """One terminology server. Threads share it; answers are remembered for `remember_seconds`."""

    def __init__(
        self,
        base: str,
        outbound: Outbound,
        *,
        decode: Callable[[bytes], Resource],
        seconds: float,
        remember_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`base` is its FHIR base; `decode` reads bytes as JSON or raises. OutboundRefused if its host is not listed."""
        outbound.check(base, where="HIPSPINE_TERMINOLOGY_SERVER")
        self.base = base.rstrip("/")
        self._outbound = outbound
        self._decode = decode
        self._seconds = seconds
        self._remember_seconds = remember_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, tuple[float, Resource]] = OrderedDict()

    def ask(self, type_name: str, operation: str, parameters: Resource) -> Resource:
        """The answer of an operation on a type. NotFound if that server does not know either, UpstreamFailed if it has no answer.

        Asked by POST, so that no code stands in the log of a proxy on the way.
        """
        body = json.dumps(parameters, sort_keys=True).encode()
        key = f"{type_name}/${operation} {body.decode()}"
        remembered = self._remembered(key)
        if remembered is not None:
            return remembered
        answer = self._outbound.send(
            "POST",
            f"{self.base}/{type_name}/${operation}",
            headers={"Content-Type": _FHIR_JSON, "Accept": _FHIR_JSON},
            body=body,
            seconds=self._seconds,
            where="terminology server",
        )
        if answer.status in (400, 404, 422):
            raise NotFound(Fault(
                "not-found", "The terminology server does not know either.", rule=self._said(answer.body),
                repair="Correct the code system or the code.",
            ))
        if not answer.ok:
            raise UpstreamFailed(Fault(
                "transient", f"The terminology server answered {answer.status}.", where="terminology server",
                rule="What is not held here is asked for there.", repair="Ask again later.",
            ))
        try:
            found = self._decode(answer.body)
        except ServiceError:  # its words are about a body that a caller of ours sent
            found = {}
        if found.get("resourceType") not in ("Parameters", "ValueSet"):
            raise UpstreamFailed(Fault(
                "structure", "The terminology server answered something else than was asked for.", where="terminology server",
                rule="An operation answers Parameters or a ValueSet.", repair="Check HIPSPINE_TERMINOLOGY_SERVER.",
            ))
        found["meta"] = {**found.get("meta", {}), "source": self.base}
        self._remember(key, found)
        return found

    def _remembered(self, key: str) -> Resource | None:
        with self._lock:
            held = self._answers.get(key)
            if held is None or held[0] < self._clock():
                return None
            self._answers.move_to_end(key)
            return held[1]

    def _remember(self, key: str, answer: Resource) -> None:
        with self._lock:
            self._answers[key] = (self._clock() + self._remember_seconds, answer)
            self._answers.move_to_end(key)
            while len(self._answers) > MOST_REMEMBERED:
                self._answers.popitem(last=False)

    def _said(self, body: bytes) -> str:
        """What an OperationOutcome says, in short; nothing if it is none."""
        try:
            issues = json.loads(body).get("issue", [])
            texts = [one.get("details", {}).get("text") or one.get("diagnostics") or "" for one in issues]
        except (ValueError, AttributeError):
            return ""
        said = " ".join(text for text in texts if isinstance(text, str) and text.isprintable())
        return f"It says: {said[:_LONGEST_REMARK]}" if said else ""
