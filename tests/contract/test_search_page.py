"""docs/search.md is run: its commands against a real server, its table against the registry."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import readme
from support.search_page import PAGE, parameter_table
from support.servers import LiveServer

TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = list(readme.examples(TEXT))


@pytest.fixture(scope="module")
def server(start_server: Callable[..., LiveServer]) -> LiveServer:
    """One server for all commands of the page: the first of them stores what the others find."""
    return start_server()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"line {example.line}")
def test_a_command_of_the_page_answers_as_documented(example: readme.Example, server: LiveServer) -> None:
    output = readme.run(example.command, server.url.removeprefix("http://"))
    assert example.answer is not None
    found = readme.differences(example.answer, output)
    assert not found, "\n".join([*found, output[:3000]])


def test_the_table_of_parameters_is_the_registry() -> None:
    """Mend it with: python -m tests.support.search_page"""
    assert readme.section(TEXT, "parameters") == parameter_table()
    assert len(EXAMPLES) >= 7
