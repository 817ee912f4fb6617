"""The package as a stranger gets it: built, installed with the hashed lock into a new environment, run from an empty folder.

These are the steps of the Dockerfile without the container.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.servers import FHIR_JSON, ROOT, LiveServer, announced_url, clean_environment

pytestmark = pytest.mark.slow

# What the wheel is built from; the same list as in .dockerignore.
SOURCES = ("LICENSE", "NOTICE", "README.md", "profiles", "pyproject.toml", "service", "terminology")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules", ".cache"))
        else:
            shutil.copy(path, source / name)
    out = tmp_path_factory.mktemp("wheel")
    done = subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", out, source], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment that holds the locked libraries and the wheel, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    interpreter = folder / "bin" / "python"
    # Compiling thousands of modules, of which the service imports a few hundred, would take longer than the rest.
    pip = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, "--require-hashes", "-r", ROOT / "requirements.lock"], check=True)
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True)
    return interpreter


def test_the_wheel_holds_all_code_and_data_of_the_checkout(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "service").rglob("*")
        if path.suffix in (".py", ".csv", ".json", ".html", ".js", ".css")
    }
    wanted |= {
        f"service/bundled/terminology/{path.relative_to(ROOT / 'terminology')}" for path in (ROOT / "terminology").rglob("*.json")
    }
    wanted |= {
        f"service/bundled/terminology/{path.relative_to(ROOT / 'terminology')}" for path in (ROOT / "terminology").rglob("*.csv")
    }
    compiled = ROOT / "profiles" / "fsh-generated"
    wanted |= {f"service/bundled/profiles/{path.relative_to(compiled)}" for path in compiled.rglob("*.json")}
    assert len(wanted) > 100
    assert wanted - held == set()


def test_the_wheel_holds_nothing_but_the_service(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"service"}


def test_the_installed_service_starts_in_an_empty_folder_answers_and_stops(python: Path, tmp_path: Path) -> None:
    environment = clean_environment()
    del environment["PYTHONPATH"]
    log_file = tmp_path.parent / f"{tmp_path.name}.log"
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [python, "-m", "service", "serve", "--port", "0"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    server = LiveServer(process, announced_url(process, log_file), log_file)
    try:
        observation = observed(server)
        response = server.assess(observation)
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"].startswith(FHIR_JSON)
        assert response.json()["resourceType"] == "RiskAssessment"
    finally:
        code = server.stop(signal.SIGTERM)
    assert code == 0, server.log()
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_has_the_name_of_the_package(python: Path) -> None:
    done = subprocess.run([python.parent / "hipspine", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[0]) == (0, "hipspine,")


def observed(server: LiveServer) -> dict[str, Any]:
    """An Observation that says yes to one finding, in the codes the server publishes."""
    import requests

    finding, answer = (requests.get(f"{server.fhir}/CodeSystem/{name}", timeout=10).json() for name in ("finding", "answer"))
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": finding["url"], "code": "pain_groin"}]},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2026-01-15T10:00:00+01:00",
        "valueCodeableConcept": {"coding": [{"system": answer["url"], "code": "present"}]},
    }
