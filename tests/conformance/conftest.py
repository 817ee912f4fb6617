"""The harvest and what the validators say of it: made once, because asking three validators takes a minute."""

from __future__ import annotations

import pytest
from conformance import definitions
from conformance.harvest import SOURCES, Harvest
from conformance.tools import Tools, needed_tools
from conformance.validators import Verdicts, judged
from flask import Flask
from support.servers import LiveServer


@pytest.fixture(scope="session")
def tools() -> Tools:
    return needed_tools()


@pytest.fixture(scope="session")
def harvest(live_server: LiveServer, app: Flask) -> Harvest:
    """Everything the running service emits."""
    found = Harvest(live_server.url, app.url_map)
    for source in SOURCES:
        source(found)
    return found


@pytest.fixture(scope="session")
def verdicts(tools: Tools, harvest: Harvest, tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """What three validators say of the harvest: validator -> file -> remarks."""
    folder = tmp_path_factory.mktemp("harvest")
    known, resources = folder / "definitions", folder / "resources"
    harvest.write(resources)
    harvest.write_definitions(known)
    definitions.write_others(tools, known)
    return judged(tools, known, resources)
