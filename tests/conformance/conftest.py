"""The harvest and what the validators say of it: made once, because asking three validators takes a minute."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conformance import definitions
from conformance.harvest import SOURCES, Harvest
from conformance.tools import Tools, needed_tools
from conformance.validators import Verdicts, judged
from flask import Flask
from support.other_hosts import answer, other_host
from support.servers import LiveServer


@pytest.fixture(scope="session")
def tools() -> Tools:
    return needed_tools()


@pytest.fixture(scope="session")
def harvest(start_server: Callable[..., LiveServer], app: Flask) -> Harvest:
    """Everything a running service emits; it may send notifications to somebody on this machine."""
    server = start_server(HIPSPINE_OUTBOUND_PRIVATE_HOSTS="127.0.0.1:*", HIPSPINE_OUTBOUND_SECONDS="5")
    with other_host(lambda handler, asked: answer(handler, 200)) as receiver:
        found = Harvest(server.url, app.url_map, receiver.url, lambda: [asked.body.decode() for asked in list(receiver.asked)])
        for source in SOURCES:
            source(found)
    server.stop()
    return found


@pytest.fixture(scope="session")
def verdicts(tools: Tools, harvest: Harvest, tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """What three validators say of the harvest: validator -> file -> remarks."""
    folder = tmp_path_factory.mktemp("harvest")
    known, resources, more = folder / "definitions", folder / "resources", folder / "more"
    harvest.write(resources, more)
    harvest.write_definitions(known)
    definitions.write_others(tools, known)
    return judged(tools, known, resources, more=more)
