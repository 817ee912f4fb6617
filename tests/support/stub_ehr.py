"""A record system as tests and the demonstration need one: FHIR over HTTP, a token endpoint, a key set, and faults on request.

Run alone, it keeps one patient: `python -m tests.support.stub_ehr 9090`.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # run as a file of its own, as the demonstration does
    sys.path.insert(0, str(ROOT / "tests"))

from support.other_hosts import Asked, OtherHost, answer, other_host  # noqa: E402

Resource = dict[str, Any]

PAGE = 50
NOTHING = [5, None, {}, {"resource": None}, {"resource": {"id": "x"}}]  # entries without a resource (fault "malformed")
ENDLESS = 10_000  # entries a type has under the fault "endless"
SLOW_SECONDS = 30.0


@dataclass
class StubEhr:
    """The state of the record system. `faults` maps a resource type (or `token`, `keys`) to how it misbehaves."""

    host: OtherHost | None = None
    resources: dict[tuple[str, str], Resource] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=lambda: {"good-token"})
    keys: dict[str, Any] = field(default_factory=lambda: {"keys": []})
    client_keys: dict[str, Any] = field(default_factory=lambda: {"keys": []})  # public keys of clients of the token endpoint
    assertions: list[str] = field(default_factory=list)
    unsupported: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        assert self.host is not None
        return self.host.url

    @property
    def fhir(self) -> str:
        return f"{self.url}/fhir"

    @property
    def asked(self) -> list[Asked]:
        assert self.host is not None
        return self.host.asked

    def hold(self, *resources: Resource) -> None:
        """Keep resources; those of a Bundle each by itself."""
        for resource in resources:
            if resource["resourceType"] == "Bundle":
                self.hold(*(entry["resource"] for entry in resource["entry"]))
            else:
                resource = {**resource, "id": resource.get("id") or uuid.uuid4().hex}
                self.resources[resource["resourceType"], resource["id"]] = resource

    def of_type(self, name: str) -> list[Resource]:
        return [resource for (kind, _), resource in self.resources.items() if kind == name]

    # --- behaviour -----------------------------------------------------------------------------------------------------

    def behave(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        parts = urlsplit(asked.path)
        steps = [step for step in parts.path.split("/") if step]
        if steps == ["jwks"]:
            self._json(handler, self.keys, fault=self.faults.get("keys"))
        elif steps == ["token"]:
            self._token(handler, asked)
        elif steps[:1] == ["fhir"] and len(steps) > 1:
            self._fhir(handler, asked, steps[1:], parts.query)
        else:
            self._outcome(handler, 404, "not-found")

    def _fhir(self, handler: BaseHTTPRequestHandler, asked: Asked, steps: list[str], query: str) -> None:
        kind = steps[0]
        if kind == "metadata":
            self._json(handler, self._capabilities())
            return
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            self._outcome(handler, 401, "login")
            return
        fault = self.faults.get(kind)
        if kind in self.unsupported:
            self._outcome(handler, 404, "not-supported")
        elif asked.method == "GET" and len(steps) == 2:
            found = self.resources.get((kind, steps[1]))
            if found is None and not fault:
                self._outcome(handler, 404, "not-found")
            else:
                self._json(handler, found or {}, fault=fault)
        elif asked.method == "GET":
            self._json(handler, self._search(kind, query, fault), fault=fault)
        elif asked.method == "POST":
            self._create(handler, asked, kind, fault)
        else:
            self._outcome(handler, 405, "not-supported")

    def _create(self, handler: BaseHTTPRequestHandler, asked: Asked, kind: str, fault: str | None) -> None:
        if fault:
            self._json(handler, {}, fault=fault)
            return
        resource = json.loads(asked.body)
        wanted = asked.headers.get("if-none-exist", "")
        for found in self.of_type(kind):
            if wanted and all(_matches(found, name, values[0]) for name, values in parse_qs(wanted).items()):
                self._json(handler, found, headers={"Location": f"{self.fhir}/{kind}/{found['id']}/_history/1"})
                return
        resource["id"] = uuid.uuid4().hex
        self.resources[kind, resource["id"]] = resource
        self._json(handler, resource, status=201, headers={"Location": f"{self.fhir}/{kind}/{resource['id']}/_history/1"})

    def _search(self, kind: str, query: str, fault: str | None) -> Resource:
        wanted = dict(parse_qsl(query, keep_blank_values=True))
        offset = int(wanted.pop("_offset", "0"))
        found = [one for one in self.of_type(kind) if all(_matches(one, name, value) for name, value in wanted.items())]
        total = ENDLESS if fault == "endless" else len(found)
        if fault == "endless":
            example = {"resourceType": kind, "status": "final", "code": {"text": "filler"}}
            page = [{**example, "id": f"filler-{offset + number}"} for number in range(PAGE)]
        else:
            page = found[offset : offset + PAGE]
        bundle: Resource = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": total,
            "entry": [{"fullUrl": f"{self.fhir}/{kind}/{one['id']}", "resource": one} for one in page],
        }
        if fault == "malformed":
            bundle["entry"] += NOTHING
            bundle["total"] = total + len(NOTHING)
        elif fault == "more-than-given":
            bundle["total"] = total + 1
        elif fault == "entry-text":
            bundle["entry"] = "x"
        elif fault == "no-type":
            return {"entry": bundle["entry"]}
        elif fault == "next-without-address":
            bundle["link"] = [{"relation": "next"}]
        if offset + PAGE < total:
            following = urlencode({**wanted, "_offset": offset + PAGE})
            base = "http://169.254.169.254/fhir" if fault == "next-elsewhere" else self.fhir
            bundle["link"] = [{"relation": "next", "url": f"{base}/{kind}?{following}"}]
        elif fault == "next-elsewhere":
            bundle["link"] = [{"relation": "next", "url": f"http://169.254.169.254/fhir/{kind}"}]
        return bundle

    def _token(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        """SMART Backend Services: a token for a signed assertion, if the signature, audience and client are right."""
        from joserfc import jwt
        from joserfc.jwk import KeySet

        if self.faults.get("token"):
            self._json(handler, {}, fault=self.faults["token"])
            return
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        assertion = form.get("client_assertion", "")
        try:
            token = jwt.decode(assertion, KeySet.import_key_set(self.client_keys), algorithms=["ES384", "RS384"])
            claims = token.claims
            assert claims["iss"] == claims["sub"] == "hipspine" and claims["aud"] == f"{self.url}/token"
            assert claims["exp"] - time.time() <= 300 and assertion not in self.assertions
            assert form["grant_type"] == "client_credentials"
        except Exception:  # noqa: BLE001 - whatever is wrong with it, the client is refused
            self._json(handler, {"error": "invalid_client"}, status=401)
            return
        self.assertions.append(assertion)
        granted = f"granted-{len(self.assertions)}"
        self.tokens.add(granted)
        self._json(
            handler, {"access_token": granted, "token_type": "bearer", "expires_in": 300, "scope": form.get("scope", "")}
        )

    def _capabilities(self) -> Resource:
        search = [{"code": "read"}, {"code": "search-type"}]
        writes = [{"code": "create"}]
        parameters = {
            "Patient": [],
            "Encounter": [],
            "Condition": ["patient"],
            "Observation": ["patient", "category", "code"],
            "QuestionnaireResponse": ["patient", "questionnaire"],
            "RiskAssessment": ["patient", "identifier"],
            "ServiceRequest": ["patient", "identifier"],
        }
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-01-01",
            "kind": "instance",
            "software": {"name": "Stub EHR", "version": "1"},
            "implementation": {"description": "A record system for tests", "url": self.fhir},
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "rest": [
                {
                    "mode": "server",
                    "resource": [
                        {
                            "type": name,
                            "interaction": [*search, *(writes if name in ("RiskAssessment", "ServiceRequest") else [])],
                            "conditionalCreate": name == "RiskAssessment",
                            "searchParam": [{"name": one, "type": "token"} for one in names],
                        }
                        for name, names in parameters.items()
                        if name not in self.unsupported
                    ],
                }
            ],
        }

    # --- answers -------------------------------------------------------------------------------------------------------

    def _json(
        self,
        handler: BaseHTTPRequestHandler,
        value: Any,
        *,
        status: int = 200,
        fault: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        body = json.dumps(value).encode()
        if fault == "slow":
            time.sleep(SLOW_SECONDS)
        elif fault == "500":
            self._outcome(handler, 500, "exception")
            return
        elif fault == "429":
            answer(handler, 429, Retry_After="60")
            return
        elif fault == "429-once":
            self.faults = {name: kind for name, kind in self.faults.items() if kind != fault}
            answer(handler, 429, Retry_After="0")
            return
        elif fault == "truncated":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body) + 500))
            handler.end_headers()
            handler.wfile.write(body[: len(body) // 2])
            handler.close_connection = True
            return
        elif fault == "garbage":
            answer(handler, 200, b"<html>Sorry</html>")
            return
        elif fault == "expired":
            self._outcome(handler, 401, "expired")
            return
        answer(handler, status, body, **{name.replace("-", "_"): text for name, text in (headers or {}).items()})

    def _outcome(self, handler: BaseHTTPRequestHandler, status: int, code: str) -> None:
        issue = {"severity": "error", "code": code, "diagnostics": "The record system says no."}
        answer(handler, status, json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode())


@contextmanager
def stub_ehr(port: int = 0) -> Iterator[StubEhr]:
    """A record system on loopback while open."""
    state = StubEhr()
    with other_host(state.behave, port=port) as host:
        state.host = host
        yield state


def _matches(resource: Resource, name: str, value: str) -> bool:
    wanted = [part.split("|")[-1] for part in value.split(",")] if name != "questionnaire" else value.split(",")
    if name == "patient":
        subject = resource.get("subject") or resource.get("patient") or {}
        return str(subject.get("reference", "")).split("/")[-1] in wanted
    if name == "category":
        given = [coding.get("code") for concept in resource.get("category", ()) for coding in concept.get("coding", ())]
        return any(code in wanted for code in given)
    if name == "code":
        return any(coding.get("code") in wanted for coding in resource.get("code", {}).get("coding", ()))
    if name == "questionnaire":
        return str(resource.get("questionnaire", "")).split("|")[0] in wanted
    if name == "target":
        return any(target.get("reference") == value for target in resource.get("target", ()))
    if name == "identifier":
        return _has_identifier(resource, value)
    return True


def _has_identifier(resource: Resource, wanted: str) -> bool:
    return any(f"{one.get('system', '')}|{one.get('value', '')}" == wanted for one in resource.get("identifier", ()))


def main() -> None:
    """Serve one patient whose record points to the spine, until interrupted."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9090
    with stub_ehr(port) as ehr:
        response = json.loads((ROOT / "tests" / "data" / "spine.json").read_text(encoding="utf-8"))
        ehr.hold(response, {"resourceType": "Patient", "id": "example-spine", "gender": "male", "birthDate": "1972-05-04"})
        print(f"The stub EHR is at {ehr.fhir} (Ctrl-C stops it).", flush=True)  # noqa: T201
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
