"""The Node client at its pinned version, fetched once into the cache of the user.

    python -m tests.clients.kit

fetches it beforehand.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PINS = ("package.json", "package-lock.json")


def prepared() -> Path:
    """The folder of the script beside its node_modules. The test is skipped where it cannot be had, and fails where CI is set."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        _refuse("needs Node.js with npm (Debian: nodejs npm)")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in PINS)).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hipspine" / "clients"
    folder = home / digest
    if not folder.exists():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, ignore_cleanup_errors=True) as made:
            for name in PINS:
                shutil.copy(HERE / name, made)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
            done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=120, check=False)
            if done.returncode:
                _refuse(f"npm could not fetch the client: {done.stderr.strip()[:300]}")
            if not folder.exists():
                Path(made).rename(folder)
    shutil.copy(HERE / "fhir_kit.mjs", folder)
    return folder


def _refuse(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


if __name__ == "__main__":
    prepared()
