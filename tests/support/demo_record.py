"""The record system of the demonstration: the stub with a page in the browser, and a clinician's moves as calls.

It plays what a record system does: it calls the hooks at the right moments, shows the cards, changes its draft orders when a
suggestion is taken, and sends feedback. Nothing of HipSpine is in here; everything shown came back from its hooks.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import requests
from support.hook_calls import case, order
from support.other_hosts import Asked, answer
from support.stub_ehr import StubEhr

Resource = dict[str, Any]

PAGE = Path(__file__).with_name("demo_record.html")
HIP_MRI = "36013-1"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
PATIENTS: Sequence[Resource] = (
    {"resourceType": "Patient", "id": "example-spine", "gender": "male", "birthDate": "1972-05-04"},
    {"resourceType": "Patient", "id": "example-emergency", "gender": "male", "birthDate": "1980-11-30"},
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A moment at which a record system calls. `told` is said before, `ask` is what the clinician does, `shown` is to be seen."""

    id: str
    title: str
    hook: str
    patient: str
    told: str
    ask: str
    shown: str
    ordered: str = ""  # LOINC code of an order placed in it


SCENES: Sequence[Scene] = (
    Scene(
        "encounter",
        "An encounter begins",
        "encounter-start",
        "example-spine",
        "A man with hip pain, sent because of his hip. He has filled in the form; the clinician opens the encounter.",
        "Begin the encounter",
        "Nothing was sent along: HipSpine read the record itself. The pain is felt at the hip; the record speaks for the spine.",
    ),
    Scene(
        "order",
        "A hip MRI is ordered",
        "order-select",
        "example-spine",
        "The clinician orders an MRI of the hip all the same.",
        "Order an MRI of the hip",
        "The card says that the order fits the record badly, why, and what to do instead. It is a remark, not a refusal.",
        HIP_MRI,
    ),
    Scene(
        "discharge",
        "The patient goes home",
        "encounter-discharge",
        "example-spine",
        "The encounter ends.",
        "Discharge the patient",
        "The plan with its evidence, the advice, and the day to look again.",
    ),
    Scene(
        "emergency",
        "The next one cannot wait",
        "encounter-start",
        "example-emergency",
        "Another patient, also sent because of his hip. What was recorded of him says more.",
        "Begin the encounter",
        "Alarm signs come first, whatever the probabilities say. No order is talked down now.",
    ),
)


@dataclass
class DemoRecord(StubEhr):
    """The record system, its clients' address of HipSpine, and what it has shown so far."""

    service: str = ""
    shown: dict[str, Resource] = field(default_factory=dict)  # card uuid -> the card and the service it is of
    morning: int = 0
    questions: dict[str, str] = field(default_factory=dict)  # of the form, by linkId

    def begin(self) -> None:
        """Back to the first morning: two patients, their forms, hip pain on both problem lists, no orders."""
        self.resources.clear()
        self.shown.clear()
        self.morning += 1
        self.hold(*PATIENTS, *case("spine"), *(one for one in case("emergency") if one["resourceType"] != "Patient"))
        for patient in PATIENTS:
            encounter = self.encounter_of(patient["id"])
            self.hold(
                {"resourceType": "Encounter", "id": encounter, "status": "in-progress", "class": {"code": "AMB"}},
                {
                    "resourceType": "Condition",
                    "id": f"{patient['id']}-pain",
                    "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
                    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "49218002"}], "text": "Pain of hip region"},
                    "subject": {"reference": f"Patient/{patient['id']}"},
                },
            )

    def encounter_of(self, patient: str) -> str:
        """The id of today's encounter: what was assessed in another is another assessment, written back anew."""
        return f"{patient}-{self.morning}"

    # --- moves ---------------------------------------------------------------------------------------------------------

    def play(self, scene: Scene) -> Resource:
        """What came of a moment: the cards, what HipSpine read for them, and how long it took in milliseconds."""
        encounter = self.encounter_of(scene.patient)
        context: Resource = {"userId": "Practitioner/1", "patientId": scene.patient, "encounterId": encounter}
        if scene.ordered:
            subject = {"reference": f"Patient/{scene.patient}"}
            draft = order(scene.ordered, id=f"draft-{uuid.uuid4().hex[:8]}", subject=subject)
            draft["code"]["text"] = "MRI of the hip"
            self.hold(draft)
            context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": draft}]}
            context["selections"] = [f"ServiceRequest/{draft['id']}"]
        before, begun = len(self.asked), time.perf_counter()
        response = requests.post(
            f"{self.service}/cds-services/{scene.hook}",
            json={
                "hook": scene.hook,
                "hookInstance": str(uuid.uuid4()),
                "context": context,
                "fhirServer": self.fhir,
                "fhirAuthorization": {
                    "access_token": "good-token",
                    "token_type": "Bearer",
                    "expires_in": 300,
                    "scope": "patient/*.rs",
                    "subject": "hipspine",
                },
            },
            timeout=30,
        )
        milliseconds = (time.perf_counter() - begun) * 1000
        response.raise_for_status()
        cards: list[Resource] = response.json()["cards"]
        self.shown |= {card["uuid"]: {"service": scene.hook, "card": card} for card in cards}
        read = [one.path.removeprefix("/fhir/") for one in self.asked[before:] if one.method == "GET" and "/fhir/" in one.path]
        return {"cards": cards, "read": read, "milliseconds": round(milliseconds), "hook": scene.hook}

    def take(self, card_id: str, suggestion_id: str) -> Resource:
        """A suggestion taken: its actions done to the draft orders, and feedback sent."""
        suggestion = next(one for one in self.shown[card_id]["card"]["suggestions"] if one["uuid"] == suggestion_id)
        done = []
        for action in suggestion["actions"]:
            if action["type"] == "delete":
                kind, _, given = action["resourceId"].partition("/")
                self.resources.pop((kind, given), None)
            else:
                made = {**action["resource"], "id": action["resource"].get("id") or f"draft-{uuid.uuid4().hex[:8]}"}
                self.resources[made["resourceType"], made["id"]] = made
            done.append(f"{action['type']}: {action['description']}")
        return {"done": done, "status": self._tell(card_id, outcome="accepted", acceptedSuggestions=[{"id": suggestion_id}])}

    def override(self, card_id: str, code: str) -> Resource:
        """A card set aside with one of its reasons, and feedback sent."""
        reason = next(one for one in self.shown[card_id]["card"]["overrideReasons"] if one["code"] == code)
        told = {"reason": {"code": reason["code"], "system": reason["system"]}}
        return {"done": [reason["display"]], "status": self._tell(card_id, outcome="overridden", overrideReason=told)}

    def _tell(self, card_id: str, **outcome: Any) -> int:
        entry = {"card": card_id, "outcomeTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **outcome}
        place = f"{self.service}/cds-services/{self.shown[card_id]['service']}/feedback"
        return requests.post(place, json={"feedback": [entry]}, timeout=30).status_code

    # --- the page ------------------------------------------------------------------------------------------------------

    def behave(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        path = asked.path.split("?")[0]
        if asked.method == "GET" and path == "/":
            answer(handler, 200, PAGE.read_bytes(), Content_Type="text/html; charset=utf-8")
        elif path == "/favicon.ico":
            answer(handler, 204, b"")
        elif path.startswith("/demo/"):
            try:
                told = self._demo(path.split("/")[2:], json.loads(asked.body or b"{}"))
            except (KeyError, StopIteration, ValueError):
                answer(handler, 404, b'{"problem": "There is nothing of that name."}')
            except requests.RequestException as error:
                answer(handler, 502, json.dumps({"problem": f"HipSpine did not answer ({type(error).__name__})."}).encode())
            else:
                answer(handler, 200, json.dumps(told).encode(), Content_Type="application/json")
        else:
            super().behave(handler, asked)

    def _demo(self, steps: Sequence[str], body: Mapping[str, Any]) -> Resource:
        match steps:
            case ["story"]:
                scenes = [{name: getattr(scene, name) for name in Scene.__slots__} for scene in SCENES]
                return {"service": self.service, "record": self.fhir, "scenes": scenes}
            case ["begin"]:
                self.begin()
                return {}
            case ["play", scene]:
                return self.play(next(one for one in SCENES if one.id == scene))
            case ["take"]:
                return self.take(body["card"], body["suggestion"])
            case ["override"]:
                return self.override(body["card"], body["reason"])
            case ["chart", patient]:
                return self._chart(patient)
            case ["record", kind, given]:
                return self.resources[kind, given]
        raise KeyError

    def _chart(self, patient: str) -> Resource:
        about = [
            one
            for (kind, given), one in list(self.resources.items())
            if (kind == "Patient" and given == patient)
            or f"Patient/{patient}" in (one.get("subject", {}).get("reference"), one.get("patient", {}).get("reference"))
        ]
        return {"resources": about, "answers": self._answers(about)}

    def _answers(self, about: Sequence[Resource]) -> list[Resource]:
        """What the form says, question by question, in the words of the form itself."""
        if not self.questions:
            form = requests.get(f"{self.service}/fhir/Questionnaire/hip-spine-intake", timeout=30).json()
            self.questions = dict(_questions(form["item"]))
        given = [one for one in about if one["resourceType"] == "QuestionnaireResponse"]
        return [
            {"question": self.questions[item["linkId"]], "answer": _word(item["answer"][0])}
            for response in given
            for item in _answered(response["item"])
            if item["linkId"] in self.questions
        ]


def _questions(items: Sequence[Resource]) -> list[tuple[str, str]]:
    found = []
    for item in items:
        found.append((item["linkId"], item.get("text", item["linkId"])))
        found += _questions(item.get("item", ()))
    return found


def _answered(items: Sequence[Resource]) -> list[Resource]:
    found = []
    for item in items:
        found += ([item] if item.get("answer") else []) + _answered(item.get("item", ()))
    return found


def _word(given: Resource) -> str:
    value = next(value for name, value in given.items() if name.startswith("value"))
    if isinstance(value, dict):
        return str(value.get("display") or value.get("code") or value.get("value"))
    return {True: "present", False: "absent"}.get(value, str(value)) if isinstance(value, bool) else str(value)
