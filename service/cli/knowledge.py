"""`knowledge`: what the tables make of the model, as a page of the documentation."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from service.engine.deviations import FACTOR, deviations
from service.engine.model import PATTERNS
from service.engine.network import Network, compile_network
from service.fhir.terminology import load_terminology
from service.knowledge.load import load_knowledge_base
from service.knowledge.reviews import write_reviews
from service.resources import tables_directory
from service.settings import CANONICAL_BASE


@click.command()
@click.option("--write", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write the page to this file.")
@click.option("--untranslated", metavar="LANGUAGE", help="List what the catalogue of a language lacks, as JSON to fill in.")
@click.option("--reviewed", metavar="LANGUAGE", help="Note that a language says what the English texts say now.")
def command(path: Path | None, untranslated: str | None, reviewed: str | None) -> None:
    """Show the prior the tables imply beside published shares, and every row the network does not reproduce.

    \b
    Examples:
      python -m service knowledge
      python -m service knowledge --write docs/model.md
      python -m service knowledge --untranslated de
      python -m service knowledge --reviewed de
    """
    if reviewed:
        note_review(reviewed)
        click.echo(f"noted that {reviewed} is up to date")
        return
    if untranslated:
        click.echo(json.dumps(missing_texts(untranslated), ensure_ascii=False, indent=1))
        return
    page = model_page(compile_network(load_knowledge_base(tables_directory())))
    if path:
        path.write_text(page, encoding="utf-8")
        click.echo(f"wrote {path}")
    else:
        click.echo(page)


def model_page(network: Network) -> str:
    """The documentation page `docs/model.md`, from the tables alone: the same tables give the same bytes."""
    parts = [
        "# What the tables imply",
        "",
        "Written by `python -m service knowledge --write docs/model.md`; do not edit by hand.",
        "",
        f"{network.hypotheses.count:,} hypotheses (sets of at most three of {len(network.hypotheses.conditions)} conditions), "
        f"{len(network.observables)} observables, "
        f"{sum(row.role == 'input' for row in network.knowledge.likelihoods)} input rows of "
        f"{len(network.knowledge.likelihoods)}.",
        "",
        *_prior_lines(network),
        "",
        *_published_lines(network),
        "",
        *_deviation_lines(network),
        "",
        *_choice_lines(network),
        "",
        *_cluster_lines(network),
    ]
    return "\n".join(parts) + "\n"


def missing_texts(language: str) -> dict[str, Any]:
    """English texts that a language lacks or has from an older wording, nested as its catalogue is."""
    from service.composition.languages import untranslated

    return untranslated(language, _english())


def note_review(language: str) -> None:
    """Keep which English texts the translations of a language were made from: those of now."""
    from service.composition.languages import reviews_file

    write_reviews(reviews_file(language), _english())


def _english() -> dict[tuple[str, ...], str]:
    from service.composition.languages import english_texts
    from service.resources import terminology_directory

    return english_texts(load_knowledge_base(tables_directory()), load_terminology(terminology_directory(), CANONICAL_BASE))


def _prior_lines(network: Network) -> list[str]:
    prior = np.exp(network.hypotheses.log_prior)
    marginal = prior @ network.hypotheses.membership
    pattern = prior @ network.hypotheses.pattern
    lines = ["## Prior, before age and sex", "", "| source pattern | prior % |", "|---|---:|"]
    lines += [f"| `{name}` | {100 * value:.2f} |" for name, value in zip(PATTERNS, pattern.tolist(), strict=True)]
    lines += ["", "| condition | share in the table % | marginal prior % |", "|---|---:|---:|"]
    lines += [
        f"| `{condition.id}` {condition.label} | {100 * condition.prevalence:.2f} | {100 * value:.2f} |"
        for condition, value in zip(network.hypotheses.conditions, marginal.tolist(), strict=True)
    ]
    lines += [
        "",
        "A marginal can exceed its share: conditions also occur in the sets of two and three. Sets of four and more are not",
        "modelled.",
    ]
    return lines


def _published_lines(network: Network) -> list[str]:
    lines = [
        "## Prior beside published shares",
        "",
        "The studies sampled other people than ours (spine clinics, block clinics, the community), so a difference is not an",
        "error by itself; it says how far our case mix is from theirs.",
        "",
        "| published statement | setting | published % | our prior % |",
        "|---|---|---:|---:|",
    ]
    prior = np.exp(network.hypotheses.log_prior)
    with (tables_directory().parent / "checks" / "prior_population.csv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            limits = f" ({100 * float(row['low']):.1f}-{100 * float(row['high']):.1f})" if row["low"] and row["high"] else ""
            published = f"{100 * float(row['proportion']):.1f}{limits}"
            ours = 100 * _any_of(network, prior, row["applies_to"].split(";"))
            lines.append(f"| {row['statement']}. {row['source']} | {row['setting']} | {published} | {ours:.1f} |")
    return lines


def _any_of(network: Network, prior: np.ndarray, targets: list[str]) -> float:
    """Prior probability that at least one of the targets (conditions, groups, the derived condition) is present."""
    groups = {group.id: group.members for group in network.knowledge.groups}
    wanted = {member for target in targets for member in groups.get(target, (target,))}
    columns = [index for index, condition in enumerate(network.hypotheses.conditions) if condition.id in wanted]
    inside = network.hypotheses.membership[:, columns].sum(axis=1) > 0
    if network.derived and network.derived.id in wanted:
        inside |= network.hypotheses.coexistence > 0
    if "other_unclassified" in wanted:
        inside |= network.hypotheses.size == 0
    return float(prior[inside].sum())


def _deviation_lines(network: Network) -> list[str]:
    found = deviations(network)
    lines = [
        f"## Rows whose likelihood ratio the network does not reproduce within {FACTOR} times",
        "",
        f"{len(found)} ratios. The published figure is kept in its row; the network uses the implied one.",
        "",
        "| row | finding | target | ratio | published | implied | why |",
        "|---|---|---|---|---:|---:|---|",
    ]
    lines += [
        f"| {item.row_id} | `{item.finding_id}` | `{item.target_id}` | {item.figure} | {item.published:g} | {item.implied:.2f} "
        f"| {'; '.join(item.reasons)} |"
        for item in found
    ]
    return lines


def _choice_lines(network: Network) -> list[str]:
    """Every row that was chosen or left out, and why, so that the choice among rival figures can be seen and disputed."""
    lines = [
        "## Choices among rows",
        "",
        "Where several rows speak of one finding and condition, one is the input. `check` rows are kept and compared, `unusable`",
        "ones cannot be said of one answer. `service/knowledge/README.md` states the order of the reasons.",
        "",
        "| row | finding | condition or group | role | why |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.row_id} | `{row.finding_id}` | `{row.target_id}` | {row.role} | {row.decision.replace('|', '/')} |"
        for row in network.knowledge.likelihoods
        if row.decision
    ]
    return lines


def _cluster_lines(network: Network) -> list[str]:
    """Every published cluster: how often its target alone shows each number of items, by the items and as the rows say."""
    lines = [
        "## Published clusters",
        "",
        "Items that were measured together count together for the condition the study was about: the joint probability of their",
        "answers is tilted so that people with that condition alone meet the rule as often as the rows say, weighted and capped.",
        "",
        "| cluster | condition | items met | by the items alone % | as the rows say % | rows |",
        "|---|---|---|---:|---:|---|",
    ]
    for compiled in network.clusters:
        cluster = compiled.cluster
        rows = ", ".join(row.row_id for row in cluster.rows)
        for level, (given, wanted) in enumerate(zip(compiled.given.tolist(), compiled.wanted.tolist(), strict=True)):
            counts = [count for count, at in enumerate(compiled.level_of) if at == level]
            met = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
            lines.append(
                f"| {cluster.label} | `{cluster.target_id}` | {met} | {100 * given:.1f} | {100 * wanted:.1f} | {rows} |"
            )
    return lines
