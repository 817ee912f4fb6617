"""Which statements still hold: what is too old to say anything of today is left out, what is of tomorrow decides nothing.

How long an answer counts is in the findings table (`valid_days`): a fever for days, a sign of an examination for months,
history for good. It is judgement, no figure of a study. What has no date, and "unknown", is taken as it is.

From when the days are counted back. Of a record (a hook, a form filled in from what is stored) from the assessment: it is
asked about today. Of anything else from its newest date, be that its encounter's: a form of last year that is sent by itself
is assessed as of last year, today and in ten years alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from service.fhir.bundles import Held
from service.mapping.dangers import states_danger
from service.mapping.reading import Notebook, ReadingContext, Statement, named
from service.mapping.times import moment, written_end

_CLOCK_SKEW = timedelta(minutes=10)  # of two machines whose clocks nobody set alike
_AHEAD = timedelta(hours=14)  # the earliest zone is that much before UTC, and a date without a zone may be meant in it
_DATE = len("2026-11-28")


def in_time(notebook: Notebook, encounters: Sequence[Held], context: ReadingContext) -> None:
    """Takes from the notebook the statements that no longer hold, each with its reason, and marks those of the future."""
    begun = {text: moment(text) for text in {one.effective for one in notebook.statements}}
    future = {text for text, begin in begun.items() if begin is not None and _is_future(text, begin, context.assessed_at)}
    reference = context.assessed_at if context.of_today else _newest(notebook, begun, future, encounters, context.assessed_at)
    kept: list[Statement] = []
    warned: set[tuple[int, str]] = set()
    for one in notebook.statements:
        begin = begun[one.effective]
        if one.effective in future:
            one = replace(one, ahead=True)
            if (id(one.source), one.effective) not in warned:
                warned.add((id(one.source), one.effective))
                _warn_of_future(one, notebook)
        elif begin is not None and _is_over(one, begin, reference, context):
            _leave_out(one, context, notebook)
            continue
        kept.append(one)
    notebook.statements = kept


def _is_future(text: str, begin: datetime, now: datetime) -> bool:
    return begin - (_CLOCK_SKEW if len(text) > _DATE else _AHEAD) > now


def _newest(
    notebook: Notebook, begun: dict[str, datetime | None], future: set[str], encounters: Sequence[Held], now: datetime
) -> datetime:
    dated = [begun[one.effective] for one in notebook.statements if not one.carried and one.effective not in future]
    for held in encounters:
        period = held.resource.get("period", {})
        dated.append(moment(str(period.get("end") or period.get("start") or "")))
    past = [one for one in dated if one is not None and one <= now + _CLOCK_SKEW]
    return max(past, default=now)


def _is_over(one: Statement, begin: datetime, reference: datetime, context: ReadingContext) -> bool:
    days = context.knowledge.finding(one.finding_id).valid_days
    if days is None or one.value is None or (reference - begin).days <= days:
        return False
    # Of a year or a month its last day counts, so that nothing is dropped that may still hold.
    return (reference.astimezone(UTC) - written_end(one.effective, begin)).days > days


def _leave_out(one: Statement, context: ReadingContext, notebook: Notebook) -> None:
    finding = context.knowledge.finding(one.finding_id)
    span = f"{finding.valid_days} day" + ("" if finding.valid_days == 1 else "s")
    notebook.ignore(
        one.source, f"Too old: {finding.label}, answered {one.effective[:_DATE]}, counts for {span} (judgement).", one.where
    )
    if states_danger(one, context.knowledge):
        notebook.warn(
            "business-rule",
            f"{finding.label} was stated {one.effective[:_DATE]} and is too old to count. Ask whether it is still so.",
            one.where,
            rule=f"An answer to {finding.id} counts for {span}; the span is judgement.",
            repair="Answer the question anew.",
        )


def _warn_of_future(one: Statement, notebook: Notebook) -> None:
    notebook.warn(
        "business-rule",
        f"{named(one.source)} has a date after the assessment ({one.effective}); it is read as if it had none.",
        one.where,
        rule="What is dated after the assessment never goes before what is dated before it.",
        repair="Correct the date.",
    )
