"""Sends assessments to the record system they were made for: through the outbox in service, straight from the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from service.clients.outbound import Answer, Outbound
from service.clients.smart import BackendTokens
from service.delivery.worker import DeliveryFailed
from service.fhir.r4 import read_stored, serialise
from service.interactions.write_back import (
    Creation,
    assessment_creation,
    device_of,
    provenance_creation,
    request_creations,
)
from service.records import dataclass
from service.storage.outbox import Also, Delivery
from service.storage.store import ResourceStore

Resource = dict[str, Any]

FHIR_JSON = "application/fhir+json"
PLACEHOLDER = "RiskAssessment/[id the server gives]"
_BUSY = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class WriteBack:
    """Writes to one server. `types` are the resource types it takes; RiskAssessment is always among what is sent."""

    server: str
    outbound: Outbound
    tokens: BackendTokens | None
    types: Collection[str]
    base_url: str
    now: Callable[[], datetime]
    seconds: float = 16.0  # for everything of one assessment together

    def planned(self, assessment: Resource) -> list[Creation]:
        """What would be sent, in order, with a placeholder where the server's own id will stand."""
        return [
            assessment_creation(assessment, self.server),
            *self._requests(assessment, PLACEHOLDER),
            *self._provenance(assessment, [PLACEHOLDER]),
        ]

    def write(self, assessment: Resource) -> list[str]:
        """References of everything written; DeliveryFailed if the server took any of it not."""
        until = self.now() + timedelta(seconds=self.seconds)
        first = self._create(assessment_creation(assessment, self.server), until)
        written = [first, *(self._create(one, until) for one in self._requests(assessment, first))]
        return [*written, *(self._create(one, until) for one in self._provenance(assessment, written))]

    def _requests(self, assessment: Resource, reference: str) -> list[Creation]:
        if "ServiceRequest" not in self.types:
            return []
        return request_creations(assessment, self.server, assessment_reference=reference, base_url=self.base_url)

    def _provenance(self, assessment: Resource, targets: list[str]) -> list[Creation]:
        if "Provenance" not in self.types:
            return []
        device = device_of(assessment)
        return [provenance_creation(assessment, self.server, targets=targets, recorded=self.now(), device=device)]

    def _create(self, creation: Creation, until: datetime) -> str:
        token = self.tokens.token() if self.tokens is not None else ""
        answer = self._send(creation, token, until)
        if answer.status == 401 and self.tokens is not None:  # revoked before its time
            answer = self._send(creation, self.tokens.token(instead_of=token), until)
        if answer.status not in (200, 201):
            reason = f"{creation.type} was answered {answer.status}"
            raise DeliveryFailed(reason, final=answer.status not in _BUSY and answer.status != 401)
        return self._reference(creation, answer)

    def _send(self, creation: Creation, token: str, until: datetime) -> Answer:
        headers = {
            "Content-Type": FHIR_JSON,
            "Accept": FHIR_JSON,
            "If-None-Exist": creation.if_none_exist,
            "Prefer": "return=minimal",
        }
        if token:
            headers["Authorization"] = f"Bearer {token}"
        url = f"{self.server}/{creation.type}"
        left = (until - self.now()).total_seconds()
        return self.outbound.send("POST", url, headers=headers, body=serialise(creation.resource), seconds=left)

    @staticmethod
    def _reference(creation: Creation, answer: Answer) -> str:
        location = answer.headers.get("location", "")
        found = re.search(rf"(?:^|/)({creation.type}/[A-Za-z0-9\-._]+)(?:/_history/|$)", location)
        if found:
            return found[1]
        try:
            given = read_stored(answer.body).get("id") if answer.body else None
        except ValueError:
            given = None
        if isinstance(given, str) and given:
            return f"{creation.type}/{given}"
        raise DeliveryFailed(f"{creation.type} was taken without saying where it is", final=True)


@dataclass(frozen=True, slots=True)
class WriteBackHandler:
    """The handler of the outbox: reads the assessment that a delivery names, and writes it."""

    store: ResourceStore
    write_back: WriteBack

    def deliver(self, delivery: Delivery) -> Also | None:
        """Nothing, once the server has it; DeliveryFailed otherwise."""
        kind, resource_id, _, version = str(delivery.payload["assessment"]).split("/")
        with self.store.reading() as reader:
            held = reader.vread(kind, resource_id, int(version))
        if held is None or held.body is None:
            raise DeliveryFailed("the assessment is gone", final=True)
        if delivery.target != self.write_back.server:
            raise DeliveryFailed("it is for a server that is not set up", final=True)
        self.write_back.write(read_stored(held.body))
        return None

    def buried(self, delivery: Delivery, reason: str) -> Also | None:
        """Nothing: the assessment stays in the store, and the dead delivery in the list of the outbox."""
        return None
