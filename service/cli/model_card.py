"""`model-card`: what the model is, what it is for, and how good it is."""

from __future__ import annotations

import json
from pathlib import Path

import click

from service.model_card.card import load_card
from service.model_card.page import card_json, card_page


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--write", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write the page to this file.")
def command(as_json: bool, path: Path | None) -> None:
    """Show the model card: source attributes, transparency, and the criteria for decision support that is not a device.

    \b
    Examples:
      python -m service model-card
      python -m service model-card --json
      python -m service model-card --write docs/model-card.md
    """
    card = load_card()
    if path:
        path.write_text(card_page(card), encoding="utf-8")
        click.echo(f"wrote {path}")
    elif as_json:
        click.echo(json.dumps(card_json(card), indent=1, ensure_ascii=False))
    else:
        click.echo(card_page(card), nl=False)
