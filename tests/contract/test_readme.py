"""README is run: every command it shows, against a real server, and its answer compared; every file it names exists."""

from __future__ import annotations

import json
import shutil

import pytest
from support import readme
from support.example_requests import STORIES, example_table
from support.servers import ROOT, LiveServer

TEXT = readme.README.read_text(encoding="utf-8")
EXAMPLES = list(readme.examples(TEXT))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"line {example.line}")
def test_a_command_of_readme_answers_as_documented(example: readme.Example, live_server: LiveServer) -> None:
    """Mend it with: make docs. It takes the same lines from the real output again."""
    assert shutil.which("curl"), "this test runs the commands of README, which need curl"
    output = readme.run(example.command, live_server.url.removeprefix("http://"))
    assert output.strip(), "the command printed nothing"
    if example.answer is not None:
        found = readme.differences(example.answer, output)
        assert not found, "\n".join(found)


def test_every_curl_and_every_assessment_of_readme_is_among_those_commands() -> None:
    assert sum("curl" in example.command for example in EXAMPLES) >= 6
    assert sum("service assess" in example.command for example in EXAMPLES) >= 1
    assert all(example.answer is not None for example in EXAMPLES)
    for command in readme.commands_not_run(TEXT):
        assert "curl" not in command and "service assess" not in command, f"shown in README and not run:\n{command}"


def test_the_table_of_examples_is_what_the_server_says(live_server: LiveServer) -> None:
    """Mend it with: make docs"""

    def answer_to(name: str) -> dict[str, object]:
        answer = live_server.assess(json.loads((ROOT / "tests" / "data" / name).read_text(encoding="utf-8")))
        assert answer.status_code == 200
        return answer.json()

    assert readme.section(TEXT, "examples") == example_table(answer_to)


def test_the_table_of_examples_has_every_request() -> None:
    assert set(STORIES) == {path.name for path in (ROOT / "tests" / "data").glob("*.json")}


@pytest.mark.parametrize("page", ["README.md", *(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))])
def test_every_file_a_page_links_to_exists(page: str) -> None:
    path = ROOT / page
    missing = [link for link in readme.local_links(path.read_text(encoding="utf-8")) if not (path.parent / link).exists()]
    assert not missing


def test_every_section_link_of_readme_leads_to_a_heading() -> None:
    import re

    headings = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= headings


def test_the_address_and_names_of_the_project_are_told_first() -> None:
    """The order of README: purpose, limits, how to run it, one request; only then the rest."""
    places = [
        TEXT.index(heading)
        for heading in (
            "# HipSpine",
            "## Intended use and limits",
            "## Run it",
            "## One request and its answer",
            "## How it works",
            "## Folders",
            "## Settings",
            "## Endpoints and operations",
            "## How the probabilities are made",
            "## How good it is",
            "## Tests",
            "## Glossary",
            "## Decisions",
        )
    ]
    assert places == sorted(places)


def test_a_changed_answer_is_noticed_and_brought_up_to_date() -> None:
    """The comparison itself: it finds a changed figure, a lost line and an unannounced rest."""
    output = '{\n  "id": "0c3a1f52-6d1e-4d61-9a51-000000000001",\n  "a": 1.5,\n  "b": 2\n}\n'
    documented = '{\n...\n  "a": 1.4,\n...\n'
    assert readme.differences('{\n  "id": "ffffffff-6d1e-4d61-9a51-000000000009",\n  "a": 1.5,\n...\n', output) == []
    assert readme.differences(documented, output)
    assert readme.differences('{\n...\n  "a": 1.5,\n', output), "the rest is not announced by a line of dots"
    assert readme.differences('...\n  "b": 2\n...\n  "a": 1.5,\n...\n', output), "the order counts"
    assert readme.refreshed(documented, output) == '{\n...\n  "a": 1.5,\n...\n'
    with pytest.raises(ValueError, match="nothing in the output"):
        readme.refreshed('...\n  "gone": true\n...\n', output)
