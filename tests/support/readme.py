"""README's commands and the answers printed below them: found, run for real, compared, and brought up to date.

A ```console block holds commands that are run. The next block, if it is ```json or ```text, is what they print; a line
`...` in it stands for any number of lines left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.servers import ROOT, clean_environment

README = ROOT / "README.md"
DOCUMENTED_ADDRESS = "127.0.0.1:8000"
COLUMNS = 100  # tables of the command line are as wide as the terminal; README shows them at this width
LEFT_OUT = "..."

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_VOLATILE = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"), "<time>"),
)
_FIGURES = re.compile(r"[\s\d.,%+–█▉▊▋▌▍▎▏-]+")


@dataclass(frozen=True, slots=True)
class Example:
    """One command block, the answer shown for it (None if none is) and the place of that answer in the text."""

    command: str
    answer: str | None
    span: tuple[int, int]
    line: int


def examples(text: str) -> Iterator[Example]:
    """Every command block of the text that is run, in order."""
    blocks = list(_FENCE.finditer(text))
    for position, block in enumerate(blocks):
        if block[1] != "console":
            continue
        following = blocks[position + 1] if position + 1 < len(blocks) else None
        shown = following is not None and following[1] in ("json", "text")
        yield Example(
            command=block[2],
            answer=following[2] if shown and following else None,
            span=following.span(2) if shown and following else (0, 0),
            line=text.count("\n", 0, block.start()) + 1,
        )


def commands_not_run(text: str) -> list[str]:
    """Command blocks that the tests leave alone, because they install, serve or measure."""
    return [block[2] for block in _FENCE.finditer(text) if block[1] in ("sh", "bash", "shell")]


def run(command: str, address: str) -> str:
    """What a command block prints, with `address` (host:port) in the place of the documented one and back again."""
    environment = clean_environment(COLUMNS=str(COLUMNS))
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.replace(DOCUMENTED_ADDRESS, address)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"exit code {done.returncode} of:\n{command}\n{done.stderr}"
    return done.stdout.replace(address, DOCUMENTED_ADDRESS)


def differences(answer: str, output: str) -> list[str]:
    """What the documented answer says that the output does not: each unbroken run of lines is looked for after the one before."""
    actual = _settled(output)
    found = []
    position = 0
    for number, (run_lines, anchored) in enumerate(_runs(answer)):
        wanted = _settled("\n".join(run_lines))
        starts = [0] if anchored else range(position, len(actual) - len(wanted) + 1)
        start = next((start for start in starts if actual[start : start + len(wanted)] == wanted), None)
        if start is None:
            found.append(f"part {number + 1} is not in the output as shown:\n" + "\n".join(run_lines))
        else:
            position = start + len(wanted)
    if not found and not answer.rstrip().endswith(LEFT_OUT) and position != len(actual):
        found.append(f"the output goes on after the part shown: {actual[position : position + 3]}")
    return found


def refreshed(answer: str, output: str) -> str:
    """The documented answer with the same lines as the output has them now: same words, other figures.

    ValueError if a run of lines has no likeness in the output; then the excerpt has to be chosen anew by hand.
    """
    actual = [line.rstrip() for line in output.rstrip("\n").split("\n")]
    masked = [_FIGURES.sub("#", line) for line in actual]
    position = 0
    replaced = []
    for run_lines, anchored in _runs(answer):
        wanted = [_FIGURES.sub("#", line) for line in run_lines]
        starts = range(1) if anchored else range(position, len(actual) - len(wanted) + 1)
        scores = {
            start: sum(a == b for a, b in zip(masked[start : start + len(wanted)], wanted, strict=False)) for start in starts
        }
        best = max(scores, key=lambda start: (scores[start], -start), default=None)
        if best is None or scores[best] * 2 < len(wanted):
            raise ValueError("nothing in the output is like:\n" + "\n".join(run_lines))
        replaced.append("\n".join(actual[best : best + len(wanted)]))
        position = best + len(wanted)
    lines = iter(replaced)
    parts, inside = [], False
    for line in answer.rstrip("\n").split("\n"):
        if line.strip() == LEFT_OUT:
            parts.append(line)
            inside = False
        elif not inside:
            parts.append(next(lines))
            inside = True
    return "\n".join(parts) + "\n"


def section(text: str, name: str) -> str:
    """What stands between the marks `<!-- name -->` and `<!-- /name -->`."""
    held = _section(name).search(text)
    assert held is not None, f"README lacks the marks <!-- {name} --> and <!-- /{name} -->"
    return held[1].strip("\n")


def with_section(text: str, name: str, body: str) -> str:
    """The text with another body between the marks of that name."""
    section(text, name)
    return _section(name).sub(lambda _: f"<!-- {name} -->\n{body.strip()}\n<!-- /{name} -->", text)


def local_links(text: str) -> Iterator[str]:
    """Every file or folder of the repository that a link of the text points to."""
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            yield target


def _section(name: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", re.DOTALL)


def _runs(answer: str) -> Iterator[tuple[list[str], bool]]:
    """Unbroken runs of lines; True with the first one if nothing is left out before it."""
    run_lines: list[str] = []
    anchored = True
    for line in [*answer.rstrip("\n").split("\n"), LEFT_OUT]:
        if line.strip() == LEFT_OUT:
            if run_lines:
                yield run_lines, anchored
            run_lines, anchored = [], False
        else:
            run_lines.append(line.rstrip())


def _settled(text: str) -> list[str]:
    for pattern, stand_in in _VOLATILE:
        text = pattern.sub(stand_in, text)
    return [line.rstrip() for line in text.rstrip("\n").split("\n")]
