"""A real server as outsiders meet it: one of our own in a process of its own, or one already running."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

from service.errors import Fault, MalformedInput

Resource = dict[str, Any]
FHIR_JSON = "application/fhir+json"
FORM = "hip-spine-intake"
TIMEOUT_SECONDS = 60
STARTING_LINES = 50


@contextmanager
def own_server() -> Iterator[str]:
    """The FHIR base of a server on a free port, which is stopped again at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield _announced(process)
    finally:
        process.terminate()
        process.wait(timeout=TIMEOUT_SECONDS)


def _announced(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for _ in range(STARTING_LINES):
        line = process.stdout.readline()
        found = re.search(r"(http://\S+?/fhir)", line)
        if found:
            return found[1]
        if not line:
            break
    raise MalformedInput(Fault("invalid", "The server to be evaluated did not start.", repair="Run: python -m service serve"))


def door(base: str) -> tuple[Resource, Callable[[Resource], Resource]]:
    """The form of the server at `base`, and a function that posts a submission to it and returns the answer."""

    def post(submission: Resource) -> Resource:
        answer = requests.post(
            f"{base}/$assess", data=json.dumps(submission), headers={"Content-Type": FHIR_JSON}, timeout=TIMEOUT_SECONDS
        )
        return _read(answer)

    return _read(requests.get(f"{base}/Questionnaire/{FORM}", timeout=TIMEOUT_SECONDS)), post


def _read(answer: requests.Response) -> Resource:
    if answer.status_code != 200:
        raise MalformedInput(
            Fault("invalid", f"The server answered {answer.status_code}.", where=answer.url, repair=answer.text[:300])
        )
    found: Resource = answer.json()
    return found
