"""`python -m tests.conformance.tools`: fetch what the conformance tests ask, validators and a form renderer, at pinned versions.

They need Java, Maven, Node and npm, which neither the service nor its other tests do. What is fetched lies in
`$XDG_CACHE_HOME/hipspine/conformance` (by default below `~/.cache`), in a folder named after the pins, and is fetched once.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PINS = (HERE / "java" / "pom.xml", HERE / "node" / "package.json", HERE / "node" / "package-lock.json", HERE / "packages.json")
COMMANDS = {
    "javac": "a JDK (Debian: default-jdk-headless)",
    "mvn": "Maven (Debian: maven)",
    "node": "Node.js (Debian: nodejs)",
    "npm": "npm (Debian: npm)",
}
BROWSERS = ("chromium", "chromium-browser")


@dataclass(frozen=True, slots=True)
class Tools:
    """Where everything fetched lies."""

    folder: Path

    @property
    def jars(self) -> Path:
        """HL7's validator and what it needs."""
        return self.folder / "jars"

    @property
    def node(self) -> Path:
        """The two Node runners beside their node_modules."""
        return self.folder / "node"

    def package(self, name: str) -> Path:
        """The content of a package of packages.json."""
        return self.folder / "packages" / name / "package"


class CannotPrepare(Exception):
    """A tool is missing, or could not be fetched; the message says which and what to do."""


def needed_tools() -> Tools:
    """The tools, fetched if need be. Without them the test is skipped with the reason; in continuous integration it fails."""
    try:
        return prepared()
    except CannotPrepare as reason:
        refuse(str(reason))
        raise


def needed_browser() -> str:
    """The path of Chromium; without it as above."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        refuse("needs Chromium (Debian: chromium)")
    return str(found)


def refuse(reason: str) -> None:
    """Skip with the reason; where CI is set, fail: there nothing may go unchecked."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@functools.cache
def prepared() -> Tools:
    """The tools at the pinned versions. CannotPrepare if something is missing or cannot be fetched."""
    missing = [what for command, what in COMMANDS.items() if shutil.which(command) is None]
    if missing:
        raise CannotPrepare(f"needs {', '.join(missing)}")
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in PINS)).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hipspine" / "conformance"
    folder = home / digest
    if not folder.exists():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, ignore_cleanup_errors=True) as made:
            _fetch(Path(made))
            # Last and in one step, so that what is there is complete, and two at once do no harm.
            if not folder.exists():
                Path(made).rename(folder)
    runners = Tools(folder).node
    for runner in (HERE / "node").glob("*.mjs"):  # beside node_modules, where imports are looked for
        beside = runners / runner.name
        # Not written again while another worker may be reading it.
        if not beside.exists() or beside.read_bytes() != runner.read_bytes():
            shutil.copy(runner, beside)
    return Tools(folder)


def _fetch(folder: Path) -> None:
    """Everything into an empty folder."""
    copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    jars = [f"-DoutputDirectory={folder / 'jars'}", "-DincludeScope=runtime"]
    _run(["mvn", "-q", "-B", "-f", str(HERE / "java" / "pom.xml"), copy, *jars], HERE)
    node = folder / "node"
    node.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "node" / name, node / name)
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], node)
    for package in json.loads((HERE / "packages.json").read_text(encoding="utf-8"))["packages"]:
        _unpack(package["name"], package["version"], package["integrity"], folder / "packages")


def _unpack(name: str, version: str, integrity: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    _run(["npm", "pack", f"{name}@{version}", "--silent", "--ignore-scripts", "--pack-destination", str(folder)], folder)
    archive = folder / f"{name}-{version}.tgz"
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != integrity:
        raise CannotPrepare(f"{name} {version} is not what packages.json names: {found}")
    with tarfile.open(archive) as opened:
        opened.extractall(folder / name, filter="data")
    archive.unlink()


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip()[-600:]
        raise CannotPrepare(f"could not fetch with {command[0]} (is the network there?): {last}")


if __name__ == "__main__":
    try:
        print(f"Conformance tools are in {prepared().folder}")  # noqa: T201
    except CannotPrepare as reason:
        sys.exit(f"The conformance tools cannot be prepared: {reason}")
