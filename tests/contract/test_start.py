"""What is made before the service listens, and what only once somebody asks."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from service.app import create_app, start_background
from service.composition.parts import build_service

if TYPE_CHECKING:
    from service.settings import Settings


def test_what_makes_the_next_requests_faster_begins_with_the_first_answer(settings: Settings) -> None:
    """A process that nobody asks anything does nothing, and nobody who waits for the start waits for this too."""
    stateless = replace(settings, database_url="none")
    service = build_service(stateless)
    app = create_app(stateless, service=service)
    uncertainty, observables = service.parts.engine.uncertainty, service.parts.engine.network.observables
    with start_background(app, "http://localhost/fhir"):
        time.sleep(0.1)
        assert not uncertainty._found
        assert app.test_client().get("/readyz").status_code == 200
        assert app.test_client().get("/readyz").status_code == 200
        deadline = time.monotonic() + 60
        while len(uncertainty._found) < len(observables) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert len(uncertainty._found) == len(observables)
