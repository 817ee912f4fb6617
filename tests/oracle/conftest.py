"""The two implementations, each built once from the shipped tables."""

from __future__ import annotations

import pytest
from plain_engine import TABLES, PlainEngine

from service.engine.network import Network, compile_network
from service.knowledge.load import load_knowledge_base


@pytest.fixture(scope="session")
def plain() -> PlainEngine:
    return PlainEngine()


@pytest.fixture(scope="session")
def network() -> Network:
    return compile_network(load_knowledge_base(TABLES))
