"""The documentation page of an evaluation, from its figures alone: the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from service.evaluation.clusters import COMPUTED
from service.evaluation.figures import all_bars
from service.evaluation.vignettes import CONFIDENT_PERCENT, URGENCIES

Figures = dict[str, Any]

TEMPLATE = """\
# How good it is

Written by `python -m service evaluate --write docs` on {date}, for version {version} with knowledge `{knowledge}`; do not edit by
hand. The figures behind it are in [figures.json](evaluation/figures.json), which the tests compute again and compare.

Five questions, and what can be learned from each:

- [Published cases](#published-cases): does it say what the authors found? Shows how it does on unusual patients, not in a
  clinic.
- [Published clusters](#published-clusters): do its numbers combine as measured? Shows whether sharing and caps distort, not
  whether the study was right.
- [Published shares](#published-shares): does it expect what clinics see? Shows whether the assigned prior is plausible.
- [Simulated patients](#simulated-patients): does it keep its own promises? Shows that the arithmetic is right, not that the
  numbers are.
- [Sensitivity](#sensitivity): which assigned number matters? Shows what to measure first.

No number of the model was chosen or changed because of this page.

## The bars

{bars}

## Published cases

{cases} published cases of hip-region pain, posted over HTTP as a record system would. How they were mapped, and every case, is in
[vignettes.md](vignettes.md). *Strict*: the leading source pattern is the label. *Lenient*: it is the label or another that the
text also supports. *Confidently wrong*: a miss with more than {confident:.0f} %. *Under-triaged*: less urgent than the least
urgent level that the diagnosis allows; *over-triaged*: a routine case given urgent or stat; `soon` counts as routine in both.

![Share of the published cases whose leading source pattern is the label](evaluation/vignettes.svg)

{groups}

Of {facts} facts in the records {without_place} have no place in the form. Always saying `hip` would be strictly right in
{always_hip} of {cases}.

### What the bar can reach

The bar counts the leading source pattern of rich and moderate cases. A dangerous disease is one in a hundred of those who come
with hip pain, so a posterior honest about that can hardly lead with it: such cases are a matter of the red flags.

{reach}

If every case were as the model believes, the leading pattern would be right in {expected:.1f} of {telling}, with {answers:.0f}
answers a case; among patients simulated from the model itself it is right as often as the table of
[simulated patients](#simulated-patients) says for so many answers. What stands in the way of each miss (the first that applies):

{causes}

### The condition

Whether a condition that the diagnosis names is the first, or among the first three, of the answer. {no_condition} cases have a
diagnosis that is none of ours and near none ({no_condition_names}); they are left out.

{conditions}

### Urgency

| label | {urgency_heads} |
|---|{urgency_lines}
{triage}

{late}

Three rules came from guidance and not from these cases: an acutely painful hip that moves badly or bears no weight, with raised
markers, is septic until proven otherwise, with or without fever (hot joint guideline, Coakley 2006; its two weeks are the rule's,
too); new back pain with raised markers is a reason to suspect infection of the spine (IDSA, Berbari 2015), which asks for MRI
and not for an ambulance; a leg that grew weak within hours or days is referred urgently (NICE NG127). No guidance was found that
calls these an emergency: raised markers with pain of months, or with buttock pain alone (there is no agreed work-up for infection
of the sacroiliac joint); reported weakness of one leg that nobody has tested. The rules leave them at `soon` or `urgent`.

### The misses

{misses}

## Published clusters

For each published rule the network's likelihood ratio for the same items: P(rule met | target) / P(rule met | compared), summed
over every combination of answers, with the sharing and the caps that a real case meets. *Compared* are people with another
condition of the kind the study had (last column but one: with anyone else). A ratio is *reproduced* inside its 95 % interval,
or within a factor of {factor:g}. A rule of several ratios is reproduced when all of them are. An interval marked ° is not
printed: it is computed from the numbers of people by the log method (Simel 1991). By design a ratio of quality B counts with
three quarters of its logarithm and within the caps, so one beyond about 5, or below a fifth, cannot come within the factor.

![Likelihood ratios of published clusters and of the network](evaluation/clusters.svg)

{cluster_summary}

{clusters}

### Outside the interval and outside the factor

{outside}

### Not compared

{not_compared}

## Published shares

What share of the patients a study describes has a cause, beside what the network expects of people with those answers. Studies of
other settings (back pain at a spine surgeon) are here because there are none of ours; disagreement may be the setting.

![Published shares of causes and those the network expects](evaluation/populations.svg)

{population_summary}

{populations}

### Shares not compared

{shares_not_compared}

## Simulated patients

{patients:,} patients drawn from the network (seed {seed}): a set of conditions, between 5 and 60 findings asked at random,
answers drawn from the rates of that set.

![Calibration of the probabilities of simulated patients](evaluation/calibration.svg)

| | network | always the prior |
|---|---:|---:|
| Brier score of the source patterns (0 is perfect, sum over nine) | {brier_patterns:.4f} | {brier_patterns_reference:.4f} |
| Brier score of the conditions (0 is perfect, mean) | {brier_conditions:.5f} | {brier_conditions_reference:.5f} |

The leading pattern was right in {right:.1f} % and had been given {said:.1f} % on average. It reached one half in {half:.1f} %.
If the model were true, that is how much these findings can tell: nothing could do better with them. By the number of findings
asked:

{by_asked}

Simulation-based calibration: the rank of the truth among 20 draws from the posterior, for three quantities. If the posterior is
computed rightly every rank is as likely.

![Ranks of the truth among draws from the posterior](evaluation/ranks.svg)

| quantity | chi-square, 20 degrees of freedom | p |
|---|---:|---:|
{ranks}

## Sensitivity

{tried} assigned numbers (kind `expert`, and the weights and caps of the model) bear on the {sensitivity_cases} cases. Each was
moved by one standard deviation of its spread. The ten that move the source patterns most:

![Assigned numbers that move the published cases most](evaluation/sensitivity.svg)

{sensitivity}
"""


def page(figures: Figures) -> str:
    """The whole page as Markdown."""
    cases, clusters = figures["vignettes"], figures["clusters"]
    populations, simulation, sensitivity = figures["populations"], figures["simulation"], figures["sensitivity"]
    rules = clusters["rules"]
    checks = populations["checks"]
    return TEMPLATE.format(
        date=figures["date"],
        version=figures["version"],
        knowledge=figures["knowledge"],
        bars=bar_table(figures),
        cases=cases["cases"],
        confident=CONFIDENT_PERCENT,
        groups=_groups(cases["groups"]),
        facts=cases["facts"],
        without_place=cases["facts_without_place"],
        always_hip=cases["always_hip"],
        no_condition=len(cases["without_condition"]),
        no_condition_names=", ".join(cases["without_condition"]),
        conditions=_table(
            ("cases", "n", "first", "among the first three"),
            ((row["name"], row["n"], _share(row["top_1"], row["n"]), _share(row["top_3"], row["n"]))
             for row in cases["conditions"]),
        ),
        urgency_heads=" | ".join(f"said {name}" for name in URGENCIES),
        urgency_lines="---:|" * len(URGENCIES),
        triage="\n".join(
            f"| {row['label']} | " + " | ".join(str(row[name]) for name in URGENCIES) + " |" for row in cases["triage"]
        ),
        late=_late(cases),
        reach=_table(
            ("cases", "n", "right", "missed, but escalated by a red flag"),
            ((row["name"], row["cases"], _share(row["right"], row["cases"]), row["missed_but_escalated"])
             for row in cases["reach"]["groups"]),
        ),
        expected=cases["reach"]["expected_right"],
        telling=cases["reach"]["groups"][-1]["cases"],
        answers=cases["reach"]["mean_answers"],
        causes=_table(
            ("cause", "misses", "cases"),
            ((row["name"], len(row["cases"]), ", ".join(row["cases"]) or "none") for row in cases["reach"]["causes"]),
        ),
        misses="\n".join(_miss(miss) for miss in cases["misses"]) or "None.",
        factor=clusters["factor"],
        cluster_summary=(
            f"Of rules of quality A or B {clusters['bar']['count']} of {clusters['bar']['of']} are reproduced, "
            f"and {clusters['ratios_reproduced']} of their {clusters['ratios_counted']} ratios."
        ),
        clusters=_cluster_table(rules),
        outside=_outside(rules),
        not_compared="\n".join(f"- {rule['name']} ({rule['source']}): {_reason(rule)}" for rule in rules if not rule["ratios"]),
        population_summary=f"{populations['agree']} of {populations['compared']} agree.",
        populations=_population_table([check for check in checks if check["engine"] is not None]),
        shares_not_compared="\n".join(
            f"- {check['statement']} ({check['source']}): {_lower(check['not_compared'])}." for check in checks
            if check["engine"] is None
        ),
        patients=simulation["patients"],
        seed=simulation["seed"],
        **{name: simulation[name] for name in (
            "brier_patterns", "brier_patterns_reference", "brier_conditions", "brier_conditions_reference",
        )},
        right=100 * simulation["leading_right"],
        said=100 * simulation["leading_said"],
        half=100 * simulation["telling"],
        by_asked=_table(
            ("findings asked", "patients", "leading pattern right", "given on average"),
            ((f"{row['fewest']}–{row['most']}", row["patients"], f"{100 * row['right']:.1f} %", f"{100 * row['said']:.1f} %")
             for row in simulation["by_asked"]),
        ),
        ranks="\n".join(
            f"| {row['statistic']} | {row['chi_square']:.1f} | {row['p_value']:.2f} |" for row in simulation["ranks"]
        ),
        tried=sensitivity["tried"],
        sensitivity_cases=sensitivity["cases"],
        sensitivity=_table(
            ("number", "table, row", "one standard deviation moves", "cases led otherwise"),
            ((row["name"], f"`{row['table']}`, `{row['key']}`", f"{100 * row['total_variation']:.2f} points", row["flips"])
             for row in sensitivity["largest"]),
        ),
    )


def bar_table(figures: Figures) -> str:
    """Every bar with what was found: met or MISSED."""
    return _table(
        ("bar", "found", "must be", ""),
        (
            (
                bar["name"],
                f"{bar['count']} of {bar['of']} ({100 * bar['share']:.0f} %)",
                f"{bar['sense']} {100 * bar['bar']:.0f} %",
                f"**{bar['verdict']}**" + (f": {', '.join(bar['failed'])}" if bar["verdict"] != "met" else ""),
            )
            for bar in all_bars(figures)
        ),
    )


def _groups(groups: list[Figures]) -> str:
    return _table(
        ("cases", "n", "strict", "lenient", "preliminary", "confidently wrong", "under-triaged", "over-triaged"),
        (
            (
                group["name"], group["n"], _share(group["strict"], group["n"]), _share(group["lenient"], group["n"]),
                _share(group["preliminary"], group["n"]), group["confidently_wrong"],
                _of(group["under_triaged"], group["dangerous"]), _of(group["over_triaged"], group["routine"]),
            )
            for group in groups
        ),
    )


def _late(cases: Figures) -> str:
    if not cases["under_triaged"] and not cases["over_triaged"]:
        return "None is under- or over-triaged."
    return _table(
        ("case", "diagnosis", "label", "said", "red flags raised", "warning features of the record"),
        (
            (row["case"], row["diagnosis"], row["label"], row["said"],
             ", ".join(f"`{flag}`" for flag in row["raised"]) or "none", row["recorded"] or "none")
            for row in [*cases["under_triaged"], *cases["over_triaged"]]
        ),
    )


def _miss(miss: Figures) -> str:
    return (
        f"- **{miss['case']}** ({miss['completeness']}), {miss['diagnosis']}: the label is `{miss['label']}` "
        f"({miss['percent_of_label']:.2f} %), said was `{miss['said']}` ({miss['percent']:.2f} %, {miss['status']}); conditions "
        f"{', '.join(f'`{name}`' for name in miss['conditions'])}. {miss['rationale']} "
        f"{miss['facts_without_place']} of {miss['facts']} facts have no place in the form."
    )


def _cluster_table(rules: list[Figures]) -> str:
    return _table(
        ("rule", "quality", "", "published", "network", "with anyone else", ""),
        (
            (
                rule["name"], rule["quality"], ratio["kind"], _interval(ratio), f"{ratio['engine']:.3g}",
                f"{ratio['engine_against_everyone']:.3g}", "" if ratio["reproduced"] else f"off by {ratio['factor']:.2g}",
            )
            for rule in rules
            for ratio in rule["ratios"]
        ),
    )


def _outside(rules: list[Figures]) -> str:
    lines = []
    for rule in rules:
        off = [ratio for ratio in rule["ratios"] if not ratio["reproduced"]]
        if off:
            told = ", ".join(f"{ratio['kind']} {_interval(ratio)}, network {ratio['engine']:.3g}" for ratio in off)
            note = f" {rule['note']}." if rule["note"] else ""
            lines.append(
                f"- **{rule['name']}** ({rule['source']}; {rule['population']}; quality {rule['quality']}, "
                f"{rule['source_kind']}): {told}.{note}"
            )
    return "\n".join(lines) or "None."


def _reason(rule: Figures) -> str:
    return f"{_lower(rule['not_compared'] or rule['note'])}."


def _population_table(checks: list[Figures]) -> str:
    return _table(
        ("share", "setting", "published", "given", "network", ""),
        (
            (
                check["statement"], check["setting"], _percent_interval(check),
                "; ".join(f"`{part}`" for part in (check["given"], check["among"]) if part).replace("|", "\\|") or "everyone",
                f"{100 * check['engine']:.3g} %", "" if check["agrees"] else "does not agree",
            )
            for check in checks
        ),
    )


def _percent_interval(check: Figures) -> str:
    sign = "" if check["kind"] == "share" else f"{check['kind']} "
    text = f"{sign}{100 * check['published']:.3g} %"
    if check["low"] is not None and check["high"] is not None:
        text += f" ({100 * check['low']:.3g}–{100 * check['high']:.3g})"
    return text


def _interval(ratio: Figures) -> str:
    text = f"{ratio['published']:g}"
    mark = "°" if ratio["interval"] == COMPUTED else ""
    if ratio["low"] is None or ratio["high"] is None:
        return text
    return f"{text} ({ratio['low']:g}–{ratio['high']:g}){mark}"


def _lower(text: str) -> str:
    """The text to go on with after a colon: its first letter small unless it begins a name (two capitals)."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _share(count: int, total: int) -> str:
    return f"{count} ({100 * count / total:.0f} %)" if total else "–"


def _of(count: int, total: int) -> str:
    return f"{count} of {total}" if total else "–"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """A Markdown table; columns whose cells are all numbers or shares are set to the right."""
    held = [[str(cell) for cell in row] for row in rows]
    right = [bool(held) and all(row[index][:1].isdigit() or row[index] == "–" for row in held) for index in range(len(heads))]
    lines = [f"| {' | '.join(heads)} |", "|" + "|".join("---:" if flag else "---" for flag in right) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in held)])
