"""Everything the service emits, asked for over HTTP, and which routes that covered.

`SOURCES` is the list to extend: a route that no request here reaches makes test_harvest.py fail.
"""

from __future__ import annotations

import copy
import io
import json
import random
import re
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from conformance.samples import SAMPLES, sample
from conformance.selection import worth_asking
from support.hook_calls import case, hook_call, order
from support.servers import FHIR_JSON, ROOT
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map

Resource = dict[str, Any]

STORIES = sorted((ROOT / "tests" / "data").glob("*.json"))
LANGUAGES = ("en", "de")
RANDOM_ANSWER_SETS = 120
SEED = 20261128  # any; fixed, so that a fault found can be found again

# What a validator has to know besides R4 to judge the rest.
DEFINING = (
    "CodeSystem",
    "ConceptMap",
    "OperationDefinition",
    "Questionnaire",
    "SearchParameter",
    "StructureDefinition",
    "ValueSet",
)

# Routes that emit no FHIR resource, or none of their own: route -> why it is not asked here. One that is gone, or that the
# harvest reaches after all, fails.
NOT_HARVESTED: Mapping[str, str] = {
    "GET /": "where things are, no FHIR",
    "GET /favicon.ico": "a picture",
    "GET /healthz": "plain JSON for probes, no FHIR",
    "GET /readyz": "plain JSON for probes, no FHIR",
    "GET /openapi.json": "OpenAPI, no FHIR",
    "POST /fhir/Bundle/<fhir_id:resource_id>/$validate": "Bundles are not stored, so none has an id here",
    "GET /docs/": "a page for people",
    "GET /profiles/": "a page for people",
    "GET /profiles/<type_name>/<fhir_id:resource_id>": "a page for people",
    "GET /profiles/examples/<type_name>/<fhir_id:resource_id>": "a page for people",
    "GET /reports/feedback": "plain JSON and a page for people",
    "POST /cds-services/<service_id>/feedback": "answers without a body",
    "GET /docs/<path:path>": "scripts and styles of that page",
}


@dataclass
class Harvest:
    """Asks one running server and keeps every resource it answers with."""

    url: str
    routes: Map
    receiver: str = ""  # the address of somebody who takes notifications ...
    notified: Callable[[], list[str]] = list  # ... and the bodies that were sent there
    resources: dict[str, str] = field(default_factory=dict)  # name -> JSON as it was sent
    reached: set[str] = field(default_factory=set)  # routes that answered with success, as "GET /fhir/metadata"
    statuses: set[int] = field(default_factory=set)
    session: requests.Session = field(default_factory=requests.Session)
    definitions: dict[str, str] = field(default_factory=dict)  # file name -> JSON, of what validators must know
    _seen: set[str] = field(default_factory=set)

    def ask(
        self,
        name: str,
        method: str,
        path: str,
        body: bytes | Resource | None = None,
        **headers: str,
    ) -> requests.Response:
        """Send one request and keep what comes back; `headers` in Python's spelling: Accept_Language."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        if data is not None:
            sent.setdefault("Content-Type", FHIR_JSON)
        response = self.session.request(method, self.url + path, data=data, headers=sent, timeout=60)
        self.statuses.add(response.status_code)
        if response.ok:
            self._reach(method, path)
        self._keep(name, response)
        return response

    def sample(self, type_name: str, **more: Any) -> Resource:
        """A sample of that type which this server takes."""
        made = copy.deepcopy(sample(type_name, **more))
        if type_name == "Subscription":
            made["channel"]["endpoint"] = self.receiver
        return made

    def keep(self, name: str, text: str) -> None:
        """Add one resource, as JSON text, under a name of its own; not again what was there before."""
        content = json.dumps(json.loads(text), sort_keys=True)
        if content in self._seen:
            return
        self._seen.add(content)
        clean = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")
        while clean in self.resources:
            stem, _, number = clean.rpartition("~")
            clean = f"{stem}~{int(number) + 1}" if stem and number.isdigit() else f"{clean}~2"
        self.resources[clean] = text

    def write(self, folder: Path, more: Path) -> None:
        """One file for each resource; those that would tell a slow validator nothing new into `more`, for the quick ones."""
        folder.mkdir(parents=True, exist_ok=True)
        more.mkdir(parents=True, exist_ok=True)
        chosen = worth_asking(self.resources)
        for name, text in self.resources.items():
            (folder if name in chosen else more).joinpath(f"{name}.json").write_text(text, encoding="utf-8")

    def write_definitions(self, folder: Path) -> None:
        """One file for each conformance resource that the service publishes."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.definitions.items():
            (folder / name).write_text(text, encoding="utf-8")

    def _reach(self, method: str, path: str) -> None:
        try:
            rule, _ = self.routes.bind("localhost").match(urlsplit(path).path, method=method, return_rule=True)
        except HTTPException:
            return
        self.reached.add(f"{method} {rule.rule}")

    def _keep(self, name: str, response: requests.Response) -> None:
        media_type = response.headers.get("Content-Type", "")
        if not response.content:
            return
        if media_type.startswith(FHIR_JSON):
            self.keep(name, response.content.decode())
        elif "ndjson" in media_type:
            for line in response.content.decode().splitlines():
                self.keep(name, line)
        elif media_type.startswith("application/json"):
            # Not FHIR itself, but it may carry resources: the suggestions of a card.
            for resource in resources_within(response.json()):
                self.keep(name, json.dumps(resource))


def resources_within(value: object) -> Iterator[Resource]:
    """The outermost resources anywhere within JSON."""
    if isinstance(value, dict):
        if isinstance(value.get("resourceType"), str):
            yield value
        else:
            for member in value.values():
                yield from resources_within(member)
    elif isinstance(value, list):
        for member in value:
            yield from resources_within(member)


def routes_of(routes: Map) -> set[str]:
    """Every route that answers with something of its own, as "GET /fhir/metadata"."""
    return {
        f"{method} {rule.rule}"
        for rule in routes.iter_rules()
        for method in (rule.methods or ())
        if method not in ("HEAD", "OPTIONS")
    }


# --- what is asked ------------------------------------------------------------------------------------------------------


def published(harvest: Harvest) -> None:
    """The CapabilityStatement, every search of what is published, to its last page, and each resource found, read."""
    statement = harvest.ask("capability", "GET", "/fhir/metadata").json()
    harvest.ask("capability-pretty", "GET", "/fhir/metadata?_pretty=true")
    for offered in statement["rest"][0]["resource"]:
        offers = {interaction["code"] for interaction in offered.get("interaction", ())}
        if "search-type" not in offers:
            continue
        kind = offered["type"]
        # The Bundle of all of them would be judged a second time; one of two shows how such a Bundle is made.
        every = harvest.session.get(f"{harvest.url}/fhir/{kind}", timeout=60).json().get("entry", ())
        found = [entry["resource"] for entry in every if entry["search"]["mode"] == "match"]
        for resource in found:
            read = harvest.ask(f"{kind}-{resource['id']}", "GET", f"/fhir/{kind}/{resource['id']}")
            if kind in DEFINING:
                harvest.definitions[f"{kind}-{resource['id']}.json"] = read.content.decode()
        some = ",".join(resource["id"] for resource in found[:2])
        harvest.ask(f"search-{kind}", "GET", f"/fhir/{kind}?_id={some}")
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        harvest.ask(f"search-{kind}-by-post", "POST", f"/fhir/{kind}/_search", f"_id={some}".encode(), **form)
        harvest.ask(f"search-{kind}-nothing", "GET", f"/fhir/{kind}?_id=nothing-has-this-id")
        harvest.ask(f"search-{kind}-unknown-parameter", "GET", f"/fhir/{kind}?_id={some}&bogus=1")


def stories(harvest: Harvest) -> None:
    """The example requests, at every form of $assess that takes them, in each language, with all that can be asked for."""
    for path in STORIES:
        body = path.read_bytes()
        harvest.keep(f"story-{path.stem}", body.decode())
        for language in LANGUAGES:
            harvest.ask(f"assessed-{path.stem}-{language}", "POST", "/fhir/$assess", body, Accept_Language=language)
        plan = "/fhir/$assess?care-plan=true"
        harvest.ask(f"assessed-with-plan-{path.stem}", "POST", plan, body, Accept_Language=LANGUAGES[len(path.stem) % 2])
        if path.stem == "emergency":  # by far the longest answers, and alike
            harvest.ask(f"assessed-what-if-{path.stem}", "POST", "/fhir/$assess?what-if=true&care-plan=true", body)


def parts_of_stories(harvest: Harvest) -> None:
    """The type forms, with the responses and observations the stories hold; and a second assessment that knows the first."""
    for path in STORIES:
        story = json.loads(path.read_text(encoding="utf-8"))
        parts = [entry["resource"] for entry in story.get("entry", ())] or [story]
        for kind in ("QuestionnaireResponse", "Observation"):
            for part in [part for part in parts if part["resourceType"] == kind][:1]:
                harvest.ask(f"assessed-{kind}-{path.stem}", "POST", f"/fhir/{kind}/$assess", part)
    story = json.loads(STORIES[0].read_text(encoding="utf-8"))
    first = harvest.ask("first-assessment", "POST", "/fhir/$assess", story).json()
    if story["resourceType"] == "Bundle":
        again = {
            **story,
            "entry": [*story["entry"], {"fullUrl": "urn:uuid:7f7b6c9e-6f0e-4f6b-8b3a-1f1d6c9e0001", "resource": first}],
        }
        harvest.ask("second-assessment", "POST", "/fhir/$assess", again)
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": story}]}
    harvest.ask("assessed-parameters", "POST", "/fhir/$assess", parameters)


def random_answers(harvest: Harvest) -> None:
    """Filled-in forms by chance: a few answers, many, all; in turn in each language, each fourth with a plan."""
    form = harvest.ask("form", "GET", "/fhir/Questionnaire/hip-spine-intake").json()
    chance = random.Random(SEED)
    questions = [item for item in _flat(form["item"]) if item["type"] in ("choice", "decimal")]
    for number in range(RANDOM_ANSWER_SETS):
        size = chance.choice((1, 3, 8, 20, 60, len(questions)))
        response = response_to(form, chance, {item["linkId"] for item in chance.sample(questions, min(size, len(questions)))})
        query = "?care-plan=true" if number % 4 == 0 else ""
        if number % 60 == 0:
            query = "?care-plan=true&what-if=true"
        name = f"random-{number:03d}"
        harvest.ask(name, "POST", f"/fhir/$assess{query}", response, Accept_Language=LANGUAGES[number % len(LANGUAGES)])


def response_to(form: Resource, chance: random.Random, answered: set[str]) -> Resource:
    """A response to the form that answers those questions by chance."""

    def filled(items: Sequence[Resource]) -> list[Resource]:
        found = []
        for item in items:
            inner = filled(item.get("item", ()))
            if item["linkId"] in answered and _is_enabled(item, answered):
                found.append({"linkId": item["linkId"], "answer": [_answer(item, chance)]})
            elif inner:
                found.append({"linkId": item["linkId"], "item": inner})
        return found

    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{form['url']}|{form['version']}",
        "status": chance.choice(("completed", "in-progress", "amended")),
        "subject": {"reference": "Patient/1"},
        "authored": "2026-01-15T10:00:00+01:00",
        "item": filled(form["item"]),
    }


def terminology_operations(harvest: Harvest) -> None:
    """Each operation on codes, at the type and on an instance, by GET and by POST, with good and with bad news."""
    base = harvest.ask("form", "GET", "/fhir/Questionnaire/hip-spine-intake").json()["url"].partition("/Questionnaire/")[0]
    finding, condition = f"{base}/CodeSystem/finding", f"{base}/CodeSystem/condition"
    findings = f"{base}/ValueSet/finding"
    asked: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("CodeSystem", "$lookup", {"system": finding, "code": "faber"}),
        ("CodeSystem", "$lookup", {"system": finding, "code": "pain_groin", "displayLanguage": "de"}),
        ("CodeSystem", "$lookup", {"system": finding, "code": "nothing"}),
        ("CodeSystem", "$lookup", {"system": "http://example.org/unknown", "code": "1"}),
        ("CodeSystem", "$lookup", {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M16.11"}),
        ("CodeSystem", "$validate-code", {"url": finding, "code": "faber"}),
        ("CodeSystem", "$validate-code", {"url": finding, "code": "nothing"}),
        ("CodeSystem", "$validate-code", {"url": finding, "code": "faber", "display": "something else"}),
        ("CodeSystem", "$subsumes", {"system": finding, "codeA": "faber", "codeB": "fadir"}),
        ("CodeSystem", "$subsumes", {"system": finding, "codeA": "faber", "codeB": "faber"}),
        ("ValueSet", "$expand", {"url": findings}),
        ("ValueSet", "$expand", {"url": findings, "filter": "pain", "count": "3", "offset": "1", "displayLanguage": "de"}),
        ("ValueSet", "$expand", {"url": findings, "count": "0"}),
        ("ValueSet", "$expand", {"url": "http://example.org/unknown"}),
        ("ValueSet", "$validate-code", {"url": findings, "system": finding, "code": "faber"}),
        ("ValueSet", "$validate-code", {"url": findings, "system": finding, "code": "nothing"}),
        ("ConceptMap", "$translate", {"system": condition, "code": "hip_oa"}),
        ("ConceptMap", "$translate", {"system": condition, "code": "hip_oa", "targetsystem": "http://snomed.info/sct"}),
        ("ConceptMap", "$translate", {"system": "http://snomed.info/sct", "code": "0", "reverse": "true"}),
    )
    for kind, operation, query in asked:
        name = f"{kind}-{operation}"
        harvest.ask(f"{name}-get", "GET", f"/fhir/{kind}/{operation}?{urlencode(query)}")
        harvest.ask(f"{name}-post", "POST", f"/fhir/{kind}/{operation}", parameters(**query))
    on_one: tuple[tuple[str, dict[str, str]], ...] = (
        ("CodeSystem/finding/$lookup", {"code": "faber"}),
        ("CodeSystem/finding/$validate-code", {"code": "faber"}),
        ("CodeSystem/finding/$subsumes", {"codeA": "faber", "codeB": "fadir"}),
        ("ValueSet/finding/$expand", {}),
        ("ValueSet/finding/$validate-code", {"system": finding, "code": "faber"}),
        ("ConceptMap/condition-to-icd10cm/$translate", {"system": condition, "code": "hip_oa"}),
    )
    for place, query in on_one:
        harvest.ask(f"{place}-get", "GET", f"/fhir/{place}?{urlencode(query)}")
        harvest.ask(f"{place}-post", "POST", f"/fhir/{place}", parameters(**query))


def parameters(**named: str) -> Resource:
    """Parameters as the terminology operations take them."""
    kinds = {
        "url": "valueUri",
        "system": "valueUri",
        "targetsystem": "valueUri",
        "filter": "valueString",
        "display": "valueString",
    }
    found: list[Resource] = []
    for name, value in named.items():
        if name in ("count", "offset"):
            found.append({"name": name, "valueInteger": int(value)})
        elif name == "reverse":
            found.append({"name": name, "valueBoolean": value == "true"})
        else:
            found.append({"name": name, kinds.get(name, "valueCode"): value})
    return {"resourceType": "Parameters", **({"parameter": found} if found else {})}


def form_operations(harvest: Harvest) -> None:
    """Observations out of forms, and a form out of a record."""
    form = harvest.ask("form", "GET", "/fhir/Questionnaire/hip-spine-intake").json()
    chance = random.Random(SEED + 1)
    questions = [item["linkId"] for item in _flat(form["item"]) if item["type"] in ("choice", "decimal")]
    for size in (1, 12, len(questions)):
        response = response_to(form, chance, set(chance.sample(questions, size)))
        harvest.keep(f"response-{size}", json.dumps(response))
        harvest.ask(f"extracted-{size}", "POST", "/fhir/QuestionnaireResponse/$extract", response)
    subject = {"name": "subject", "valueReference": {"reference": "Patient/1"}}
    story = json.loads(STORIES[0].read_text(encoding="utf-8"))
    content = {"name": "content", "resource": story} if story["resourceType"] == "Bundle" else subject
    body = {"resourceType": "Parameters", "parameter": [subject, content]}
    harvest.ask("populated-one", "POST", "/fhir/Questionnaire/hip-spine-intake/$populate", body)
    asked = {"resourceType": "Parameters", "parameter": [{"name": "questionnaire", "resource": form}, subject, content]}
    harvest.ask("populated-given", "POST", "/fhir/Questionnaire/$populate", asked)
    harvest.ask(
        "populated-unknown", "POST", "/fhir/Questionnaire/$populate", {**asked, "parameter": [{"name": "x", "valueString": "y"}]}
    )


def stored(harvest: Harvest) -> None:
    """Every interaction with every stored type, on a resource of its own; then what all of them have in common."""
    statement = harvest.ask("capability", "GET", "/fhir/metadata").json()
    for offered in statement["rest"][0]["resource"]:
        kind, offers = offered["type"], {one["code"] for one in offered.get("interaction", ())}
        if "create" in offers:
            _one_type(harvest, kind, offers)
        elif "vread" in offers:  # written by the service alone
            found = harvest.ask(f"{kind}-search", "GET", f"/fhir/{kind}?_count=3").json()["entry"][0]["resource"]
            place = f"/fhir/{kind}/{found['id']}"
            for name, rest in (("read", ""), ("vread", "/_history/1"), ("history", "/_history")):
                harvest.ask(f"{kind}-{name}", "GET", f"{place}{rest}")
            harvest.ask(f"{kind}-history-of-type", "GET", f"/fhir/{kind}/_history")
    harvest.ask("read-nothing", "GET", "/fhir/Patient/nothing")


def _one_type(harvest: Harvest, kind: str, offers: set[str]) -> None:
    ask = harvest.ask

    def sample(type_name: str, **more: Any) -> Resource:
        return harvest.sample(type_name, **more)

    tag = {"meta": {"tag": [{"system": "urn:ietf:rfc:3986", "code": "harvest"}]}}
    made = ask(f"{kind}-created", "POST", f"/fhir/{kind}", sample(kind, **tag), Prefer="return=representation")
    ask(f"{kind}-created-outcome", "POST", f"/fhir/{kind}", sample(kind), Prefer="return=OperationOutcome")
    ask(f"{kind}-refused", "POST", f"/fhir/{kind}", sample(kind, unknownElement=1))
    if not made.ok:
        return
    place = f"/fhir/{kind}/{made.json()['id']}"
    ask(f"{kind}-read", "GET", place)
    ask(f"{kind}-vread", "GET", f"{place}/_history/1")
    if "update" in offers:
        ask(f"{kind}-updated", "PUT", place, {**sample(kind), "id": made.json()["id"]})
        ask(f"{kind}-conflict", "PUT", place, {**sample(kind), "id": made.json()["id"]}, If_Match='W/"7"')
        ask(f"{kind}-updated-if", "PUT", f"/fhir/{kind}?_id=none-such-{kind}", sample(kind))
    ask(f"{kind}-history", "GET", f"{place}/_history")
    ask(f"{kind}-history-of-type", "GET", f"/fhir/{kind}/_history")
    ask(f"{kind}-search", "GET", f"/fhir/{kind}?_count=5")
    ask(f"{kind}-search-by-post", "POST", f"/fhir/{kind}/_search", b"_count=5", Content_Type="application/x-www-form-urlencoded")
    if "delete" in offers:
        ask(f"{kind}-deleted-if", "DELETE", f"/fhir/{kind}?_id=none-such-{kind}")
        ask(f"{kind}-deleted", "DELETE", place)
        ask(f"{kind}-gone", "GET", place)
        ask(f"{kind}-history-with-deletion", "GET", f"{place}/_history")


def system_history(harvest: Harvest) -> None:
    """Several versions of one resource and the events about them in one Bundle; then the same with a deletion among them."""
    for name, changes in (("kept", (("PUT", "active"), ("GET", ""))), ("gone", (("DELETE", ""),))):
        place = f"/fhir/Device/{name}"
        harvest.ask(f"{name}-first", "PUT", place, sample("Device", id=name))
        harvest.ask(f"{name}-read", "GET", place)
        _when_audited(harvest, f"Device/{name}", 2)  # what was read before is in the trail too, so does not come in between
        second = harvest.ask(f"{name}-second", "PUT", place, sample("Device", id=name, status="inactive")).json()
        for method, status in changes:
            harvest.ask(f"{name}-{method}", method, place, sample("Device", id=name, status=status) if status else None)
        _when_audited(harvest, f"Device/{name}", 3 + len(changes))
        query = urlencode({"_since": second["meta"]["lastUpdated"], "_count": 100})
        harvest.ask(f"history-of-all-{name}", "GET", f"/fhir/_history?{query}")


def _when_audited(harvest: Harvest, reference: str, events: int) -> None:
    """Return when that many calls about the resource are in the audit trail; a reading comes a moment after its answer."""
    asked = f"{harvest.url}/fhir/AuditEvent?entity={reference}&_summary=count"
    deadline = time.monotonic() + 30
    while harvest.session.get(asked, timeout=60).json()["total"] < events:
        assert time.monotonic() < deadline, f"fewer than {events} events about {reference}"
        time.sleep(0.1)


def validations(harvest: Harvest) -> None:
    """$validate of each type, at the type and on an instance, with something sound and with something broken."""
    statement = harvest.ask("capability", "GET", "/fhir/metadata").json()
    for offered in statement["rest"][0]["resource"]:
        kind = offered["type"]
        if all(operation["name"] != "validate" for operation in offered.get("operation", ())):
            continue
        body = sample(kind) if kind in SAMPLES else {"resourceType": kind}
        harvest.ask(f"validated-{kind}", "POST", f"/fhir/{kind}/$validate", body)
        harvest.ask(f"validated-{kind}-broken", "POST", f"/fhir/{kind}/$validate", {"resourceType": kind, "status": "?", "x": 1})
        place = _instance(harvest, kind, {one["code"] for one in offered.get("interaction", ())})
        if place is not None:
            harvest.ask(
                f"validated-{kind}-instance", "POST", f"{place}/$validate", harvest.session.get(harvest.url + place).content
            )


def _instance(harvest: Harvest, kind: str, offers: set[str]) -> str | None:
    """The address of some resource of the type; None if it has none."""
    if "create" in offers:
        made = harvest.ask(f"{kind}-made", "POST", f"/fhir/{kind}", harvest.sample(kind), Prefer="return=representation")
        return f"/fhir/{kind}/{made.json()['id']}" if made.ok else None
    if "read" in offers and kind != "Bundle":
        entries = harvest.session.get(f"{harvest.url}/fhir/{kind}", timeout=60).json().get("entry", ())
        return next((f"/fhir/{kind}/{entry['resource']['id']}" for entry in entries), None)
    return None


def bundles(harvest: Harvest) -> None:
    """A transaction and a batch, good and bad."""
    entries = [
        {
            "fullUrl": f"urn:uuid:7f7b6c9e-6f0e-4f6b-8b3a-1f1d6c9e00{number:02d}",
            "resource": sample(kind),
            "request": {"method": "POST", "url": kind},
        }
        for number, kind in enumerate(("Patient", "Encounter", "Observation", "QuestionnaireResponse"))
    ]
    look = {"request": {"method": "GET", "url": "Patient/nothing"}}
    bad = {**entries[2], "fullUrl": "urn:uuid:7f7b6c9e-6f0e-4f6b-8b3a-1f1d6c9e0099"}
    bad["resource"] = {"resourceType": "Observation", "status": "done"}
    for kind, content in (
        ("transaction", entries),
        ("transaction", [*entries, bad]),
        ("batch", [*entries, bad, look]),
        ("batch", [{"request": {"method": "GET", "url": "Observation?_count=2"}}]),
        ("collection", entries[:1]),
    ):
        harvest.ask(f"bundle-{kind}", "POST", "/fhir", {"resourceType": "Bundle", "type": kind, "entry": content})


def assessed_when_stored(harvest: Harvest) -> None:
    """Assessments of what is stored, at every instance form, and of a form made out of the record."""
    story = next(json.loads(path.read_text(encoding="utf-8")) for path in STORIES if path.stem == "hip")
    kept = harvest.ask("story-stored", "POST", "/fhir/QuestionnaireResponse", story, Prefer="return=representation").json()
    observation = sample("Observation", code={"coding": [{"system": f"{_base(story)}/CodeSystem/finding", "code": "pain_groin"}]})
    seen = harvest.ask("observation-stored", "POST", "/fhir/Observation", observation, Prefer="return=representation").json()
    for kind, found in (("QuestionnaireResponse", kept), ("Observation", seen)):
        harvest.ask(f"assessed-stored-{kind}", "POST", f"/fhir/{kind}/{found.get('id')}/$assess")
    harvest.ask("extracted-stored", "POST", f"/fhir/QuestionnaireResponse/{kept.get('id')}/$extract")


def everything_and_exports(harvest: Harvest) -> None:
    """All of one patient at once, and all of all as files."""
    patient = harvest.ask("everything-of", "POST", "/fhir/Patient", sample("Patient"), Prefer="return=representation").json()
    seen = sample("Observation", subject={"reference": f"Patient/{patient['id']}"})
    harvest.ask("everything-seen", "POST", "/fhir/Observation", seen)
    for method in ("GET", "POST"):
        harvest.ask(f"everything-{method}", method, f"/fhir/Patient/{patient['id']}/$everything")
        for place in ("", "/Patient"):
            begun = harvest.ask(
                f"export-{method}", method, f"/fhir{place}/$export?_type=Observation,Patient", Prefer="respond-async"
            )
            status = urlsplit(begun.headers["Content-Location"]).path
            deadline = time.monotonic() + 30
            while (done := harvest.ask("export-status", "GET", status)).status_code == 202 and time.monotonic() < deadline:
                time.sleep(0.1)
            for file in done.json()["output"]:
                harvest.ask(f"exported-{file['type']}", "GET", urlsplit(file["url"]).path)
            harvest.ask("export-dropped", "DELETE", status)
            harvest.ask("export-gone", "GET", status)


def subscriptions(harvest: Harvest) -> None:
    """A Subscription, what it says of itself, and the notifications it sends."""
    made = harvest.ask("subscribed", "POST", "/fhir/Subscription", harvest.sample("Subscription"), Prefer="return=representation")
    place = f"/fhir/Subscription/{made.json()['id']}"
    for _ in range(300):
        if harvest.session.get(harvest.url + place).json()["status"] == "active":
            break
        time.sleep(0.1)
    harvest.ask("subscription-active", "GET", place)
    harvest.ask("subscription-news", "POST", "/fhir/RiskAssessment", sample("RiskAssessment"))
    for _ in range(300):
        if sum("notification" in text for text in harvest.notified()) > 1:
            break
        time.sleep(0.1)
    for number, text in enumerate(harvest.notified()):
        harvest.keep(f"notification-{number}", text)
    for operation in ("$status", "$events"):
        harvest.ask(f"subscription-{operation}", "GET", f"{place}/{operation}")
        harvest.ask(f"subscription-{operation}-post", "POST", f"{place}/{operation}")
    for operation in ("$status", "$topics"):
        harvest.ask(f"subscriptions-{operation}", "GET", f"/fhir/Subscription/{operation}")
        harvest.ask(f"subscriptions-{operation}-post", "POST", f"/fhir/Subscription/{operation}")


def hooks(harvest: Harvest) -> None:
    """A call of each hook service: the drafts on its cards are resources too."""
    for service in harvest.ask("hook-services", "GET", "/cds-services").json()["services"]:
        for story in ("hip", "emergency"):
            orders = [order("24762-7")] if service["hook"].startswith("order") else None
            call = hook_call(service["hook"], case(story), orders=orders)
            harvest.ask(
                f"cards-{service['id']}-{story}", "POST", f"/cds-services/{service['id']}", call, Content_Type="application/json"
            )
        harvest.ask(
            f"cards-{service['id']}-refused", "POST", f"/cds-services/{service['id']}", b"{}", Content_Type="application/json"
        )


def package(harvest: Harvest) -> None:
    """Every resource of the FHIR package, the examples among them."""
    response = harvest.ask("package", "GET", "/package.tgz")
    with tarfile.open(fileobj=io.BytesIO(response.content)) as archive:
        for member in archive.getmembers():
            opened = archive.extractfile(member)
            if opened is not None and member.name.endswith(".json"):
                text = opened.read().decode()
                if "resourceType" in json.loads(text) and ".index" not in member.name:
                    harvest.keep(member.name.removesuffix(".json"), text)


def _is_enabled(item: Resource, answered: set[str]) -> bool:
    """Whether the form asks that question; of the conditions, only those on an answer being there or not."""
    rules = item.get("enableWhen", ())
    assert all(rule["operator"] == "exists" for rule in rules)
    met = [(rule["question"] in answered) == rule["answerBoolean"] for rule in rules]
    return not met or (any(met) if item.get("enableBehavior") == "any" else all(met))


def refusals(harvest: Harvest) -> None:
    """An OperationOutcome for each way of being refused."""
    ask = harvest.ask
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    bodies: dict[str, bytes | Resource] = {
        "not-json": b"{bad",
        "empty": b"",
        "not-utf8": b'{"resourceType":"Observ\xff"}',
        "no-type": b"{}",
        "unknown-type": b'{"resourceType":"Foo"}',
        "deep": b"[" * 100_000,
        "three-faults": {"resourceType": "Observation", "status": "done", "note": [], "valueString": ""},
        "invariant": {**observation, "valueString": "x", "dataAbsentReason": {"text": "y"}},
        "no-subject": {"resourceType": "QuestionnaireResponse", "status": "completed", "item": []},
        "unknown-form": {
            "resourceType": "QuestionnaireResponse",
            "status": "completed",
            "questionnaire": "https://example.org/other",
            "subject": {"reference": "Patient/1"},
        },
        "not-assessable": {"resourceType": "Patient"},
        "two-patients": {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {
                    "fullUrl": f"https://example.org/Observation/{number}",
                    "resource": {**observation, "subject": {"reference": f"Patient/{number}"}},
                }
                for number in (1, 2)
            ],
        },
        "empty-bundle": {"resourceType": "Bundle", "type": "collection"},
        "too-large": b" " * 20_000_000,
    }
    for name, body in bodies.items():
        ask(f"refused-{name}", "POST", "/fhir/$assess", body)
    ask("refused-media-type", "POST", "/fhir/$assess", b"x", Content_Type="text/plain")
    ask("refused-accept", "GET", "/fhir/metadata", Accept="application/fhir+xml")
    ask("refused-version", "GET", "/fhir/metadata", Accept="application/fhir+json;fhirVersion=5.0")
    ask("refused-type", "GET", "/fhir/Foo")
    ask("refused-id", "GET", "/fhir/Questionnaire/nothing")
    ask("refused-method", "DELETE", "/fhir/metadata")
    ask("refused-put", "PUT", "/fhir/$assess")
    ask("refused-parameter", "GET", "/fhir/Questionnaire?bogus=1", Prefer="handling=strict")
    ask("refused-option", "POST", "/fhir/$assess?care-plan=perhaps", observation)
    ask(
        "refused-wrong-form",
        "POST",
        "/fhir/Observation/$assess",
        {"resourceType": "QuestionnaireResponse", "status": "completed"},
    )


SOURCES: tuple[Callable[[Harvest], None], ...] = (
    published,
    stories,
    parts_of_stories,
    random_answers,
    terminology_operations,
    form_operations,
    stored,
    system_history,
    validations,
    bundles,
    assessed_when_stored,
    everything_and_exports,
    subscriptions,
    hooks,
    package,
    refusals,
)


def _base(response: Resource) -> str:
    return str(response["questionnaire"]).partition("/Questionnaire/")[0]


def _flat(items: Sequence[Resource]) -> Iterator[Resource]:
    for item in items:
        yield item
        yield from _flat(item.get("item", ()))


def _answer(item: Resource, chance: random.Random) -> Resource:
    if item.get("answerOption"):
        return dict(chance.choice(item["answerOption"]))
    bounds = {extension["url"].rpartition("/")[2]: extension.get("valueDecimal") for extension in item.get("extension", ())}
    return {"valueDecimal": chance.randint(int(bounds.get("minValue") or 0), int(bounds.get("maxValue") or 100))}
