"""Bringing the schema of a database up to date, step by step, with Alembic.

Alembic is loaded only if there is a step to take: finding out costs one query. Processes that start at the same time take turns,
and all but the first find nothing left to do.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from service.errors import Fault, InvalidInput
from service.storage.engine import WRITES

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x68697073  # any number, as long as all of our processes take the same one


def newest_revision() -> str:
    """The revision this version of the service needs: the highest number of a step."""
    return max(path.name.split("_", 1)[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def current_revision(connection: Connection) -> str:
    """The revision of the database; empty for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def upgrade(engine: Engine) -> bool:
    """Whether anything had to be done to bring the database to the newest revision.

    InvalidInput if the database is of a later version of the service than this one: going on could spoil it.
    """
    newest = newest_revision()
    with engine.connect() as connection:
        if current_revision(connection) == newest:
            return False
    # READ COMMITTED whatever the server's default: who waited for the lock must see what was done meanwhile.
    isolation = {"isolation_level": "READ COMMITTED"} if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**{WRITES: True}, **isolation) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        current = current_revision(connection)
        if current == newest:
            return False
        if current > newest:
            raise InvalidInput(
                Fault(
                    "not-supported",
                    f"The database has the schema {current}; this version of the service knows {newest} at most.",
                    where="HIPSPINE_DATABASE_URL",
                    repair="Run a version that is as new as the one that wrote the database.",
                )
            )
        _run(connection)
    return True


def _run(connection: Connection) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, scripts, fn=lambda revision, _: scripts._upgrade_revs("head", revision)) as environment:
        environment.configure(connection=connection, transactional_ddl=True)
        environment.run_migrations()
