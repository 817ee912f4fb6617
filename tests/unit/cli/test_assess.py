"""`assess`: what it prints for people and for machines, and its exit codes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from service.assessment.run import assess_subject
from service.cli.assess import command
from service.cli.rendering import render
from service.composition.parts import Service
from service.mapping.writers.texts import load_texts

DATA = Path(__file__).resolve().parents[2] / "data"
HIP, SPINE, EMERGENCY, SPARSE = (str(DATA / f"{name}.json") for name in ("hip", "spine", "emergency", "sparse"))


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(command, list(arguments), input=stdin)


def words(text: str) -> str:
    """The text without the line breaks and frames of the layout."""
    return " ".join(text.replace("│", " ").split())


def test_a_file_is_told_to_people_with_answer_reasons_next_step_and_intended_use() -> None:
    result = run(HIP)
    assert result.exit_code == 0
    told = words(result.stdout)
    texts = load_texts("en")
    for expected in ("Most likely source: Hip only", "Why: Hip only", "Groin pain (present)", "Next step", texts("intended-use")):
        assert expected in told
    assert "█" in told
    assert result.stderr == ""


def test_red_flags_stand_above_the_answer() -> None:
    told = words(run(EMERGENCY).stdout)
    answer = told.index("An emergency has to be excluded first")
    assert told.index("RED FLAGS") < told.index("Possible cauda equina syndrome") < answer
    assert "Leading so far" not in told and "What speaks against it" not in told
    assert "Send to an emergency department now" in told
    assert "Ask or examine" not in told, "no test may delay the emergency department"


def test_what_is_missing_is_told_where_little_is_known() -> None:
    told = words(run(SPARSE).stdout)
    assert "Ask or examine: " in told
    assert "Answers used: 1." in told
    assert "Not screened: " in told


def test_json_holds_a_care_plan_when_asked_for() -> None:
    def contained(*arguments: str) -> set[str]:
        return {one["resourceType"] for one in json.loads(run("--json", *arguments, HIP).stdout).get("contained", ())}

    assert "CarePlan" in contained("--care-plan")
    assert "CarePlan" not in contained()


def test_json_of_one_file_is_one_risk_assessment() -> None:
    result = run("--json", HIP)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["resourceType"] == "RiskAssessment"


def test_json_of_several_files_is_one_line_each_in_their_order() -> None:
    lines = run("--json", HIP, SPINE).stdout.splitlines()
    assert [json.loads(line)["subject"]["reference"] for line in lines] == ["Patient/example-hip", "Patient/example-spine"]


def test_a_dash_reads_standard_input() -> None:
    result = run("-", stdin=Path(HIP).read_bytes())
    assert result.exit_code == 0
    assert "standard input: Patient/example-hip" in result.stdout


def test_each_fault_is_told_with_place_rule_and_repair(tmp_path: Path) -> None:
    form = json.loads(Path(HIP).read_text(encoding="utf-8"))
    del form["subject"]
    form["status"] = "complete"
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(form), encoding="utf-8")
    result = run(str(bad))
    assert result.exit_code == 1
    assert result.stdout == ""
    for expected in ("bad.json: not assessed", "QuestionnaireResponse.status", "Rule: ", "Repair: "):
        # Without any white space: a long name of the folder breaks in the middle of a word.
        assert "".join(expected.split()) in "".join(result.stderr.split())


def test_a_bad_file_does_not_stop_the_others_and_keeps_its_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{bad", encoding="utf-8")
    result = run("--json", str(bad), HIP)
    assert result.exit_code == 1
    assert [json.loads(line)["resourceType"] for line in result.stdout.splitlines()] == ["OperationOutcome", "RiskAssessment"]


@pytest.mark.parametrize("arguments", [(), ("no-such-file.json",), ("--no-such-option", HIP)])
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_help_has_examples_and_exit_codes() -> None:
    told = words(run("--help").stdout)
    for expected in ("Examples:", "--json", "Exit codes: 0", "not a diagnosis"):
        assert expected.lower() in told.lower()


def rendered(service: Service, resource: dict[str, Any], width: int, *, name: str = "x") -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(render(assess_subject(resource, parts=service.parts), name=name, vocabulary=service.parts.vocabulary))
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [60, 100, 160])
def test_no_line_is_wider_than_the_terminal(service: Service, width: int) -> None:
    for name in (EMERGENCY, SPINE):
        told = rendered(service, json.loads(Path(name).read_text(encoding="utf-8")), width)
        assert max(map(len, told.splitlines())) <= width


def test_text_of_the_input_cannot_act_as_markup_or_terminal_control(service: Service) -> None:
    form = json.loads(Path(HIP).read_text(encoding="utf-8"))
    form["subject"]["display"] = "[bold red]Ann[/] \x1b[2J\u202eevil"
    told = rendered(service, form, 100, name="[link=file:///]x")
    assert "[bold red]Ann[/]" in told
    assert "[link=file:///]x" in told
    assert "\x1b" not in told
    assert "\u202e" not in told


def test_shown_percentages_are_those_of_the_resource(service: Service) -> None:
    form = json.loads(Path(HIP).read_text(encoding="utf-8"))
    written = assess_subject(form, parts=service.parts).risk_assessment
    told = rendered(service, form, 100)
    for prediction in written["prediction"][:9]:
        assert f"{prediction['probabilityDecimal']}%" in told
