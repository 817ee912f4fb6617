"""The OpenAPI document: it is valid, it describes every route, what it says is so, and its page works offline."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from support.servers import LiveServer

from service.web.docs import routes_of
from service.web.openapi.document import describe, undescribed
from service.web.openapi.sources import Route

# All stored types share one code: some of them stand for all, so that the requests take a minute and not five.
TRIED = (
    r"^/(healthz|readyz|docs|openapi|cds-services|bulk)|/fhir/?$|/fhir/(_history|metadata|\$)"
    r"|/fhir/(QuestionnaireResponse|Subscription|CodeSystem)(/|$)"
)
CONFIG = Path(__file__).with_name("schemathesis.toml")
Document = dict[str, Any]


@pytest.fixture(scope="module")
def document(app: Flask) -> Document:
    found: Document = app.test_client().get("/openapi.json").get_json()
    return found


def test_the_document_is_valid_openapi(document: Document) -> None:
    import schemathesis

    assert document["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(document).validate()
    broken = json.loads(json.dumps(document))
    del broken["paths"]["/healthz"]["get"]["responses"]["200"]["description"]
    with pytest.raises(Exception, match="description"):
        schemathesis.openapi.from_dict(broken).validate()


def test_every_route_is_described(app: Flask) -> None:
    assert undescribed(routes_of(app), app.extensions["hipspine-openapi"]) == []


def test_a_route_nobody_described_is_found(app: Flask) -> None:
    sources = app.extensions["hipspine-openapi"]
    unknown = [Route("/fhir/Patient/<fhir_id:resource_id>/$nope", frozenset({"GET"})), Route("/new", frozenset({"GET", "POST"}))]
    assert undescribed(unknown, sources) == ["GET /fhir/Patient/{resource_id}/$nope", "GET /new", "POST /new"]
    assert describe(Route("/healthz", frozenset({"GET"})), "GET", sources) is not None


def test_no_operation_id_is_used_twice_and_no_reference_is_dead(document: Document) -> None:
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids) > 30
    for pointer in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        found = document
        for part in pointer.split("/"):
            found = found[part]
        assert found


def test_every_example_of_the_document_is_accepted(document: Document, client: FlaskClient) -> None:
    tried = 0
    for path, item in document["paths"].items():
        if "{" in path:  # about a resource that has to be there first
            continue
        for media_type, media in item.get("post", {}).get("requestBody", {}).get("content", {}).items():
            for example in media.get("examples", {}).values():
                tried += 1
                response = client.post(path, data=json.dumps(example["value"]), content_type=media_type)
                assert response.status_code in (200, 201), (path, response.text[:300])
    assert tried


def test_the_address_is_the_one_the_client_uses(client: FlaskClient) -> None:
    found = client.get("/openapi.json", base_url="http://localhost:8080").get_json()
    assert found["servers"] == [{"url": "http://localhost:8080"}]


@pytest.mark.slow
def test_requests_made_from_the_document_find_no_fault(live_server: LiveServer, tmp_path: Path) -> None:
    """Schemathesis, all checks: no 5xx, no undocumented status, type or header, nothing wrong accepted."""
    run = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG), "run"),
            *(f"{live_server.url}/openapi.json", "--checks", "all", "--continue-on-failure", "--no-color"),
            *("--include-path-regex", TRIED),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert run.returncode == 0, run.stdout[-6000:]
    assert int(re.findall(r"(\d+) generated", run.stdout)[0]) > 1000
    assert live_server.assess({"resourceType": "Observation"}).status_code == 422  # and it still answers


@pytest.mark.slow
def test_the_page_lists_the_operations_without_the_internet(live_server: LiveServer, tmp_path: Path) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("needs Chromium (Debian: chromium)", pytrace=False)
        pytest.skip("needs Chromium (Debian: chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        asked: list[str] = []
        trouble: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
        page.goto(f"{live_server.url}/docs")
        page.get_by_text("Operations", exact=True).first.click()
        page.get_by_text("Assess hip-region pain").first.wait_for(timeout=20_000)
        picture = Path(os.environ.get("HIPSPINE_SCREENSHOTS", tmp_path)) / "docs.png"
        page.screenshot(path=picture)
        page.goto(f"{live_server.url}/docs/")
        page.get_by_text("HipSpine").first.wait_for(timeout=20_000)
        browser.close()
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []
    assert trouble == []
