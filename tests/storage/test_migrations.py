"""The schema: the steps lead to the tables of the code, on both databases, whoever comes first."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from support.servers import ROOT, clean_environment

from service.errors import InvalidInput
from service.storage.engine import database_url as checked_url
from service.storage.engine import open_engine
from service.storage.migrate import MIGRATIONS, current_revision, newest_revision, upgrade
from service.storage.partial_indexes import add_partial_indexes
from service.storage.tables import metadata

add_partial_indexes()  # as the steps make them


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url, connections=4)
    yield opened
    opened.dispose()


def test_the_steps_lead_to_the_tables_of_the_code(engine: Engine) -> None:
    assert upgrade(engine) is True
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert current_revision(connection) == newest_revision()
    assert upgrade(engine) is False


def test_the_steps_are_one_row_named_by_their_numbers() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [newest_revision()]
    for script in scripts.walk_revisions():
        assert Path(script.path).name.startswith(f"{script.revision}_")


def test_processes_that_start_together_take_turns(database_url: str) -> None:
    engines = [open_engine(database_url, connections=2) for _ in range(4)]
    if database_url.startswith("postgresql"):
        with engines[0].connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            name = connection.execute(text("SELECT current_database()")).scalar_one()
            connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'"))
        engines[0].dispose()
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(upgrade, engines)) == [False, False, False, True]
    for engine in engines:
        engine.dispose()


def test_a_database_of_a_later_version_is_refused(engine: Engine) -> None:
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InvalidInput) as refused:
        upgrade(engine)
    assert "9999" in refused.value.faults[0].message


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://u:secret@h/d", "sqlite://", "sqlite:///:memory:", "postgresql+asyncpg://u:secret@h/d"]
)
def test_a_url_of_another_kind_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_url(url)
    fault = refused.value.faults[0]
    assert fault.where == "HIPSPINE_DATABASE_URL" and "secret" not in f"{fault.message} {fault.rule} {fault.repair}"


def test_a_database_that_is_not_there_stops_the_start_in_plain_words(open_store: Callable[..., object]) -> None:
    with pytest.raises(InvalidInput) as refused:
        open_store("postgresql://u:secret@127.0.0.1:1/d")
    assert "secret" not in str(refused.value) and refused.value.faults[0].where == "HIPSPINE_DATABASE_URL"
    assert "d at 127.0.0.1:1 " in refused.value.faults[0].message


def test_a_url_of_another_kind_is_told_which_there_are() -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_url("mysql://u:secret@h/d")
    fault = refused.value.faults[0]
    assert fault.message == "Resources cannot be stored in mysql."
    assert all(scheme in fault.rule for scheme in ("sqlite:///", "postgresql://", "postgres://", "none"))


def test_the_file_and_folder_of_a_new_database_are_readable_by_their_owner_alone(
    tmp_path: Path, open_store: Callable[..., object]
) -> None:
    file = tmp_path / "new" / "hipspine.db"
    open_store(f"sqlite:///{file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    wal = file.with_name("hipspine.db-wal")
    assert not wal.exists() or stat.S_IMODE(wal.stat().st_mode) == 0o600


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", "db", *arguments],
        cwd=ROOT, env=clean_environment(**environment), capture_output=True, text=True,
    )


def test_the_commands_show_upgrade_and_copy(tmp_path: Path) -> None:
    where = {"HIPSPINE_DATABASE_URL": f"sqlite:///{tmp_path / 'a.db'}"}
    newest = newest_revision()
    before = run("current", **where)
    assert (before.returncode, before.stdout) == (1, f"database none, this version {newest}\n")
    assert run("upgrade", **where).stdout == f"brought up to revision {newest}\n"
    assert run("upgrade", **where).stdout == f"is at revision {newest}\n"
    after = run("current", **where)
    assert (after.returncode, after.stdout) == (0, f"database {newest}, this version {newest}\n")
    copied = run("backup", str(tmp_path / "b.db"), **where)
    assert copied.returncode == 0, copied.stderr
    assert run("current", HIPSPINE_DATABASE_URL=f"sqlite:///{tmp_path / 'b.db'}").returncode == 0
    assert run("backup", str(tmp_path / "b.db"), **where).returncode == 1, "an existing file is not overwritten"


def test_the_help_of_the_commands_teaches() -> None:
    shown = run("--help").stdout
    assert "current" in shown and "upgrade" in shown and "backup" in shown and "HIPSPINE_DATABASE_URL" in shown
