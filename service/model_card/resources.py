"""The model card as FHIR: the Device that answers, and the DocumentReference that describes it."""

from __future__ import annotations

import base64
import json
from typing import Any

from service.model_card.card import ModelCard
from service.model_card.page import card_json, card_page

Resource = dict[str, Any]
DEVICE_ID = "hipspine"
CARD_ID = "model-card"


def card_resources(card: ModelCard, *, base_url: str, version: str, knowledge_version: str) -> tuple[Resource, Resource]:
    """The Device and the DocumentReference. `base_url` is the canonical base; the versions are those that run now."""
    return _device(card, base_url, version, knowledge_version), _document(card, base_url)


def _device(card: ModelCard, base_url: str, version: str, knowledge_version: str) -> Resource:
    return {
        "resourceType": "Device",
        "id": DEVICE_ID,
        "meta": {"profile": [f"{base_url}/StructureDefinition/engine-device|{version}"]},
        "extension": [
            {"url": card.fhir["card_extension"], "valueReference": {"reference": f"DocumentReference/{CARD_ID}"}},
        ],
        "identifier": [{"system": f"{base_url}/Device", "value": DEVICE_ID}],
        "status": "active",
        "deviceName": [{"name": "HipSpine", "type": "model-name"}],
        "type": _concept(card.fhir["device_type"]),
        "version": [
            {"type": {"text": "engine"}, "value": version},
            {"type": {"text": "knowledge"}, "value": knowledge_version},
        ],
        "safety": [{"text": card.statement}],
    }


def _document(card: ModelCard, base_url: str) -> Resource:
    made = f"{card.figures['date']}T00:00:00Z"
    attachments = (
        ("text/markdown", card_page(card)),
        ("application/json", json.dumps(card_json(card), ensure_ascii=False, indent=1)),
    )
    concept = _concept(card.fhir["document_type"])
    return {
        "resourceType": "DocumentReference",
        "id": CARD_ID,
        "identifier": [{"system": f"{base_url}/DocumentReference", "value": CARD_ID}],
        "status": "current",
        "docStatus": "final",
        "type": concept,
        "category": [concept],
        "date": made,
        "author": [{"reference": f"Device/{DEVICE_ID}"}],
        "description": card.title,
        "content": [
            {
                "attachment": {
                    "contentType": content_type,
                    "language": "en",
                    "data": base64.b64encode(text.encode()).decode("ascii"),
                    "title": card.title,
                    "creation": card.figures["date"],
                }
            }
            for content_type, text in attachments
        ],
    }


def _concept(coded: dict[str, str]) -> Resource:
    return {"coding": [{"system": coded["system"], "code": coded["code"]}], "text": coded["text"]}
