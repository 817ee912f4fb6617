"""The documentation says what an evaluation finds now: figures are computed again and compared, pictures are not.

Mend all of it with: python -m service evaluate --write docs
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from support.readme import README, section
from support.servers import LiveServer

from service.cli.evaluate import command
from service.composition.parts import Service
from service.evaluation.cases import engine_cases
from service.evaluation.door import door, own_server
from service.evaluation.figures import PATIENTS, all_bars, model_figures, vignette_figures
from service.evaluation.page import page
from service.evaluation.plots import PLOTS
from service.evaluation.vignettes import evaluate
from service.model_card.card import FOLDER, card_figures, load_card
from service.model_card.page import card_page, card_summary
from service.resources import tables_directory

Figures = dict[str, Any]

DOCS = Path(__file__).resolve().parents[2] / "docs"
CHECKS = tables_directory().parent / "checks"
# Sums in another order (another processor or library) change the last digits, and with them a few of the drawn patients.
CLOSE, CLOSE_DRAWN, COUNTS_DRAWN = 1e-4, 0.02, 20


@pytest.fixture(scope="module")
def printed() -> Figures:
    figures: Figures = json.loads((DOCS / "evaluation" / "figures.json").read_text(encoding="utf-8"))
    return figures


@pytest.fixture(scope="module")
def found(service: Service) -> Figures:
    return model_figures(service.parts.engine.network, engine_cases(service.parts), CHECKS, patients=PATIENTS)


def differences(one: Any, other: Any, place: str = "", *, drawn: bool = False) -> list[str]:
    """Where two documents of figures differ by more than arithmetic explains."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = [*one, *(name for name in other if name not in one)]
        return [line for name in names
                for line in differences(one.get(name), other.get(name), f"{place}/{name}", drawn=drawn)]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [line for index, pair in enumerate(zip(one, other, strict=True))
                for line in differences(*pair, f"{place}/{index}", drawn=drawn)]
    numbers = all(isinstance(item, int | float) and not isinstance(item, bool) for item in (one, other))
    if numbers:
        integer = isinstance(one, int) and isinstance(other, int)
        if integer:
            same = abs(one - other) <= (COUNTS_DRAWN if drawn else 0)
        else:
            same = math.isclose(one, other, rel_tol=CLOSE_DRAWN if drawn else CLOSE, abs_tol=0.01 if drawn else 1e-9)
        return [] if same else [f"{place}: {one} and {other}"]
    return [] if one == other else [f"{place}: {one!r} and {other!r}"]


def test_a_difference_of_figures_is_found() -> None:
    held = {"rules": [{"engine": 3.5, "inside": True}], "count": 4}
    assert differences(held, {"rules": [{"engine": 3.5 + 1e-6, "inside": True}], "count": 4}) == []
    assert differences(held, {"rules": [{"engine": 3.6, "inside": False}], "count": 5}) == [
        "/rules/0/engine: 3.5 and 3.6", "/rules/0/inside: True and False", "/count: 4 and 5",
    ]


def test_published_cases_over_http_give_the_figures_printed(live_server: LiveServer, printed: Figures) -> None:
    form, post = door(live_server.fhir)
    assert differences(vignette_figures(evaluate(post, form)), printed["vignettes"]) == []


@pytest.mark.parametrize("part", ["clusters", "populations", "sensitivity"])
def test_the_network_gives_the_figures_printed(part: str, found: Figures, printed: Figures) -> None:
    assert differences(found[part], printed[part]) == []


def test_simulated_patients_give_the_figures_printed(found: Figures, printed: Figures) -> None:
    calm = {name: value for name, value in found["simulation"].items() if name != "ranks"}
    assert differences(calm, {name: printed["simulation"][name] for name in calm}, drawn=True) == []
    for one, other in zip(found["simulation"]["ranks"], printed["simulation"]["ranks"], strict=True):
        assert differences(one["counts"], other["counts"], drawn=True) == []


def test_the_figures_are_of_the_tables_as_they_are(service: Service, printed: Figures) -> None:
    assert printed["knowledge"] == service.parts.knowledge.version


def test_one_command_writes_page_plots_and_figures(live_server: LiveServer, printed: Figures, tmp_path: Path) -> None:
    (tmp_path / "evaluation").mkdir()
    earlier = {**printed, "date": "2020-02-02"}
    (tmp_path / "evaluation" / "figures.json").write_text(json.dumps(earlier), encoding="utf-8")
    done = CliRunner().invoke(command, ["--url", live_server.fhir, "--write", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "MISSED" in done.output or "met" in done.output
    written = json.loads((tmp_path / "evaluation" / "figures.json").read_text(encoding="utf-8"))
    assert (written["date"] == "2020-02-02") == ({**written, "date": ""} == {**printed, "date": ""})
    assert (tmp_path / "evaluation.md").read_text(encoding="utf-8") == page(written)
    assert sorted(path.name for path in (tmp_path / "evaluation").iterdir()) == sorted(
        ["figures.json", *(f"{name}.svg" for name in PLOTS)]
    )


def test_without_an_address_a_server_of_our_own_is_started_and_stopped() -> None:
    with own_server() as base:
        assert requests.get(f"{base}/metadata", timeout=30).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{base}/metadata", timeout=5)


def test_the_page_is_made_of_the_figures(printed: Figures) -> None:
    assert (DOCS / "evaluation.md").read_text(encoding="utf-8") == page(printed)


def test_every_bar_is_printed_with_its_verdict(printed: Figures) -> None:
    text = (DOCS / "evaluation.md").read_text(encoding="utf-8")
    assert len(all_bars(printed)) == 5
    for bar in all_bars(printed):
        line = next(line for line in text.splitlines() if line.startswith(f"| {bar['name']} |"))
        met = bar["share"] >= bar["bar"] if bar["sense"] == "at least" else bar["share"] <= bar["bar"]
        assert ("**met**" in line, "**MISSED**" in line) == (met, not met)


def test_the_model_card_shows_the_figures_of_the_evaluation(printed: Figures) -> None:
    held = json.loads((FOLDER / "figures.json").read_text(encoding="utf-8"))
    assert held == card_figures(printed, printed["tables"])


def test_the_page_of_the_model_card_is_made_of_the_card() -> None:
    """Mend it with: python -m service model-card --write docs/model-card.md"""
    assert (DOCS / "model-card.md").read_text(encoding="utf-8") == card_page(load_card())


def test_readme_shows_the_summary_of_the_model_card() -> None:
    """Mend it with: make docs"""
    assert section(README.read_text(encoding="utf-8"), "model-card") == card_summary(load_card()).strip()
