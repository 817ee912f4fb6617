"""A server of ours in a process of its own, as tests start, ask and stop it."""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from service.settings import settings_rows

ROOT = Path(__file__).resolve().parents[2]
FHIR_JSON = "application/fhir+json"

Resource = dict[str, Any]


@dataclass
class LiveServer:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    log_file: Path

    @property
    def fhir(self) -> str:
        return f"{self.url}/fhir"

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").rsplit(":", 1)
        return host, int(port)

    def assess(self, resource: Resource, **more: Any) -> requests.Response:
        return requests.post(
            f"{self.fhir}/$assess", data=json.dumps(resource), headers={"Content-Type": FHIR_JSON}, timeout=30, **more
        )

    def resident_bytes(self) -> int:
        """The memory of the process that is in use now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and return the exit code; kills after 20 seconds, which fails the caller's comparison."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return self.process.returncode


def clean_environment(**given: str) -> dict[str, str]:
    """The environment without any setting of ours, plus those given; what is stored goes to a folder of its own."""
    ours = {variable for variable, _, _ in settings_rows()}
    kept = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith("HIPSPINE_")}
    if "HIPSPINE_DATA_FOLDER" not in given:
        folder = tempfile.mkdtemp(prefix="hipspine-test-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        given = {"HIPSPINE_DATA_FOLDER": folder, **given}
    return {**kept, "PYTHONPATH": str(ROOT), **given}


def announced_url(process: subprocess.Popen[str], log_file: Path) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        found = re.search(r"(http://[^ ]+)/fhir", line)
        if found:
            return found.group(1)
        if not line and process.poll() is not None:
            break
    process.kill()
    raise AssertionError(f"the server did not start: {log_file.read_text()[-2000:]}")
