"""`outbox`: what is to be sent to other hosts, for operators."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import get_args

import click
from rich.console import Console
from rich.table import Table

from service.settings import read_settings
from service.storage.outbox import Outbox, State


@click.group()
def command() -> None:
    """What is to be sent to other hosts: notifications of Subscriptions, results for record systems.

    Deliveries are tried again by themselves, later and later (HIPSPINE_DELIVERY_RETRY_SECONDS, HIPSPINE_DELIVERY_ATTEMPTS). What
    failed too often is dead: it stays until somebody has it tried again.
    """


@command.command("list", epilog="\b\nExamples:\n  python -m service outbox list\n  python -m service outbox list --state dead")
@click.option("--state", "states", multiple=True, type=click.Choice(get_args(State)), help="Default: waiting and dead.")
@click.option("--limit", default=50, show_default=True, help="At most so many, the oldest first.")
def list_(states: tuple[State, ...], limit: int) -> None:
    """Show deliveries, the oldest first, and how many there are of each kind and state. No content of them is shown."""
    console = Console()
    with opened() as outbox:
        counts = outbox.count()
        shown = outbox.list(states or ("waiting", "dead"), limit=limit)
    if not counts:
        console.print("The outbox is empty.")
        return
    summary = Table("kind", "state", "deliveries", title="Outbox")
    for (kind, state), number in sorted(counts.items()):
        summary.add_row(kind, state, str(number))
    console.print(summary)
    if shown:
        table = Table("id", "kind", "target", "state", "failures", "written", "next try", "last error")
        for one in shown:
            due = f"{one.next_try:%Y-%m-%d %H:%M:%S}" if one.state == "waiting" else ""
            written = f"{one.created:%Y-%m-%d %H:%M:%S}"
            table.add_row(str(one.id), one.kind, one.target, one.state, str(one.attempts), written, due, one.error)
        console.print(table)


@command.command(epilog="\b\nExamples:\n  python -m service outbox retry 17 18\n  python -m service outbox retry --all")
@click.argument("ids", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All that are dead.")
def retry(ids: tuple[int, ...], everything: bool) -> None:
    """Have dead deliveries tried again, from the start. A Subscription in error has to be asked for again as well."""
    if bool(ids) == everything:
        raise click.UsageError("Give the ids of deliveries, or --all.")
    with opened() as outbox:
        number = outbox.retry(None if everything else ids)
    click.echo(f"{number} {'delivery is' if number == 1 else 'deliveries are'} waiting again.")
    if number == 0:
        sys.exit(1)


@contextmanager
def opened() -> Iterator[Outbox]:
    """The outbox of the database that the settings name."""
    from service.composition.parts import open_store
    from service.storage.sql_outbox import SqlOutbox
    from service.storage.sql_store import SqlStore

    store = open_store(read_settings())
    if not isinstance(store, SqlStore):
        raise click.UsageError("Nothing is stored: HIPSPINE_DATABASE_URL is none.")
    try:
        yield SqlOutbox(store, now=lambda: datetime.now(UTC))
    finally:
        store.close()
