"""Hook calls made from the example cases, and the rules that every response of a hook has to keep."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

from support.dated import moved_to_yesterday

Resource = dict[str, Any]

DATA = Path(__file__).resolve().parents[1] / "data"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
SERVICE = "https://hipspine.example/fhir/CodeSystem/service"
URGENCIES = ("info", "warning", "critical")


def case(name: str) -> list[Resource]:
    """The resources of an example case as a record system holds them: of late, the patient first, every one with an id."""
    text = moved_to_yesterday((DATA / f"{name}.json").read_text(encoding="utf-8"))
    data = json.loads(text)
    held = data.get("entry") or data.get("parameter") or [{"resource": data}]
    for number, entry in enumerate(held):
        if "resource" in entry:
            kind, given = entry["resource"]["resourceType"], entry["resource"].get("id") or f"{name}-{number}"
            if entry.get("fullUrl", "").startswith("urn:"):
                text = text.replace(f'"{entry["fullUrl"]}"', f'"{kind}/{given}"')
    data = json.loads(text)
    held = data.get("entry") or data.get("parameter") or [{"resource": data}]
    subject = next((one["valueReference"] for one in held if one.get("name") == "subject"), None)
    resources = []
    for number, entry in enumerate(held):
        if "resource" in entry:
            resource = {**entry["resource"], "id": entry["resource"].get("id") or f"{name}-{number}"}
            if subject is not None and resource["resourceType"] != "Patient":
                resource.setdefault("subject", subject)
            resources.append(resource)
    return sorted(resources, key=lambda one: one["resourceType"] != "Patient")


def patient_of(resources: list[Resource]) -> str:
    """The id of the patient the resources are about."""
    first = resources[0]
    return str(first["id"]) if first["resourceType"] == "Patient" else str(first["subject"]["reference"]).split("/")[-1]


def bundle(resources: list[Resource], **more: Any) -> Resource:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in resources], **more}


def prefetched(resources: list[Resource]) -> Resource:
    """The resources under the prefetch keys of every service; null where there are none."""

    def of(kind: str) -> Resource | None:
        found = [one for one in resources if one["resourceType"] == kind]
        return bundle(found) if found else None

    patient = next((one for one in resources if one["resourceType"] == "Patient"), None)
    return {
        "patient": patient,
        "conditions": of("Condition"),
        "findings": of("Observation"),
        "measurements": None,
        "forms": of("QuestionnaireResponse"),
        "encounter": None,
    }


def hook_call(hook: str, resources: list[Resource], *, orders: list[Resource] | None = None, **more: Any) -> Resource:
    """The body of a call with everything prefetched. `more` replaces members of the body; None leaves one out."""
    context: Resource = {
        "userId": "Practitioner/example",
        "patientId": patient_of(resources),
        "encounterId": "encounter-1",
    }
    if orders is not None:
        for one in orders:
            if one["resourceType"] == "ServiceRequest":
                one.setdefault("subject", {"reference": f"Patient/{context['patientId']}"})
        context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in orders]}
        context["selections"] = [f"{one['resourceType']}/{one['id']}" for one in orders if "id" in one]
    body: Resource = {
        "hook": hook,
        "hookInstance": str(uuid.uuid4()),
        "context": context,
        "prefetch": prefetched(resources),
        **more,
    }
    return {name: value for name, value in body.items() if value is not None}


def order(code_: str, system: str = LOINC, *, site: str | None = None, **more: Any) -> Resource:
    """A draft order as a record system makes it; a call gives it the patient of the call, if it names nobody."""
    made: Resource = {
        "resourceType": "ServiceRequest",
        "id": "order-1",
        "status": "draft",
        "intent": "order",
        "code": {"coding": [{"system": system, "code": code_}]},
        **more,
    }
    if site is not None:
        made["bodySite"] = [{"coding": [{"system": SNOMED, "code": site}]}]
    return {name: value for name, value in made.items() if value is not None}


def broken_rules(response: Resource) -> list[str]:
    """What a response breaks of the specification: its tables, cds-resp-1 to cds-resp-7, no null and nothing empty."""
    from service.fhir import r4

    found = [] if isinstance(response.get("cards"), list) else ["cards is no array"]
    found += [f"{path} is null or empty" for path in _empty(response, "") if path != ".cards"]
    for number, card in enumerate(response.get("cards", ())):
        found += [f"cards[{number}]: {rule}" for rule in _broken_card(card, r4)]
    return found


def _broken_card(card: Resource, r4: Any) -> list[str]:
    broken = []
    if not (isinstance(card.get("summary"), str) and 0 < len(card["summary"]) < 140):
        broken.append("summary")
    if card.get("indicator") not in URGENCIES:
        broken.append("indicator")
    source = card.get("source", {})
    topic = source.get("topic", {})
    if not source.get("label") or not re.match("https?://", source.get("url", "https://")):
        broken.append("source")
    if not (topic.get("system") and topic.get("code") and topic.get("display")):
        broken.append("source.topic")
    if not _is_uuid(card.get("uuid")):
        broken.append("uuid")
    if re.search(r"<(?!https?:)/?[a-zA-Z!]", card.get("detail", "")):
        broken.append("detail holds HTML")
    suggestions = card.get("suggestions", [])
    if suggestions and card.get("selectionBehavior") not in ("at-most-one", "any"):
        broken.append("cds-resp-6: selectionBehavior")
    if card.get("selectionBehavior") == "at-most-one" and sum(one.get("isRecommended", False) for one in suggestions) > 1:
        broken.append("cds-resp-1")
    for suggestion in suggestions:
        if not suggestion.get("label") or not _is_uuid(suggestion.get("uuid")) or not suggestion.get("actions"):
            broken.append("suggestion")
        for action in suggestion.get("actions", ()):
            broken += _broken_action(action, r4)
    for reason in card.get("overrideReasons", ()):
        if not (reason.get("code") and reason.get("system") and reason.get("display")):
            broken.append("cds-resp-4: overrideReasons")
    for link in card.get("links", ()):
        kind = link.get("type")
        if not link.get("label") or not re.match("https?://", link.get("url", "")) or kind not in ("absolute", "smart"):
            broken.append("link")
        if "appContext" in link and link["type"] != "smart":
            broken.append("cds-resp-3: appContext")
    return broken


def _broken_action(action: Resource, r4: Any) -> list[str]:
    kind, resource = action.get("type"), action.get("resource")
    broken = [] if action.get("description") else ["cds-resp-5: description"]
    if kind == "delete":
        if not action.get("resourceId") or resource is not None:
            broken.append("cds-resp-2: delete")
    elif kind in ("create", "update"):
        if resource is None:
            broken.append(f"{kind} without resource")
        else:
            faults = r4.check(resource).faults
            broken += [f"{kind}: {fault.where} {fault.message}" for fault in faults]
            if resource.get("resourceType") != "ServiceRequest" or resource.get("status") != "draft":
                broken.append(f"{kind}: no draft ServiceRequest")
            if ("id" in resource) != (kind == "update"):
                broken.append(f"{kind}: id")
    else:
        broken.append("action type")
    return broken


def _is_uuid(text: Any) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except (ValueError, TypeError, AttributeError):
        return False


def _empty(value: Any, path: str) -> list[str]:
    if value is None or value == "" or value == [] or value == {}:
        return [path]
    if isinstance(value, dict):
        return [one for name, inner in value.items() for one in _empty(inner, f"{path}.{name}")]
    if isinstance(value, list):
        return [one for number, inner in enumerate(value) for one in _empty(inner, f"{path}[{number}]")]
    return []
