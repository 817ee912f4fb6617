"""The one use case: a resource in, one RiskAssessment out. Every door (HTTP, command line, bulk) calls this."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime
from functools import cache, cached_property, partial
from typing import Any

from service.engine.assess import Engine
from service.engine.model import Assessment, Case, KnowledgeBase
from service.errors import Fault
from service.fhir.bundles import Held
from service.fhir.terminology import Terminology
from service.mapping.case import read_submission
from service.mapping.form import Form
from service.mapping.options import NOTHING_MORE, OPTION_NAMES, AssessOptions
from service.mapping.readers.form_choice import own_form
from service.mapping.reading import EarlierAssessment, Reading, ReadingContext
from service.mapping.writers.risk_assessment import WritingContext, write_risk_assessment
from service.mapping.writers.texts import load_texts
from service.mapping.writers.vocabulary import Vocabulary
from service.mapping.writers.words import in_words_of
from service.records import dataclass

__all__ = ["NOTHING_MORE", "OPTION_NAMES", "AssessOptions", "Parts", "Result", "assess_subject"]

Resource = dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """Everything an assessment needs, built once per process.

    `now` gives an aware datetime and `new_id` a FHIR id; both are passed in so that a test can fix them.
    """

    knowledge: KnowledgeBase
    terminology: Terminology
    engine: Engine
    questionnaire: Mapping[str, Any]
    base_url: str
    version: str
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    language: str = "en"
    translated: Mapping[str, Callable[[], Vocabulary]] = field(default_factory=dict)  # further languages

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages an answer can be worded in, the default first."""
        return (self.language, *self.translated)

    def vocabulary_in(self, language: str) -> Vocabulary:
        """The words of a language; those of the default for one this service does not have."""
        return self.translated[language]() if language in self.translated else self.vocabulary

    @cached_property
    def form(self) -> Form:
        return own_form(self.questionnaire, self.knowledge, self.terminology)

    def reading_context(self, assessed_at: datetime) -> ReadingContext:
        """What a submission is read against at that moment."""
        return ReadingContext(
            knowledge=self.knowledge,
            terminology=self.terminology,
            questionnaire=self.questionnaire,
            assessed_at=assessed_at,
            base_url=self.base_url,
            form=self.form,
        )

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.knowledge, self.terminology, load_texts(self.language))


@dataclass(frozen=True, slots=True)
class Result:
    """One assessment in three forms: as sent, as read, as computed."""

    reading: Reading
    assessment: Assessment
    written: Callable[[], Resource]  # the same one each time; writing takes a fifth of the whole, and a card needs none of it

    @property
    def risk_assessment(self) -> Resource:
        """The RiskAssessment, written when it is first asked for."""
        return self.written()


def assess_subject(
    resource: Resource,
    *,
    parts: Parts,
    warnings: Iterable[Fault] = (),
    options: AssessOptions = NOTHING_MORE,
    stored: tuple[Held, ...] = (),
    of_today: bool = False,
    record: bool = False,
    withdrawn: frozenset[str] = frozenset(),
) -> Result:
    """The assessment of the patient a resource is about.

    `resource` is a validated QuestionnaireResponse, Observation, Bundle or Parameters; `warnings` are those of its
    validation, which the answer repeats; `options` ask for more, as may Parameters themselves; `stored` are resources of our
    own store that it names; `of_today`: it is a record, asked about today, of which old answers no longer hold;
    `record` and `withdrawn` as in `ReadingContext`.
    InvalidInput with every fault if it cannot be worked on. Stores nothing.
    """
    assessed_at = parts.now()
    context = replace(
        parts.reading_context(assessed_at), stored=stored, of_today=of_today, record=record, withdrawn=withdrawn
    )
    reading = read_submission(resource, context=context)
    options |= reading.options
    reading = replace(reading, warnings=(*options.remarks, *warnings, *reading.warnings), options=options)
    assessment = parts.engine.assess(reading.case, what_if=options.what_if)
    change = parts.engine.compare(earlier_case(reading, reading.earlier), reading.case) if reading.earlier else None
    vocabulary = parts.vocabulary_in(options.language)
    written = partial(
        write_risk_assessment,
        in_words_of(assessment, vocabulary.knowledge) if options.language in parts.translated else assessment,
        reading,
        change=change,
        context=WritingContext(vocabulary=vocabulary, assessed_at=assessed_at, new_id=parts.new_id, version=parts.version),
    )
    return Result(reading, assessment, cache(written))


def earlier_case(reading: Reading, earlier: EarlierAssessment) -> Case:
    """The case as an earlier assessment had it, with the age and sex of today."""
    return replace(reading.case, answers=earlier.answers, asked_unknown=())
