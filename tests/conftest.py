"""What many tests share: the service built once, a client in process, and real servers in processes of their own."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from service.settings import limit_blas_threads

if TYPE_CHECKING:  # the unit tests of one layer need not load the others
    from flask import Flask
    from flask.testing import FlaskClient
    from support.servers import LiveServer

    from service.composition.parts import Service
    from service.settings import Settings

Resource = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]

pytest_plugins = ["support.databases", "support.order"]

limit_blas_threads()  # as the command line does, and before any test imports NumPy


def pytest_configure(config: pytest.Config) -> None:
    """Compile the service once. Hundreds of tests start it, and where Python is told not to write what it compiled
    (PYTHONDONTWRITEBYTECODE, common in containers) each of them would compile it anew, for longer than the rest of the start."""
    if not hasattr(config, "workerinput"):  # once for all workers
        compileall.compile_dir(ROOT / "service", quiet=1)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The defaults, whatever the environment of the test run holds, with a data folder of the test run's own."""
    from service.settings import Settings, settings_rows

    held = {variable: os.environ.pop(variable) for variable, _, _ in settings_rows() if variable in os.environ}
    try:
        return Settings(data_folder=str(tmp_path_factory.mktemp("data")))
    finally:
        os.environ.update(held)


@pytest.fixture(scope="session")
def service(settings: Settings) -> Service:
    """Every part, built as the server builds it."""
    from service.composition.parts import build_service, warm_up

    built = build_service(settings)
    warm_up(built)
    return built


@pytest.fixture(scope="session")
def app(settings: Settings, service: Service) -> Flask:
    from service.app import create_app

    return create_app(settings, service=service)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the whole application, in process."""
    return app.test_client()


@pytest.fixture(scope="session")
def questionnaire(service: Service) -> Resource:
    return dict(service.parts.questionnaire)


@pytest.fixture(scope="session")
def respond(questionnaire: Resource, settings: Settings) -> Callable[..., Resource]:
    """Maker of QuestionnaireResponses: `respond(pain_groin="present", hip_flexion_rom=95)` answers those items of the form."""
    system = f"{settings.base_url}/CodeSystem/answer"

    def value(given: object) -> Resource:
        return {"valueCoding": {"system": system, "code": given}} if isinstance(given, str) else {"valueDecimal": given}

    def filled(items: list[Resource], answers: dict[str, object]) -> list[Resource]:
        found: list[Resource] = []
        for item in items:
            inner = filled(item.get("item", []), answers)
            if item["linkId"] in answers:
                found.append({"linkId": item["linkId"], "answer": [value(answers.pop(item["linkId"]))]})
            elif inner:
                found.append({"linkId": item["linkId"], "item": inner})
        return found

    def made(*, status: str = "in-progress", **answers: object) -> Resource:
        left = dict(answers)
        items = filled(questionnaire["item"], left)
        assert not left, f"the form has no item {sorted(left)}"
        response = {
            "resourceType": "QuestionnaireResponse",
            "questionnaire": questionnaire["url"],
            "status": status,
            "subject": {"reference": "Patient/1"},
            "authored": "2026-01-15T10:00:00+01:00",
        }
        return {**response, "item": items} if items else response

    return made


@pytest.fixture(scope="session")
def hip_case(respond: Callable[..., Resource]) -> Resource:
    """A few answers that speak for the hip."""
    return respond(pain_groin="present", fadir="present", pain_below_knee="absent")


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., LiveServer]]:
    """Starter of servers with settings given as environment variables; what is left running is stopped at the end."""
    from support.servers import LiveServer, announced_url, clean_environment

    started: list[LiveServer] = []

    def start(*arguments: str, **environment: str) -> LiveServer:
        folder = tmp_path_factory.mktemp("server")
        log_file = folder / "stderr.log"
        environment.setdefault("HIPSPINE_DATA_FOLDER", str(folder / "data"))
        with log_file.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "service", "serve", "--port", "0", *arguments],
                cwd=folder,
                env=clean_environment(**environment),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        url = announced_url(process, log_file)
        server = LiveServer(process, url, log_file)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def live_server(start_server: Callable[..., LiveServer]) -> LiveServer:
    """One server with the default settings, shared by the tests that do not stop it."""
    return start_server()
