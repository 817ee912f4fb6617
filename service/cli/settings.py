"""`settings`: what can be set, and what it is set to."""

from __future__ import annotations

import re
from dataclasses import fields

import click

from service.settings import read_settings, settings_rows, settings_table


@click.command()
@click.option("--markdown", is_flag=True, help="Print the table that README holds.")
def command(markdown: bool) -> None:
    """Show every setting, its value in this environment, and its meaning."""
    if markdown:
        click.echo(settings_table())
        return
    settings = read_settings()
    for (variable, _, meaning), item in zip(settings_rows(), fields(settings), strict=True):
        value = getattr(settings, item.name)
        click.echo(f"{click.style(variable, bold=True)}={'' if value is None else without_password(str(value))}\n    {meaning}")


def without_password(text: str) -> str:
    """The text with the password of every address in it replaced."""
    return re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", text)
