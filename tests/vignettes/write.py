"""`python -m tests.vignettes.write`: docs/vignettes.md, the published cases one by one, from a run of the service."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "vignettes.md"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]  # as pytest does

from service.evaluation.vignettes import CONFIDENT_PERCENT, DATA, Outcome, evaluate, report, rows  # noqa: E402

Resource = dict[str, Any]


TEMPLATE = """\
# The published cases, one by one

Written by `python -m tests.vignettes.write`; do not edit by hand. `service/evaluation/data` holds the cases
and the mapping, `service/evaluation/vignettes.py` the scoring.

## What was done

{count} published cases of pain in the hip, buttock, groin or low back, each with a final diagnosis, were mapped to the form by a
reader who did not see the diagnoses, and checked by a second one who did not either. Each is posted to `$assess` as a Bundle of a
Patient and a QuestionnaireResponse. Nothing that is not in the record was added. No number of the model was chosen or changed
because of what this page shows, and no test asserts a ranking.

Of {facts} facts {mapped} support an answer of the form and {unmapped} do not. The second reader kept {kept} of {rows} rows of
the first; of all {both}. The rules of the mapping and the hard calls are in
[mapping-notes.md](../service/evaluation/data/mapping-notes.md).

*Strict*: the leading source pattern is the label. *Lenient*: it is the label or another pattern that the case's final text
also supports. *Preliminary*: the answer says "cannot tell yet". *Confidently wrong*: a miss with more than {confident:.0f} %
for the leading pattern. *Under-triaged*: the referrals proposed are less urgent than the least urgent level that the diagnosis
allows; `soon` counts as routine.

## Figures

{report}

## How to read them

For comparison: always saying `hip`, the largest pattern of the prior, would be strictly right in {hip} of {count}.

Case reports are chosen because they are unusual: {serious} of these are labelled `serious`, a pattern to which the prior gives
little more than one in a hundred. The service starts from the common causes and is moved by findings that have a published or
assigned figure; a decisive blood test, image or course has no place in the form and is an unmapped fact. So a rare disease seldom
leads, and what has to catch it are the red flags, which are rules on findings and not probabilities. Where a record does not
mention the alarm sign, they cannot catch it either: that is what the under-triaged cases below show. The figures are those of a
small, hand-picked sample and say little about accuracy in a clinic.

## Every case

| case | label | also right | said | share of the label | status | urgency: label, said | red flags | facts, mapped | verdict |
|---|---|---|---|---:|---|---|---:|---:|---|
{every}

## The {misses} misses

What the answer itself gives as its reasons for the leading pattern.

{missed}

## The {late} under-triaged cases

| case | diagnosis | urgency of the label | said | red flags |
|---|---|---|---|---:|
{lately}

## Where the cases come from

{sources}
"""


def page(outcomes: list[Outcome]) -> str:
    """The whole page as Markdown: the same service and tables give the same bytes."""
    records = case_records()
    misses = [item for item in outcomes if not item.lenient]
    late = [item for item in outcomes if item.under_triaged]
    return TEMPLATE.format(
        count=len(outcomes),
        confident=CONFIDENT_PERCENT,
        report=report(outcomes).strip(),
        hip=sum(item.case.region == "hip" for item in outcomes),
        serious=sum(item.case.region == "serious" for item in outcomes),
        every="\n".join(_row(item) for item in outcomes),
        misses=len(misses),
        missed="\n".join(_miss(item, records[item.case.case]["diagnosis"]) for item in misses),
        late=len(late),
        lately="\n".join(_late(item, records[item.case.case]["diagnosis"]) for item in late),
        sources="\n".join(_source(row) for row in records.values()),
        **reach(outcomes),
    )


def reach(outcomes: list[Outcome]) -> dict[str, object]:
    """How much of the records reached the form, and how far the two readers agreed (counts of the notes on the mapping)."""
    facts, unmapped = (sum(getattr(item.case, name) for item in outcomes) for name in ("facts", "unmapped"))
    notes = " ".join((DATA / "mapping-notes.md").read_text(encoding="utf-8").split())
    return {
        "facts": facts,
        "mapped": facts - unmapped,
        "unmapped": unmapped,
        "kept": _figure(notes, r"Kept as they were: (\d+ \([\d.]+ %\))"),
        "rows": _figure(notes, r"First table: (\d+) rows"),
        "both": _figure(notes, r"Of all (\d+ answers given by either reader, both gave \d+ \([\d.]+ %\))"),
    }


def case_records() -> dict[str, dict[str, str]]:
    """The rows of cases.csv by case."""
    return {row["case"]: row for row in rows("cases.csv")}


def _figure(notes: str, pattern: str) -> str:
    found = re.search(pattern, notes)
    assert found is not None, f"mapping-notes.md no longer says: {pattern}"
    return found[1]


def _verdict(item: Outcome) -> str:
    return "right" if item.strict else "right (lenient)" if item.lenient else "miss"


def _row(item: Outcome) -> str:
    case = item.case
    cells = (
        case.case,
        f"`{case.label}`",
        ", ".join(region for region in case.acceptable if region != case.region) or "–",
        f"`{item.pattern}` {item.percent:.2f} %",
        f"{item.patterns[case.label]:.2f} %",
        item.status,
        f"{case.urgency}, {item.urgency}",
        str(len(item.red_flags)),
        f"{case.facts}, {case.facts - case.unmapped}",
        _verdict(item),
    )
    return f"| {' | '.join(cells)} |"


def _miss(item: Outcome, diagnosis: str) -> str:
    return (
        f"- **{item.case.case}**, {diagnosis} (`{item.case.label}`): said `{item.pattern}`. {item.rationale} "
        f"{item.case.unmapped} of {item.case.facts} facts have no place in the form."
    )


def _late(item: Outcome, diagnosis: str) -> str:
    return f"| {item.case.case} | {diagnosis} | {item.case.urgency} | {item.urgency} | {len(item.red_flags)} |"


def _source(row: dict[str, str]) -> str:
    parts = [row["authors"], row["title"], " ".join(part for part in (row["journal"], row["year"]) if part)]
    ids = [f"doi:{row['doi']}" if row["doi"] else "", row["pmcid"], f"PMID {row['pmid']}" if row["pmid"] else ""]
    text = ". ".join(part.strip().rstrip(".") for part in parts if part.strip())
    named = ", ".join(part for part in ids if part)
    return f"- {row['case']}: {text}.{' ' + named + '.' if named else ''} ({row['source_type'].replace('-', ' ')})"


def outcomes_in_process() -> list[Outcome]:
    """Every case through the whole service, without a server."""
    from service.composition.parts import build_service
    from service.fhir import r4
    from service.settings import Settings, limit_blas_threads

    limit_blas_threads()
    service = build_service(Settings())
    form = dict(service.parts.questionnaire)
    return evaluate(lambda resource: service.assess(r4.serialise(resource), None), form)


def main() -> None:
    PAGE.write_text(page(outcomes_in_process()), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")  # noqa: T201


if __name__ == "__main__":
    main()
