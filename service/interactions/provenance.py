"""Where an assessment comes from: a Provenance stored with every RiskAssessment of this service.

Source: http://hl7.org/fhir/uv/aitransparency (agent: the software, entities: what it was given and the card of its model).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from service.fhir.r4 import read_stored
from service.fhir.times import instant
from service.records import dataclass
from service.storage.store import Transaction, Version

Resource = dict[str, Any]

PROVENANCE_PROFILE = "assessment-provenance"
DEVICE, MODEL_CARD = "Device/hipspine", "DocumentReference/model-card"
_AGENT_TYPES = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_OBSERVATION_VALUE = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
_OPERATIONS = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"


@dataclass(frozen=True, slots=True)
class ProvenanceWriter:
    """Writes it. `is_ours` tells the assessments of this service from others; `now` gives an aware datetime.

    `profile` is the canonical address, with version, of the profile it has.
    """

    is_ours: Callable[[Mapping[str, Any]], bool]
    now: Callable[[], datetime]
    profile: str

    def listen(self, transaction: Transaction, written: Sequence[Version]) -> None:
        """Store the Provenance of each RiskAssessment that was written, in the same transaction."""
        for version in written:
            if version.type != "RiskAssessment" or version.body is None:
                continue
            resource = read_stored(version.body)
            if self.is_ours(resource):
                device, card = _held(transaction, DEVICE), _held(transaction, MODEL_CARD)
                made = provenance_of(version, resource, recorded=self.now(), device=device, card=card)
                transaction.create({"resourceType": "Provenance", "meta": {"profile": [self.profile]}} | made)


def provenance_of(version: Version, resource: Mapping[str, Any], *, recorded: datetime, device: str, card: str) -> Resource:
    """The Provenance of one version; `device` and `card` are references to the versions that hold now."""
    software = {"coding": [{"system": _AGENT_TYPES, "code": "assembler", "display": "Assembler"}]}
    inputs = [{"role": "source", "what": reference} for reference in resource.get("basis", ())]
    return {
        "resourceType": "Provenance",
        "target": [{"reference": version.versioned_reference}],
        "recorded": instant(recorded),
        "reason": [
            {"coding": [{"system": _OBSERVATION_VALUE, "code": "AIAST", "display": "Artificial Intelligence asserted"}]}
        ],
        "activity": {"coding": [{"system": _OPERATIONS, "code": "CREATE" if version.version == 1 else "UPDATE"}]},
        "agent": [{"type": software, "who": {"reference": device}}],
        "entity": [
            *(one for one in inputs if not str(one["what"].get("reference", "")).startswith("#")),
            {"role": "source", "what": {"reference": card, "display": "The card of the model"}},
        ],
    }


def _held(transaction: Transaction, reference: str) -> str:
    kind, _, resource_id = reference.partition("/")
    version = transaction.read(kind, resource_id)
    return reference if version is None or version.deleted else version.versioned_reference
