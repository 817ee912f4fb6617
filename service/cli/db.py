"""`db`: the database behind the service, its schema and its copy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.settings import read_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

EPILOG = """\b
Examples:
  python -m service db current
  HIPSPINE_DATABASE_URL=postgresql://hipspine@db.example/hipspine python -m service db upgrade
  python -m service db backup hipspine-monday.db

Which database is meant is said by HIPSPINE_DATABASE_URL, or HIPSPINE_DATA_FOLDER: python -m service settings
"""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """The database: which schema it has, bringing it up to date, copying it.

    The service brings its schema up to date by itself whenever it starts; these commands are for those who want to see it, or do
    it before the new version starts.
    """


@command.command()
def current() -> None:
    """Show the revision of the schema and the one this version needs. Exit code 1 if they differ."""
    from service.storage.migrate import current_revision, newest_revision

    with _engine() as engine, engine.connect() as connection:
        found, needed = current_revision(connection), newest_revision()
    click.echo(f"database {found or 'none'}, this version {needed}")
    if found != needed:
        raise SystemExit(1)


@command.command()
def upgrade() -> None:
    """Bring the schema up to date. Does nothing if it is; several at once take turns."""
    from service.storage.migrate import newest_revision
    from service.storage.migrate import upgrade as bring_up_to_date

    with _engine() as engine:
        done = bring_up_to_date(engine)
    click.echo(f"{'brought up to' if done else 'is at'} revision {newest_revision()}")


@command.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Copy a SQLite database to FILE while the service goes on. For PostgreSQL use pg_dump."""
    from service.storage.engine import database_url

    url = database_url(_url())
    if url.get_backend_name() != "sqlite":
        raise click.ClickException("This copies SQLite files only. For PostgreSQL: pg_dump --format=custom.")
    if file.exists():
        raise click.ClickException(f"{file} exists already.")
    if not Path(str(url.database)).is_file():
        raise click.ClickException(f"There is no database at {url.database}.")
    file.touch(mode=0o600)
    with closing(sqlite3.connect(str(url.database))) as source, closing(sqlite3.connect(file)) as copy:
        source.backup(copy)
    click.echo(f"copied to {file}")


@contextmanager
def _engine() -> Iterator[Engine]:
    from sqlalchemy.exc import DBAPIError

    from service.storage.engine import database_url, open_engine
    from service.storage.opening import prepare_folder

    url = _url()
    prepare_folder(database_url(url))
    engine = open_engine(url, connections=1)
    try:
        yield engine
    except DBAPIError as error:
        raise click.ClickException(f"The database cannot be used ({type(error.orig).__name__}).") from error
    finally:
        engine.dispose()


def _url() -> str:
    url = read_settings().database
    if url is None:
        raise click.ClickException("HIPSPINE_DATABASE_URL is none: there is no database.")
    return url
