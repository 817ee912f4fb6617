"""`evaluate`: how good the answers are, as a page, plots and figures of the documentation."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from service import __version__

Figures = dict[str, Any]


@click.command()
@click.option("--url", help="FHIR base of a running server, such as http://127.0.0.1:8000/fhir. Without it one is started.")
@click.option("--write", "folder", type=click.Path(file_okay=False, path_type=Path),
              help="Write the page, the plots and the figures into this folder of documents.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(url: str | None, folder: Path | None, as_json: bool) -> None:
    """Measure the answers: published cases over HTTP, published clusters and shares, simulated patients, sensitivity.

    \b
    Takes about a quarter of a minute. Writing needs the extra: pip install 'hipspine[evaluate]'
    Examples:
      python -m service evaluate
      python -m service evaluate --write docs
    """
    if folder and importlib.util.find_spec("matplotlib") is None:
        raise click.ClickException("the plots need matplotlib: pip install 'hipspine[evaluate]'")
    figures = evaluation(url, Console(stderr=True))
    if folder:
        for path in write_evaluation(figures, folder):
            click.echo(f"wrote {path}", err=True)
    if as_json:
        click.echo(figures_text(figures), nl=False)
    else:
        Console().print(_bars(figures))


def evaluation(url: str | None, console: Console) -> Figures:
    """All figures, with the progress of the slow parts on `console`."""
    from service.composition.parts import build_service, utc_now
    from service.evaluation.cases import engine_cases
    from service.evaluation.door import door, own_server
    from service.evaluation.figures import model_figures, vignette_figures
    from service.evaluation.vignettes import published_cases, read_outcome, submission
    from service.resources import tables_directory
    from service.settings import read_settings

    with nullcontext(url.rstrip("/")) if url else own_server() as base:
        form, post = door(base)
        outcomes = [
            read_outcome(case, post(submission(case, form)))
            for case in track(published_cases(), "published cases", console=console, transient=True)
        ]
    service = build_service(read_settings())
    parts = service.parts

    def steps(numbers: Sequence[Any]) -> Any:
        return track(numbers, "assigned numbers", console=console, transient=True)

    checks = tables_directory().parent / "checks"
    return {
        "date": utc_now().date().isoformat(),
        "version": __version__,
        "knowledge": parts.knowledge.version,
        "tables": {
            "conditions": len(parts.engine.network.hypotheses.conditions),
            "findings": len(parts.knowledge.findings),
            "sources": len(parts.knowledge.citations),
        },
        "vignettes": vignette_figures(outcomes),
        **model_figures(parts.engine.network, engine_cases(parts), checks, steps=steps),
    }


def write_evaluation(figures: Figures, folder: Path) -> list[Path]:
    """The page, the plots and the figures below `folder`; beside a checkout's sources also the model card and its figures.

    The date stays if nothing else has changed since it was written.
    """
    from service.evaluation.page import page
    from service.evaluation.plots import write_plots
    from service.model_card.card import card_figures, load_card
    from service.model_card.page import card_page

    data = folder / "evaluation" / "figures.json"
    if data.is_file():
        written = json.loads(data.read_text(encoding="utf-8"))
        if {**written, "date": ""} == {**figures, "date": ""}:
            figures = written
    plots = write_plots(figures, folder / "evaluation")
    texts = {data: figures_text(figures), folder / "evaluation.md": page(figures)}
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    card_folder = folder.resolve().parent / "service" / "model_card"
    if not card_folder.is_dir():
        return [*texts, *plots]
    card_data, card_text = card_folder / "figures.json", folder / "model-card.md"
    card_data.write_text(figures_text(card_figures(figures, figures["tables"])), encoding="utf-8")
    card_text.write_text(card_page(load_card(card_folder)), encoding="utf-8")
    return [*texts, *plots, card_data, card_text]


def figures_text(figures: Figures) -> str:
    """The figures as a JSON document."""
    return json.dumps(figures, indent=1, ensure_ascii=False) + "\n"


def _bars(figures: Figures) -> Table:
    from service.evaluation.figures import all_bars

    table = Table(title="Against the bars", title_justify="left")
    for heading in ("bar", "found", "must be", ""):
        table.add_column(heading, justify="right" if heading in ("found", "must be") else "left")
    for bar in all_bars(figures):
        table.add_row(
            bar["name"], f"{bar['count']} of {bar['of']} ({100 * bar['share']:.0f} %)",
            f"{bar['sense']} {100 * bar['bar']:.0f} %", bar["verdict"],
        )
    return table
