"""`python -m tests.support.documents` (`make docs`): every generated page and every figure in README, from the code as it is.

README keeps its wording: of each documented answer the same lines are taken from the real output again. What has no likeness
in the output any more is named, and the exit code is 1.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]  # as pytest does

from support.example_requests import example_table  # noqa: E402
from support.readme import README, examples, refreshed, run, with_section  # noqa: E402
from support.servers import LiveServer, announced_url, clean_environment  # noqa: E402

Resource = dict[str, Any]


def main() -> int:
    """0 when every page is up to date again."""
    from service.settings import limit_blas_threads, settings_table

    limit_blas_threads()
    from rich.console import Console
    from support import profile_examples, requirements
    from vignettes import write

    from service.cli.evaluate import evaluation, write_evaluation
    from service.evaluation.vignettes import report
    from service.model_card.card import load_card
    from service.model_card.page import card_summary

    profile_examples.main()
    server = start_server()
    try:
        outcomes = write.outcomes_in_process()
        write.PAGE.write_text(write.page(outcomes), encoding="utf-8")
        model_page = run("python -m service knowledge", server.url.removeprefix("http://"))
        (ROOT / "docs" / "model.md").write_text(model_page.removesuffix("\n"), encoding="utf-8")
        requirements.PAGE.write_text(
            requirements.with_tests(requirements.PAGE.read_text(encoding="utf-8")), encoding="utf-8"
        )
        text = README.read_text(encoding="utf-8")
        write_evaluation(evaluation(server.fhir, Console(stderr=True)), ROOT / "docs")
        text = with_section(text, "settings", settings_table())
        text = with_section(text, "model-card", card_summary(load_card()))
        text = with_section(text, "vignettes", report(outcomes))
        text = with_section(text, "examples", example_table(lambda name: posted(server, name)))
        text, faults = with_fresh_answers(text, server)
        README.write_text(text, encoding="utf-8")
    finally:
        server.stop()
    for fault in faults:
        print(fault, file=sys.stderr)  # noqa: T201
    return 1 if faults else 0


def with_fresh_answers(text: str, server: LiveServer) -> tuple[str, list[str]]:
    """The text with each documented answer as the commands give it now, and what could not be brought up to date."""
    faults = []
    documented = [example for example in examples(text) if example.answer is not None]
    outputs = [run(example.command, server.url.removeprefix("http://")) for example in documented]  # in order: one may store
    for example, output in reversed(list(zip(documented, outputs, strict=True))):
        assert example.answer is not None
        try:
            answer = refreshed(example.answer, output)
        except ValueError as error:
            faults.append(f"README.md, line {example.line}: {error}")
            continue
        text = text[: example.span[0]] + answer + text[example.span[1] :]
    return text, faults


def posted(server: LiveServer, name: str) -> Resource:
    """The answer to one of the requests in tests/data."""
    import requests

    answer = requests.post(
        f"{server.fhir}/$assess",
        data=(ROOT / "tests" / "data" / name).read_bytes(),
        headers={"Content-Type": "application/fhir+json"},
        timeout=30,
    )
    answer.raise_for_status()
    found: Resource = answer.json()
    return found


def start_server() -> LiveServer:
    """A server with the default settings on a free port."""
    log_file = Path(tempfile.mkdtemp()) / "stderr.log"
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve", "--port", "0"],
            cwd=ROOT,
            env=clean_environment(HIPSPINE_DATA_FOLDER=str(log_file.parent)),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    return LiveServer(process, announced_url(process, log_file), log_file)


if __name__ == "__main__":
    sys.exit(main())
