"""The detail of a card: Markdown in which a clinician can check what the advice rests on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from service.assessment.run import Result
from service.hooks.prefetch import Unseen
from service.mapping.writers.evidence import strongest
from service.mapping.writers.letter import answer
from service.mapping.writers.narrative import balance, evidence_item, screening_sentences
from service.mapping.writers.percentages import decimals
from service.mapping.writers.plan import plan_sentences
from service.mapping.writers.risk_assessment import printed
from service.mapping.writers.vocabulary import Vocabulary

LISTED = 5  # answers for and against
PATTERNS_LISTED = 5
USED_LISTED = 60
UNSEEN_LISTED = 40

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|~>])")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def plain(text: str) -> str:
    """Text of the service's own tables: nothing in it may act as HTML or end a table cell."""
    return " ".join(text.translate(_HTML).replace("|", "\\|").split())


def foreign(text: str) -> str:
    """Text that came with the request: nothing in it may act as markup of any kind."""
    return " ".join(_MARKUP.sub(r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;")).split())


class Detail:
    """The parts a detail is put together from, each a block of Markdown, empty where there is nothing to say."""

    def __init__(self, result: Result, vocabulary: Vocabulary, unseen: Sequence[Unseen], assessed_at: datetime) -> None:
        self._result = result
        self._assessment = result.assessment
        self._vocabulary = vocabulary
        self._texts = vocabulary.texts
        self._unseen = unseen
        self._assessed_at = assessed_at
        self.patterns = printed(self._assessment.patterns, vocabulary)  # the figures that the RiskAssessment carries

    def source(self) -> str:
        """Where the pain may come from, with everything behind it."""
        return _joined([*self._head(), *self._why(), self._table(), self._next(), *self._tail()])

    def red_flags(self) -> str:
        return _joined([*self._head(), self._table(), *self._tail()])

    def order(self, reasons: Sequence[str]) -> str:
        """Why an order and the record do not fit, then as `source`."""
        texts = self._texts
        return _joined(
            [
                _section(texts("card-order-heading"), _bullets(reasons)),
                plain(texts("card-order-free")),
                *self._head(),
                *self._why(),
                self._table(),
                self._next(),
                *self._tail(),
            ]
        )

    def plan(self) -> str:
        """What to do first; what it rests on after it."""
        lines = [plain(line) for line in plan_sentences(self._assessment, self._assessed_at, self._vocabulary)]
        plan = _section(self._texts("plan-heading"), _bullets(lines))
        return _joined([*self._raised(), self._lead(), plan, *self._reserve(), *self._tail()])

    # --- parts -------------------------------------------------------------------------------------------------------

    def _head(self) -> list[str]:
        return [*self._raised(), self._lead(), *self._reserve()]

    def _lead(self) -> str:
        return f"**{plain(answer(self._assessment, self.patterns, self._vocabulary))}**"

    def _reserve(self) -> list[str]:
        """Why it is not settled, if so, and what was screened for."""
        undecided = [plain(self._vocabulary.undecided_text(reason)) for reason in self._assessment.undecided]
        return [
            _section(self._texts("undecided-heading"), _bullets(undecided)) if undecided else "",
            " ".join(plain(sentence) for sentence in screening_sentences(self._assessment, self._vocabulary)),
        ]

    def _raised(self) -> list[str]:
        texts, values = self._texts, self._values()
        lines = []
        for flag in self._assessment.red_flags.raised:
            told = texts(
                "red-flag",
                label=flag.rule.label,
                urgency=texts(f"urgency-{flag.urgency}"),
                message=flag.rule.message,
                action=flag.rule.action,
            )
            because = "; ".join(self._vocabulary.grounds(flag, values))
            lines.append(f"**{plain(told)}** {plain(texts('red-flag-because', findings=because))}")
        return [_section(texts("red-flags-heading"), _bullets(lines))] if lines else []

    def _why(self) -> list[str]:
        leader = self.patterns[0]
        why = leader.prediction.explanation
        if why is None:
            return []
        blocks = []
        for heading, supporting in (("why-heading", True), ("why-not-heading", False)):
            lines = []
            for one, log_odds in strongest(why, supporting=supporting, count=LISTED):
                item = evidence_item(one.finding_id, one.value, log_odds, self._vocabulary, shared=one.counted == "shared")
                lines.append(f"{plain(item)}{self._cited(one.rows)}")
            if lines:
                blocks.append(_section(f"{self._texts(heading)}: {leader.label}", _bullets(lines)))
        return [*blocks, plain(balance(self._assessment.spine_versus_hip, self._vocabulary))]

    def _cited(self, rows: Sequence[str]) -> str:
        """The sources of table rows, short, with a link where there is one."""
        sources = dict.fromkeys(self._vocabulary.source_of_row(row)[0] for row in rows)
        shown = []
        for source_id in sources:
            artifact = self._vocabulary.citation(source_id)
            citation = self._vocabulary.knowledge.citations[source_id]
            short = f"{citation.authors} {citation.year}" if citation.authors and citation.year else citation.text
            name = foreign(short[:80])
            shown.append(f"[{name}]({artifact['url']})" if "url" in artifact else name)
        return f" ({'; '.join(shown)})" if shown else ""

    def _table(self) -> str:
        texts = self._texts
        head = [texts("column-outcome"), texts("column-probability"), texts("column-interval")]
        rows = [
            f"| {plain(one.label)} | {one.percent}% | {one.low}–{one.high}% |" for one in self.patterns[:PATTERNS_LISTED]
        ]
        table = "\n".join([f"| {' | '.join(map(plain, head))} |", "|---|---:|---:|", *rows])
        return _section(texts("patterns-heading"), table)

    def _next(self) -> str:
        findings = self._vocabulary.to_examine(self._assessment)
        return plain(self._texts("next-examine", findings=findings)) if findings else ""

    def _tail(self) -> list[str]:
        texts, unseen = self._texts, unseen_lines(self._unseen, self._vocabulary)
        return [
            _section(texts("inputs-heading"), _bullets(self._used())),
            _section(texts("card-unseen-heading"), _bullets(unseen)) if unseen else "",
            _section(texts("limits-heading"), plain(self._vocabulary.limits(self._assessment))),
            f"**{plain(texts('intended-use'))}**",
        ]

    def _used(self) -> Iterable[str]:
        """The answers, one line per resource they come from."""
        known = [one for one in self._result.reading.used if one.value is not None]
        together: dict[str, list[str]] = {}
        for one in known[:USED_LISTED]:
            assert one.value is not None
            origin = ", ".join(foreign(part) for part in (*one.inputs[:1], one.effective[:10]) if part)
            together.setdefault(origin, []).append(plain(self._vocabulary.told(one.finding_id, one.value)))
        for origin, told in together.items():
            yield f"{origin}: {'; '.join(told)}" if origin else "; ".join(told)
        if len(known) > USED_LISTED:
            yield plain(self._texts("card-more", count=len(known) - USED_LISTED))

    def _values(self) -> dict[str, Any]:
        return {one.finding_id: one.value for one in self._result.reading.case.answers}


def unseen_lines(unseen: Sequence[Unseen], vocabulary: Vocabulary) -> list[str]:
    """What of the record was not seen, one line each; of very many the first, and how many more there are."""
    lines = [
        plain(vocabulary.texts(f"unseen-{one.why}", what="{what}", count=one.count)).replace("{what}", foreign(one.what))
        for one in unseen[:UNSEEN_LISTED]
    ]
    more = len(unseen) - UNSEEN_LISTED
    return [*lines, plain(vocabulary.texts("unseen-more", count=more))] if more > 0 else lines


def percent(value: float) -> str:
    """A fraction as a percentage with one decimal, for summaries."""
    return f"{decimals(value * 100, 1)}%"


def _section(heading: str, content: str) -> str:
    return f"### {plain(heading)}\n\n{content}" if content else ""


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _joined(blocks: Iterable[str]) -> str:
    return "\n\n".join(block for block in blocks if block)
