"""The plots of the evaluation. The same figures give the same picture: no dates, no random ids, text as paths."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from service.evaluation.clusters import COMPUTED

Figures = dict[str, Any]

BLUE, ORANGE, GREY, LIGHT = "#0072B2", "#D55E00", "#555555", "#D9D9D9"
STYLE = MappingProxyType(
    {
        "svg.hashsalt": "hipspine", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9.0,
        "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10.0, "axes.titlelocation": "left",
        "legend.frameon": False,
    }
)
PNG_DOTS_PER_INCH = 110
ROW = 0.26  # inches a row of a list needs


def write_plots(figures: Figures, folder: Path, kind: Literal["svg", "png"] = "svg") -> list[Path]:
    """Every plot as a file in `folder`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    style: dict[Any, Any] = dict(STYLE)
    with matplotlib.rc_context(style):
        for name, draw in PLOTS.items():
            path = folder / f"{name}.{kind}"
            figure = draw(figures)
            FigureCanvasAgg(figure)
            if kind == "svg":
                figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
            else:
                figure.savefig(path, format="png", dpi=PNG_DOTS_PER_INCH)
            written.append(path)
    return written


def draw_vignettes(figures: Figures) -> Figure:
    """Share of the published cases whose leading source pattern is the label, strictly and leniently."""
    groups = figures["vignettes"]["groups"][::-1]
    figure, axes = _list_figure(2 * len(groups) * 0.8)
    for place, group in enumerate(groups):
        for offset, key, colour in ((0.2, "strict", BLUE), (-0.2, "lenient", ORANGE)):
            percent = 100.0 * group[key] / group["n"] if group["n"] else 0.0
            axes.barh(place + offset, percent, height=0.36, color=colour, label=key if place == 0 else None)
            axes.text(percent + 1.0, place + offset, f"{group[key]} of {group['n']}", va="center", fontsize=7.5)
    axes.set_yticks(range(len(groups)), [group["name"].replace("`", "") for group in groups])
    axes.set_xlim(0, 112)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("cases whose leading source pattern is the label (%)")
    axes.legend(loc="upper center", bbox_to_anchor=(0.35, -0.09), ncols=2)
    return figure


def draw_clusters(figures: Figures) -> Figure:
    """Likelihood ratios of published clusters: printed, with interval, and the network's for the same items."""
    lines = [
        (rule, ratio)
        for rule in figures["clusters"]["rules"]
        for ratio in rule["ratios"]
    ][::-1]
    figure, axes = _list_figure(len(lines))
    for place, (_, ratio) in enumerate(lines):
        axes.plot([ratio["published"], ratio["engine"]], [place, place], color=LIGHT, linewidth=1.2, zorder=1)
        if ratio["low"] is not None and ratio["high"] is not None:
            style = ":" if ratio["interval"] == COMPUTED else "-"
            axes.plot([ratio["low"], ratio["high"]], [place, place], style, color=GREY, linewidth=2.2, zorder=2)
        axes.scatter(ratio["published"], place, marker="D", s=22, color=GREY, zorder=3, label=_once("published", place))
        axes.scatter(ratio["engine"], place, s=26, zorder=4, color=BLUE if ratio["reproduced"] else ORANGE)
    axes.scatter([], [], s=26, color=BLUE, label="network, reproduced")
    axes.scatter([], [], s=26, color=ORANGE, label="network, not reproduced")
    axes.plot([], [], color=GREY, linewidth=2.2, label="interval, printed")
    axes.plot([], [], ":", color=GREY, linewidth=2.2, label="interval, computed from counts")
    axes.axvline(1.0, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    _plain_log(axes)
    axes.set_yticks(range(len(lines)), [f"{rule['id'].replace('_', ' ')}  {ratio['kind']}" for rule, ratio in lines])
    axes.set_ylim(-0.8, len(lines) - 0.2)
    axes.set_xlabel("likelihood ratio")
    axes.legend(loc="upper center", bbox_to_anchor=(0.35, -0.05), ncols=2)
    return figure


def draw_populations(figures: Figures) -> Figure:
    """Published shares of causes, with their range, and what the network expects of such people."""
    lines = [check for check in figures["populations"]["checks"] if check["engine"] is not None][::-1]
    figure, axes = _list_figure(len(lines))
    for place, check in enumerate(lines):
        published, engine = 100.0 * check["published"], 100.0 * check["engine"]
        axes.plot([published, engine], [place, place], color=LIGHT, linewidth=1.2, zorder=1)
        if check["low"] is not None and check["high"] is not None:
            axes.plot([100.0 * check["low"], 100.0 * check["high"]], [place, place], color=GREY, linewidth=2.2, zorder=2)
        axes.scatter(published, place, marker="D", s=22, color=GREY, zorder=3, label=_once("published", place))
        axes.scatter(engine, place, s=26, zorder=4, color=BLUE if check["agrees"] else ORANGE)
    axes.scatter([], [], s=26, color=BLUE, label="network, agrees")
    axes.scatter([], [], s=26, color=ORANGE, label="network, does not agree")
    axes.plot([], [], color=GREY, linewidth=2.2, label="published range")
    axes.set_xscale("log")
    _plain_log(axes)
    axes.set_yticks(range(len(lines)), [_bounded(check) for check in lines])
    axes.set_ylim(-0.8, len(lines) - 0.2)
    axes.set_xlabel("share (%)")
    axes.legend(loc="upper center", bbox_to_anchor=(0.2, -0.05), ncols=2)
    return figure


def draw_calibration(figures: Figures) -> Figure:
    """Said and true shares of simulated patients, for source patterns and for conditions."""
    simulation = figures["simulation"]
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    for place, (key, title) in enumerate((("patterns", "source patterns"), ("conditions", "conditions"))):
        axes = figure.add_subplot(1, 2, place + 1)
        bins = simulation[key]
        axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.8, linestyle=":")
        for item in bins:
            half = 196.0 * math.sqrt(max(item["mean"] * (1.0 - item["mean"]), 1e-9) / item["count"])
            axes.plot([100 * item["mean"]] * 2, [100 * item["observed"] - half, 100 * item["observed"] + half], color=BLUE)
        axes.scatter([100 * item["mean"] for item in bins], [100 * item["observed"] for item in bins], s=24, color=BLUE)
        axes.set_title(f"{title} ({sum(item['count'] for item in bins):,} probabilities)")
        axes.set_xlabel("probability said, mean of a tenth (%)")
        axes.set_ylabel("share that was true (%)")
        axes.set_xlim(-2, 102)
        axes.set_ylim(-2, 105)
        axes.set_aspect("equal")
    return figure


def draw_ranks(figures: Figures) -> Figure:
    """Ranks of the truth among draws from the posterior, with the band that even ranks keep within."""
    ranks = figures["simulation"]["ranks"]
    figure = Figure(figsize=(8.0, 2.9), layout="constrained")
    for place, item in enumerate(ranks):
        axes = figure.add_subplot(1, len(ranks), place + 1)
        counts = item["counts"]
        expected = sum(counts) / len(counts)
        spread = 2.58 * math.sqrt(expected * (1.0 - 1.0 / len(counts)))
        axes.axhspan(expected - spread, expected + spread, color=LIGHT, zorder=0)
        axes.bar(range(len(counts)), counts, color=BLUE, width=0.8)
        axes.set_title(f"{item['statistic']}\np = {item['p_value']:.2f}")
        axes.set_xlabel("rank of the truth")
        axes.set_xticks(range(0, len(counts), 5))
        if place == 0:
            axes.set_ylabel("patients")
    return figure


def draw_sensitivity(figures: Figures) -> Figure:
    """The assigned numbers that move the answers of the published cases most."""
    largest = figures["sensitivity"]["largest"][::-1]
    figure, axes = _list_figure(len(largest) * 1.5)
    for place, item in enumerate(largest):
        percent = 100.0 * item["total_variation"]
        axes.barh(place, percent, height=0.6, color=BLUE)
        flips = _flips(item["flips"])
        axes.text(percent + 0.05, place, flips, va="center", fontsize=7.5)
    axes.set_yticks(range(len(largest)), [_wrapped(item["name"]) for item in largest])
    axes.set_xlim(0, 1.5 * max(100.0 * item["total_variation"] for item in largest))
    axes.set_xlabel("percentage points moved by one standard deviation, mean of all cases")
    return figure


PLOTS: Mapping[str, Callable[[Figures], Figure]] = MappingProxyType(
    {
        "vignettes": draw_vignettes,
        "clusters": draw_clusters,
        "populations": draw_populations,
        "calibration": draw_calibration,
        "ranks": draw_ranks,
        "sensitivity": draw_sensitivity,
    }
)


def _flips(count: int) -> str:
    return f"{count or 'no'} case{'' if count == 1 else 's'} led otherwise"


def _list_figure(rows: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.0, 1.3 + ROW * rows), layout="constrained")
    return figure, figure.add_subplot()


def _plain_log(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    axes.grid(axis="x", color=LIGHT, linewidth=0.5)


def _once(label: str, place: int) -> str | None:
    return label if place == 0 else None


def _bounded(check: Figures) -> str:
    sign = {"share": "", "at most": " (at most)", "at least": " (at least)"}[check["kind"]]
    return _wrapped(f"{check['statement']}{sign}", 72)


def _wrapped(text: str, width: int = 44) -> str:
    """The text on at most two lines, cut with an ellipsis if it needs more."""
    words, lines = text.split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines[:2]) + ("…" if len(lines) > 2 else "")
