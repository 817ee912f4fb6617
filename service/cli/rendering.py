"""One assessment as a reader sees it in a terminal: alarm signs, answer, reasons, next step, limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from service.assessment.run import Result
from service.engine.model import Assessment, Contribution
from service.mapping.writers.combined import combined_sentences
from service.mapping.writers.evidence import strongest
from service.mapping.writers.extensions import clean
from service.mapping.writers.letter import child, emergency
from service.mapping.writers.levels import level_sentences
from service.mapping.writers.narrative import balance, screening_sentences
from service.mapping.writers.percentages import decimals
from service.mapping.writers.plan import plan_sentences
from service.mapping.writers.vocabulary import Vocabulary
from service.mapping.writers.what_if import what_if_sentences

BAR_WIDTH = 24
SHOWN_CONDITIONS = 8
SHOWN_EVIDENCE = 5
NEGLIGIBLE_BAR = Decimal("0.01")
KINDS = ("seen", "recalled", "expert")
URGENCY_STYLE = {"emergency": "bold white on red", "urgent": "bold red", "soon": "yellow", "routine": "green"}


def render(result: Result, *, name: str, vocabulary: Vocabulary) -> RenderableType:
    """The whole assessment, to be printed by a console of any width. Texts of the input can not act as markup."""
    assessment, written = result.assessment, result.risk_assessment
    parts: list[RenderableType] = [
        Rule(Text(f"{name}: {_subject(written)}", style="bold")),
        *_red_flags(result, vocabulary),
        *_answer(written, assessment, vocabulary),
        _distribution("patterns-heading", _predictions(written, "source-pattern"), vocabulary),
        *_conditions(written, vocabulary),
        *_evidence(result, vocabulary),
        *_screening(assessment, vocabulary),
        *_told("levels-heading", level_sentences(assessment, vocabulary), vocabulary),
        *_told("combined-heading", combined_sentences(assessment, vocabulary), vocabulary),
        *_next_step(assessment, vocabulary),
        *_told("what-if-heading", what_if_sentences(assessment, vocabulary), vocabulary),
        *_plan(written, assessment, vocabulary),
        *_inputs(result, vocabulary),
        *_limits(assessment, vocabulary),
    ]
    return Group(*parts)


def _subject(written: dict[str, Any]) -> str:
    subject = written["subject"]
    return clean(subject.get("display") or subject.get("reference") or "patient")


def _heading(text: str) -> RenderableType:
    return Padding(Text(text, style="bold cyan"), (1, 0, 0, 0))


def _told(heading: str, sentences: Sequence[str], vocabulary: Vocabulary) -> list[RenderableType]:
    return [_heading(vocabulary.texts(heading)), _lines(sentences)] if sentences else []


def _lines(lines: Sequence[str | Text], indent: int = 2) -> RenderableType:
    return Padding(Group(*(Text(line) if isinstance(line, str) else line for line in lines)), (0, 0, 0, indent))


def _red_flags(result: Result, vocabulary: Vocabulary) -> list[RenderableType]:
    raised = result.assessment.red_flags.raised
    if not raised:
        return []
    texts, values = vocabulary.texts, {answer.finding_id: answer.value for answer in result.reading.case.answers}
    lines: list[RenderableType] = []
    for flag in raised:
        line = Text(flag.rule.label, style="bold red")
        line.append(f" ({texts(f'urgency-{flag.urgency}')})", style=URGENCY_STYLE[flag.urgency])
        because = "; ".join(vocabulary.grounds(flag, values))
        lines += [
            line,
            Text(f"  {flag.rule.message}"),
            Text(f"  {flag.rule.action}", style="bold"),
            Text(f"  {texts('red-flag-because', findings=because)}", style="dim"),
        ]
    title = Text(texts("red-flags-heading"), style="bold white on red")
    return [Panel(Group(*lines), title=title, border_style="red", title_align="left")]


def _answer(written: dict[str, Any], assessment: Assessment, vocabulary: Vocabulary) -> list[RenderableType]:
    texts = vocabulary.texts
    leader, (low, high) = _predictions(written, "source-pattern")[0], _interval(_predictions(written, "source-pattern")[0])
    codes = {reason.code for reason in assessment.undecided}
    key = "answer-no-findings" if "no-findings" in codes else "answer-undecided" if codes else "answer"
    key = "answer-emergency" if emergency(assessment) else "answer-under-18" if child(assessment) else key
    told = texts(key, pattern=_label(leader), percent=f"{_percent(leader)}%", low=f"{low}%", high=f"{high}%")
    parts: list[RenderableType] = [Padding(Text(told, style="bold yellow" if codes else "bold green"), (1, 0, 0, 0))]
    parts += [Text(f"  {vocabulary.undecided_text(reason)}", style="yellow") for reason in assessment.undecided]
    return parts


def _predictions(written: dict[str, Any], system: str) -> list[dict[str, Any]]:
    return [one for one in written["prediction"] if one["outcome"]["coding"][0]["system"].endswith(f"/{system}")]


def _label(prediction: dict[str, Any]) -> str:
    return str(prediction["outcome"]["coding"][0]["display"])


def _percent(prediction: dict[str, Any]) -> Decimal:
    percent: Decimal = prediction["probabilityDecimal"]
    return percent


def _interval(prediction: dict[str, Any]) -> tuple[Decimal, Decimal]:
    bounds = next(one["valueRange"] for one in prediction["extension"] if "valueRange" in one)
    return bounds["low"]["value"], bounds["high"]["value"]


def _conditions(written: dict[str, Any], vocabulary: Vocabulary) -> list[RenderableType]:
    conditions = _predictions(written, "condition")
    shown = conditions[:SHOWN_CONDITIONS]
    parts: list[RenderableType] = [_distribution("conditions-heading", shown, vocabulary)]
    others = len(conditions) - len(shown)
    if others:
        parts.append(
            Text(f"  and {others} more, each at most {_percent(conditions[len(shown)])}% (--json lists all)", style="dim")
        )
    return parts


def _distribution(heading: str, predictions: Sequence[dict[str, Any]], vocabulary: Vocabulary) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(ratio=1, overflow="fold")
    table.add_column(width=BAR_WIDTH, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True, style="dim")
    for number, one in enumerate(predictions):
        low, high = _interval(one)
        style = "bold" if number == 0 else ""
        table.add_row(
            Text(_label(one), style=style),
            _bar(_percent(one), number == 0),
            Text(f"{_percent(one)}%", style=style),
            f"{low}–{high}%",
        )
    return Group(_heading(vocabulary.texts(heading)), Padding(table, (0, 0, 0, 2)))


def _bar(percent: Decimal, leading: bool) -> Text:
    eighths = round(percent / 100 * BAR_WIDTH * 8)
    full, rest = divmod(eighths, 8)
    cells = "█" * full + ("" if not rest else " ▏▎▍▌▋▊▉"[rest])
    return Text(cells or ("▏" if percent >= NEGLIGIBLE_BAR else ""), style="green" if leading else "blue")


def _evidence(result: Result, vocabulary: Vocabulary) -> list[RenderableType]:
    assessment, texts = result.assessment, vocabulary.texts
    leader = assessment.patterns[0]
    parts: list[RenderableType] = []
    if emergency(assessment) or child(assessment):
        return parts  # nothing that argues for or against a source
    if leader.explanation is not None:
        label = vocabulary.outcome_label(leader)
        for heading, supporting, style in (("why-heading", True, "green"), ("why-not-heading", False, "red")):
            chosen = strongest(leader.explanation, supporting=supporting, count=SHOWN_EVIDENCE)
            if chosen:
                parts += [_heading(f"{texts(heading)}: {label}"), _evidence_table(chosen, style, vocabulary)]
    parts += [_heading(texts("spine-versus-hip-heading")), _lines([balance(assessment.spine_versus_hip, vocabulary)])]
    return parts


def _evidence_table(chosen: Sequence[tuple[Contribution, float]], style: str, vocabulary: Vocabulary) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True, style=style)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(ratio=1, overflow="fold", style="dim")
    for one, log_odds in chosen:
        told = vocabulary.told(one.finding_id, one.value)
        table.add_row(f"{decimals(log_odds, 2):+}", Text(told), Text(_first_source(one, vocabulary)))
    return Padding(table, (0, 0, 0, 2))


def _first_source(one: Contribution, vocabulary: Vocabulary) -> str:
    """The best source of a contribution (read before recalled before judged), and how many rows there are beside it."""
    if not one.rows:
        return ""
    sources = [vocabulary.source_of_row(row) for row in one.rows]
    source_id, kind = min(sources, key=lambda source: KINDS.index(source[1]))
    told = "expert judgement" if kind == "expert" else f"{vocabulary.citation(source_id)['citation']} [{kind}]"
    others = len(one.rows) - 1
    return f"{told} (+{others} {'row' if others == 1 else 'rows'})" if others else told


def _screening(assessment: Assessment, vocabulary: Vocabulary) -> list[RenderableType]:
    sentences = screening_sentences(assessment, vocabulary)
    return [_heading("Red-flag screening"), _lines(sentences)] if sentences else []


def _next_step(assessment: Assessment, vocabulary: Vocabulary) -> list[RenderableType]:
    lines: list[str | Text] = []
    for one in assessment.recommendations:
        line = Text(f"{one.referral.label} ")
        line.append(f"({vocabulary.texts(f'urgency-{one.urgency}')})", style=URGENCY_STYLE[one.urgency])
        line.append(f": {one.referral.reason}")
        lines.append(line)
    # No test may delay the emergency department.
    for next_finding in vocabulary.proposed(assessment) if assessment.urgency != "emergency" else ():
        finding = vocabulary.findings[next_finding.finding_id]
        line = Text("Ask or examine: ")
        line.append(finding.label, style="bold")
        line.append(f" ({next_finding.bits:.2f} bits). {finding.how_elicited}")
        lines.append(line)
    return [_heading(vocabulary.texts("next-heading")), _lines(lines)] if lines else []


def _plan(written: dict[str, Any], assessment: Assessment, vocabulary: Vocabulary) -> list[RenderableType]:
    lines = plan_sentences(assessment, datetime.fromisoformat(written["occurrenceDateTime"]), vocabulary)
    return [_heading(vocabulary.texts("plan-heading")), _lines(lines)] if lines else []


def _inputs(result: Result, vocabulary: Vocabulary) -> list[RenderableType]:
    from service.mapping.writers.inputs import missing

    texts, reading, assessment = vocabulary.texts, result.reading, result.assessment
    lines: list[str | Text] = [
        texts(
            "inputs-used",
            used=sum(one.value is not None for one in reading.used),
            missing=len(missing(assessment, reading, vocabulary)),
            coverage=f"{decimals(assessment.coverage * 100, 1)}%",
        )
    ]
    if assessment.without_effect:
        labels = "; ".join(vocabulary.label(finding_id) for finding_id in assessment.without_effect)
        lines.append(texts("inputs-without-effect", findings=labels))
    lines += [Text(clean(f"Ignored: {one.what} ({one.where}): {one.reason}"), style="yellow") for one in reading.ignored]
    lines += [Text(clean(f"Warning: {fault.where}: {fault.message}"), style="yellow") for fault in reading.warnings]
    return [_heading(texts("inputs-heading")), _lines(lines)]


def _limits(assessment: Assessment, vocabulary: Vocabulary) -> list[RenderableType]:
    return [
        _heading(vocabulary.texts("limits-heading")),
        _lines([Text(vocabulary.limits(assessment), style="dim")]),
        Padding(Text(vocabulary.texts("intended-use"), style="bold"), (1, 0, 1, 0)),
    ]
