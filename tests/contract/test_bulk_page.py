"""docs/bulk.md and docs/subscriptions.md: their commands are run against a started service and answer as shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import readme
from support.servers import ROOT, LiveServer

PAGES = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("bulk.md", "subscriptions.md")}
EXAMPLES = [(name, example) for name, text in PAGES.items() for example in readme.examples(text)]


@pytest.fixture(scope="module")
def server(start_server: Callable[..., LiveServer], tmp_path_factory: pytest.TempPathFactory) -> LiveServer:
    folder: Path = tmp_path_factory.mktemp("data")
    return start_server(HIPSPINE_DATA_FOLDER=str(folder))


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{name} line {one.line}" for name, one in EXAMPLES])
def test_a_command_of_the_page_answers_as_shown(name: str, example: readme.Example, server: LiveServer) -> None:
    output = readme.run(example.command, server.url.removeprefix("http://"))
    assert example.answer is not None
    found = readme.differences(example.answer, output)
    assert not found, "\n".join(found)


def test_every_curl_of_the_pages_is_among_them() -> None:
    assert len(EXAMPLES) >= 4
    for text in PAGES.values():
        assert not [command for command in readme.commands_not_run(text) if "curl" in command]
