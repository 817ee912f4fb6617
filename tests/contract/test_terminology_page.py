"""docs/terminology.md: its commands are run against a started service and answer as shown."""

from __future__ import annotations

import pytest
from support import readme
from support.servers import ROOT, LiveServer

from service.fhir.codes import code_system, concept_map, value_set

PAGE = (ROOT / "docs" / "terminology.md").read_text(encoding="utf-8")
EXAMPLES = list(readme.examples(PAGE))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"line-{example.line}")
def test_a_command_of_the_page_answers_as_shown(example: readme.Example, live_server: LiveServer) -> None:
    output = readme.run(example.command, live_server.url.removeprefix("http://"))
    assert example.answer is not None
    assert readme.differences(example.answer, output) == []


def test_every_curl_of_the_page_is_run() -> None:
    assert PAGE.count("curl -s") == len(EXAMPLES) >= 7


def test_the_page_names_every_parameter_and_those_that_are_not_taken() -> None:
    table = PAGE[PAGE.index("| operation |") : PAGE.index("A parameter that is misspelt")]
    rows = {line.split("|")[1].strip(" `"): line for line in table.splitlines() if "$" in line}
    for name, inputs in {
        "CodeSystem/$lookup": code_system.LOOKUP,
        "CodeSystem/$validate-code": code_system.VALIDATE_CODE,
        "CodeSystem/$subsumes": code_system.SUBSUMES,
        "ValueSet/$expand": value_set.EXPAND,
        "ValueSet/$validate-code": value_set.VALIDATE_CODE,
        "ConceptMap/$translate": concept_map.TRANSLATE,
    }.items():
        _, _, taken, refused, _ = rows[name].split("|")
        for one in inputs:
            relative = one.name in ("check-system-version", "force-system-version", "contextDirection")
            assert f"`{one.name}`" in (refused if one.refused else taken) or relative, (name, one.name)
