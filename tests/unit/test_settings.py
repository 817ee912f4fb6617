"""The settings: names, defaults, refusals."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from service.errors import InvalidInput
from service.settings import Settings, limit_blas_threads, read_settings, settings_rows, settings_table, unknown_variables


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, _, _ in settings_rows():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("HIPSPINE_HOST", raising=False)
    monkeypatch.delenv("HIPSPINE_PORT", raising=False)


def test_the_default_is_loopback_on_8000() -> None:
    settings = read_settings()
    assert (settings.host, settings.port, settings.loopback) == ("127.0.0.1", 8000, True)


def test_host_and_port_are_read_under_their_bare_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("PORT", "9001")
    settings = read_settings()
    assert (settings.host, settings.port, settings.loopback) == ("0.0.0.0", 9001, False)


def test_the_prefixed_name_wins_over_the_bare_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9001")
    monkeypatch.setenv("HIPSPINE_PORT", "9002")
    assert read_settings().port == 9002


def test_a_given_value_wins_over_the_environment_and_none_means_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9001")
    assert read_settings(port=5).port == 5
    assert read_settings(port=None).port == 9001


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPSPINE_THREADS", "")
    assert read_settings().threads == 4


def test_every_bad_setting_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "99999")
    monkeypatch.setenv("HIPSPINE_THREADS", "many")
    monkeypatch.setenv("HIPSPINE_PUBLIC_URL", "hip.example")
    with pytest.raises(InvalidInput) as caught:
        read_settings()
    assert {fault.where for fault in caught.value.faults} == {"PORT", "HIPSPINE_THREADS", "HIPSPINE_PUBLIC_URL"}


def test_addresses_lose_their_trailing_slash() -> None:
    assert read_settings(public_url="https://hip.example/r4/").public_url == "https://hip.example/r4"


@pytest.mark.parametrize(
    ("host", "loopback"), [("localhost", True), ("::1", True), ("127.0.0.9", True), ("::", False), ("hip.example", False)]
)
def test_loopback_is_told_from_addresses_others_can_reach(host: str, loopback: bool) -> None:
    assert read_settings(host=host).loopback is loopback


def test_every_setting_has_a_help_text() -> None:
    assert [variable for variable, _, meaning in settings_rows() if len(meaning) < 20] == []


def test_the_table_holds_every_setting() -> None:
    table = settings_table()
    assert all(f"`{variable}`" in table for variable, _, _ in settings_rows())
    assert len(table.splitlines()) == len(fields(Settings)) + 2


def test_numpy_gets_one_thread_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    limit_blas_threads()
    assert (os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"]) == ("1", "3")


@pytest.mark.parametrize("module", ["service.__main__", "service.server"])
def test_the_entry_points_do_not_load_numpy_before_they_have_limited_it(module: str) -> None:
    """NumPy reads the limit once, when it loads."""
    code = f"import sys, {module}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[2]).returncode == 0


def test_resources_are_kept_in_the_users_own_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert Settings().database == f"sqlite:///{tmp_path}/.local/share/hipspine/hipspine.db"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert Settings().database == f"sqlite:///{tmp_path}/xdg/hipspine/hipspine.db"
    assert Settings(data_folder="~/here").database == f"sqlite:///{tmp_path}/here/hipspine.db"


@pytest.mark.parametrize("url", ["none", "NONE", "None"])
def test_none_means_that_nothing_is_stored(url: str) -> None:
    assert Settings(database_url=url).database is None


def test_a_database_url_is_taken_as_it_is() -> None:
    url = "postgresql://u:p@h/d?sslmode=require"
    assert Settings(database_url=url, data_folder="/x").database == url


def test_the_command_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from service.cli.settings import command

    monkeypatch.setenv("HIPSPINE_DATABASE_URL", "postgresql://hipspine:topsecret@db.example/hipspine")
    shown = CliRunner().invoke(command).output
    assert "topsecret" not in shown and "postgresql://hipspine:***@db.example/hipspine" in shown


def test_a_sqlite_url_keeps_its_slashes() -> None:
    assert read_settings(database_url="sqlite:///").database_url == "sqlite:///"


def test_what_kubernetes_sets_for_a_service_of_our_name_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its service links: HIPSPINE_PORT holds an address, and the port is that of PORT."""
    monkeypatch.setenv("HIPSPINE_PORT", "tcp://10.96.0.5:80")
    monkeypatch.setenv("PORT", "8123")
    for name in ("HIPSPINE_SERVICE_HOST", "HIPSPINE_SERVICE_PORT_HTTP", "HIPSPINE_PORT_80_TCP_ADDR"):
        monkeypatch.setenv(name, "10.96.0.5")
    assert read_settings().port == 8123
    assert unknown_variables() == {}


def test_a_variable_that_is_no_setting_is_told_with_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPSPINE_ALLOWED_HOST", "hip.example")
    monkeypatch.setenv("HIPSPINE_BANANA", "1")
    assert unknown_variables() == {"HIPSPINE_ALLOWED_HOST": "HIPSPINE_ALLOWED_HOSTS", "HIPSPINE_BANANA": ""}
