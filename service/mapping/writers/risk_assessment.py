"""The Assessment as one R4 RiskAssessment: plain JSON values, decimals as Decimal.

Two kinds of prediction stand in one list, told apart by the code system of their outcome and by the extension
`prediction-kind`: first the source patterns, which exclude each other and sum to 100.00, then the conditions, each a
marginal of its own. `probabilityDecimal` is a percentage (percentages.percentage is the one conversion).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from service.engine.model import Assessment, Change, Prediction
from service.engine.safety import not_explained
from service.mapping.reading import Reading
from service.mapping.writers import evidence, inputs, narrative
from service.mapping.writers.care_plan import care_plan, imaging_proposals
from service.mapping.writers.change import change_extension, change_sentences
from service.mapping.writers.combined import combined_extensions, combined_rows
from service.mapping.writers.extensions import clean, nested, part
from service.mapping.writers.letter import Printed, Story, emergency, seen_on_image
from service.mapping.writers.levels import level_extensions, level_rows
from service.mapping.writers.percentages import decimals, interval, partition_percentages, percentage
from service.mapping.writers.plan import plan_extensions
from service.mapping.writers.service_request import service_request
from service.mapping.writers.vocabulary import Vocabulary
from service.mapping.writers.what_if import what_if_extensions
from service.records import dataclass

Resource = dict[str, Any]
Extension = dict[str, Any]

PROFILE = "spine-hip-risk-assessment"
DEVICE_PROFILE, REFERRAL_PROFILE, PLAN_PROFILE = "engine-device", "spine-hip-referral", "spine-hip-care-plan"
MODEL_CARD = "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/aitransparency.modelCardDescription"
CONFIDENCE = "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/AIconfidence"
UCUM = "http://unitsofmeasure.org"
MADE_BY_MACHINE = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
BITS_PLACES = 4
SHARE_PLACES = 4


@dataclass(frozen=True, slots=True)
class WritingContext:
    """What a RiskAssessment is written with. `assessed_at` has a time zone; `version` is the service's own."""

    vocabulary: Vocabulary
    assessed_at: datetime
    new_id: Callable[[], str]
    version: str


def write_risk_assessment(
    assessment: Assessment, reading: Reading, *, context: WritingContext, change: Change | None = None
) -> Resource:
    """The RiskAssessment of one assessment. Equal input gives equal content but for id and time (R60).

    `change` is that since `reading.earlier`, where the submission holds an earlier assessment.
    """
    vocabulary = context.vocabulary
    patterns = printed(assessment.patterns, vocabulary)
    conditions = printed(assessment.conditions, vocabulary)
    explained = {(one.kind, one.target) for one in evidence.explained(assessment)}
    requests = [
        _declared(
            service_request(
                recommendation,
                f"request-{number}",
                subject=reading.subject,
                encounter=reading.encounter,
                side=reading.case.side,
                assessed_at=context.assessed_at,
                vocabulary=vocabulary,
            ),
            REFERRAL_PROFILE,
            context,
        )
        for number, recommendation in enumerate((*assessment.recommendations, *imaging_proposals(assessment)), 1)
    ]
    plans = (
        [
            _declared(
                care_plan(assessment, reading, requests=requests, assessed_at=context.assessed_at, vocabulary=vocabulary),
                PLAN_PROFILE,
                context,
            )
        ]
        if reading.options.care_plan
        else []
    )
    when = context.assessed_at.isoformat(timespec="seconds")
    unanswered = inputs.missing(assessment, reading, vocabulary)
    story = _story(assessment, reading, patterns, conditions, when, context, change, len(unanswered))
    resource: Resource = {
        "resourceType": "RiskAssessment",
        "id": context.new_id(),
        "meta": {
            "profile": [_profile(PROFILE, context)],
            "security": [dict(MADE_BY_MACHINE)],
        },
        "language": vocabulary.texts.language,
        "text": {
            "status": "generated",
            "div": narrative.narrative(assessment, story, vocabulary),
        },
        "contained": [
            _declared(_device(assessment, context), DEVICE_PROFILE, context),
            *requests,
            *plans,
            *inputs.contained_inputs(reading),
        ],
        "extension": _extensions(assessment, reading, context, change, unanswered),
        "identifier": [
            {
                "system": f"{vocabulary.base_url}/identifier/risk-assessment",
                "value": _identifier(assessment, reading, context.version),
            }
        ],
        "status": "preliminary" if assessment.undecided or reading.preliminary else "final",
        "method": vocabulary.method(),
        "code": vocabulary.code(),
        "subject": dict(reading.subject),
    }
    if reading.encounter is not None:
        resource["encounter"] = dict(reading.encounter)
    resource["occurrenceDateTime"] = when
    if reading.earlier is not None:
        resource["parent"] = reading.earlier.reference
    resource["performer"] = {"reference": "#device"}
    if reading.inputs:
        resource["basis"] = [{"reference": one.reference} for one in reading.inputs]
    resource["prediction"] = [
        *(
            _prediction(row, assessment, (row.prediction.kind, row.prediction.target) in explained, reading, vocabulary)
            for row in (*patterns, *conditions)
        ),
    ]
    step = next_step(assessment, vocabulary)
    if step:
        resource["mitigation"] = step
    return resource


def next_step(assessment: Assessment, vocabulary: Vocabulary) -> str:
    """The one thing to do next: what the most urgent red flag demands, else the first referral, else what to examine."""
    texts = vocabulary.texts
    if assessment.red_flags.raised:
        return clean(texts("mitigation-red-flag", action=assessment.red_flags.raised[0].rule.action))
    sentences = []
    if assessment.undecided and assessment.next_findings:
        sentences.append(texts("mitigation-examine", findings=vocabulary.to_examine(assessment)))
    if assessment.recommendations:
        referral = assessment.recommendations[0].referral
        sentences.append(texts("mitigation-referral", label=referral.label, reason=referral.reason))
    if not sentences and assessment.next_findings:
        sentences.append(texts("mitigation-examine", findings=vocabulary.to_examine(assessment)))
    return clean(" ".join(sentences))


# --- predictions -----------------------------------------------------------------------------------------------------


def printed(predictions: Sequence[Prediction], vocabulary: Vocabulary) -> list[Printed]:
    """Each prediction with the figures the resource carries, in the order given; patterns sum to exactly 100.00."""
    fractions = [prediction.probability for prediction in predictions]
    patterns = bool(predictions) and predictions[0].kind == "pattern"
    figures = partition_percentages(fractions) if patterns else [percentage(fraction) for fraction in fractions]
    printed = []
    for prediction, figure in zip(predictions, figures, strict=True):
        low, high = interval(prediction.low, prediction.high, figure)
        printed.append(Printed(prediction, vocabulary.outcome_label(prediction), figure, low, high, percentage(prediction.prior)))
    return printed


def _prediction(
    row: Printed, assessment: Assessment, leading: bool, reading: Reading, vocabulary: Vocabulary
) -> Resource:
    prediction = row.prediction
    kind = "partition" if prediction.kind == "pattern" else "marginal"
    extensions = [
        part(vocabulary.structure("prediction-kind"), "valueCode", kind),
        part(CONFIDENCE, "valueRange", {"low": _percent_quantity(row.low), "high": _percent_quantity(row.high)}),
    ]
    if prediction.derived:
        extensions.append(part(vocabulary.structure("derived"), "valueBoolean", True))
    if leading and prediction.explanation is not None:
        extensions.append(evidence.explanation(vocabulary.structure("explanation"), prediction.explanation, vocabulary))
    return {
        "extension": extensions,
        "outcome": vocabulary.outcome(prediction, reading.case.side),
        "probabilityDecimal": row.percent,
        "qualitativeRisk": vocabulary.qualitative_risk(row.percent),
        "rationale": clean(_rationale(row, assessment, vocabulary)),
    }


def _rationale(row: Printed, assessment: Assessment, vocabulary: Vocabulary) -> str:
    """Why the figure is what it is. In an emergency nothing that raised the alarm is told as speaking against anything."""
    alarms = {one for flag in assessment.red_flags.raised for one in flag.findings} if emergency(assessment) else frozenset()
    told = evidence.rationale(row.prediction, row.percent, row.prior, vocabulary, untold=frozenset(alarms))
    for flag in not_explained(vocabulary.knowledge, assessment.conditions, assessment.red_flags):
        if row.prediction.target in flag.rule.conditions:
            key = "rationale-image" if seen_on_image(flag, vocabulary) else "rationale-alarm"
            return f"{told} {vocabulary.texts(key)}"
    return told


def _percent_quantity(value: Decimal) -> Resource:
    return {"value": value, "unit": "%", "system": UCUM, "code": "%"}


# --- extensions of the whole -----------------------------------------------------------------------------------------


def _extensions(
    assessment: Assessment, reading: Reading, context: WritingContext, change: Change | None, unanswered: Sequence[str]
) -> list[Extension]:
    """Alarm signs first, then how far to trust the answer, then where it comes from."""
    vocabulary = context.vocabulary
    structure, texts = vocabulary.structure, vocabulary.texts
    return [
        *_red_flags(assessment, vocabulary),
        part(structure("urgency"), "valueCoding", vocabulary.urgency(assessment.urgency)),
        *(part(structure("undecided"), "valueCodeableConcept", vocabulary.undecided(reason)) for reason in assessment.undecided),
        *([change_extension(change, reading.earlier, vocabulary)] if change is not None and reading.earlier else []),
        part(structure("intended-use"), "valueString", texts("intended-use")),
        part(structure("model-limits"), "valueString", vocabulary.limits(assessment)),
        part(structure("coverage"), "valueDecimal", decimals(assessment.coverage, SHARE_PLACES)),
        part(structure("information-bits"), "valueDecimal", decimals(assessment.information_bits, BITS_PLACES)),
        evidence.explanation(structure("spine-versus-hip"), assessment.spine_versus_hip, vocabulary),
        *_sources_differ(assessment, vocabulary),
        *_next_examinations(assessment, vocabulary),
        *what_if_extensions(assessment, vocabulary),
        *level_extensions(assessment, vocabulary),
        *combined_extensions(assessment, vocabulary),
        *plan_extensions(assessment, context.assessed_at, vocabulary, whole=reading.options.care_plan),
        *inputs.input_extensions(assessment, reading, context.assessed_at.date().isoformat(), unanswered, vocabulary),
        *evidence.sources(
            [
                *(one.explanation for one in evidence.explained(assessment) if one.explanation is not None),
                assessment.spine_versus_hip,
            ],
            vocabulary,
            beside=[*level_rows(assessment, vocabulary), *combined_rows(assessment)],
        ),
        part(structure("engine-version"), "valueString", context.version),
        part(structure("knowledge-version"), "valueString", assessment.knowledge_version),
    ]


def _red_flags(assessment: Assessment, vocabulary: Vocabulary) -> list[Extension]:
    screen = assessment.red_flags
    raised = [
        nested(
            vocabulary.structure("red-flag"),
            part("rule", "valueCoding", vocabulary.red_flag(flag.rule)),
            part("urgency", "valueCoding", vocabulary.urgency(flag.urgency)),
            *(part("finding", "valueCode", finding_id) for finding_id in flag.findings),
            *(part("diagnosis", "valueString", title) for title in flag.diagnoses),
            part("message", "valueString", flag.rule.message),
            part("action", "valueString", flag.rule.action),
        )
        for flag in screen.raised
    ]
    screening = nested(
        vocabulary.structure("red-flag-screening"),
        part("clear", "valueBoolean", screen.clear),
        *(part("absent", "valueCode", rule.id) for rule in screen.absent),
        *(
            nested(
                "not-screened",
                part("rule", "valueCode", rule.id),
                *(part("missing", "valueCode", finding_id) for finding_id in screen.missing.get(rule.id, ())),
            )
            for rule in screen.not_screened
        ),
    )
    return [*raised, screening]


def _sources_differ(assessment: Assessment, vocabulary: Vocabulary) -> list[Extension]:
    """For every answered finding that is taught one way and measured another: what sources say of it."""
    told = vocabulary.knowledge.controversies
    return [
        nested(
            vocabulary.structure("sources-differ"),
            part("finding", "valueCode", finding_id),
            part("text", "valueString", told[finding_id]),
        )
        for finding_id in assessment.used
        if finding_id in told
    ]


def _next_examinations(assessment: Assessment, vocabulary: Vocabulary) -> list[Extension]:
    url = vocabulary.structure("next-examination")
    return [
        nested(
            url,
            part("finding", "valueCoding", vocabulary.coding("finding", one.finding_id)),
            part("information-bits", "valueDecimal", decimals(one.bits, BITS_PLACES)),
            *([part("how", "valueString", how)] if (how := vocabulary.findings[one.finding_id].how_elicited) else []),
        )
        for one in vocabulary.proposed(assessment)
    ]


# --- the rest --------------------------------------------------------------------------------------------------------


def _profile(name: str, context: WritingContext) -> str:
    return f"{context.vocabulary.structure(name)}|{context.version}"


def _declared(resource: Resource, profile: str, context: WritingContext) -> Resource:
    """The contained resource with its profile: the one part of meta it may carry (dom-4, dom-5)."""
    head = {"resourceType": resource["resourceType"], "id": resource["id"], "meta": {"profile": [_profile(profile, context)]}}
    return head | resource


def _device(assessment: Assessment, context: WritingContext) -> Resource:
    """The software that made the assessment, by name and versions."""
    name = context.vocabulary.texts("device-name")
    base = context.vocabulary.base_url
    # By identifier, since an address would be read as one of the record system that keeps the answer.
    card = {"type": "DocumentReference", "identifier": {"system": f"{base}/DocumentReference", "value": "model-card"}}
    return {
        "resourceType": "Device",
        "id": "device",
        "extension": [part(MODEL_CARD, "valueReference", card)],
        "identifier": [{"system": f"{base}/Device", "value": "hipspine"}],
        "status": "active",
        "deviceName": [{"name": name, "type": "model-name"}],
        "type": context.vocabulary.performer(),
        "version": [
            {"type": {"text": "engine"}, "value": context.version},
            {"type": {"text": "knowledge"}, "value": assessment.knowledge_version},
        ],
    }


def _identifier(assessment: Assessment, reading: Reading, version: str) -> str:
    """A digest of all that decides the content: whose it is, what was read from where, and which engine and knowledge."""
    case = reading.case
    content = {
        "subject": reading.subject,
        "encounter": reading.encounter,
        "inputs": [one.reference for one in reading.inputs],
        "answers": sorted(
            [answer.finding_id, str(answer.value), answer.comparator, answer.side or ""] for answer in case.answers
        ),
        "effective": sorted([one.finding_id, one.effective] for one in reading.used),
        "age": None if case.age_years is None else int(case.age_years),
        "sex": case.sex,
        "side": case.side,
        **({"recorded": [[one.red_flag, one.title] for one in case.recorded]} if case.recorded else {}),
        "versions": [version, assessment.knowledge_version],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _story(
    assessment: Assessment,
    reading: Reading,
    patterns: Sequence[Printed],
    conditions: Sequence[Printed],
    when: str,
    context: WritingContext,
    change: Change | None,
    unanswered: int,
) -> Story:
    subject = reading.subject
    told = change_sentences(change, reading.earlier, context.vocabulary) if change is not None and reading.earlier else []
    return Story(
        subject=clean(str(subject.get("display") or "")) or context.vocabulary.texts("subject-unnamed"),
        when=when,
        patterns=patterns,
        conditions=conditions,
        used=tuple(one.finding_id for one in reading.used if one.value is not None),
        ignored=len(reading.ignored),
        warnings=len(reading.warnings),
        missing=unanswered,
        values={answer.finding_id: answer.value for answer in reading.case.answers},
        version=context.version,
        change=told,
        contradicted=reading.contradicted,
        age_years=reading.case.age_years,
        sex=reading.case.sex,
    )
