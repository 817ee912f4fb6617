"""Every coding, label and citation the writers put into a resource, looked up once per process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, get_args

from service.engine.model import (
    NO_LEVEL,
    PATTERNS,
    PLAN_KINDS,
    SPINAL_LEVELS,
    STAGES,
    URGENCY_ORDER,
    AnswerValue,
    Assessment,
    Cluster,
    Finding,
    KnowledgeBase,
    LevelRate,
    LevelShare,
    Likelihood,
    NextFinding,
    Prediction,
    RedFlag,
    RedFlagRule,
    Referral,
    Robustness,
    Side,
    StageRate,
    Undecided,
    UndecidedCode,
    Urgency,
)
from service.engine.rules import findings_of
from service.errors import Fault, KnowledgeBaseError
from service.fhir.terminology import Terminology
from service.mapping.answers import ABSENT, PRESENT, answer_code
from service.mapping.writers.extensions import clean
from service.mapping.writers.percentages import percentage, plain_number
from service.mapping.writers.texts import Texts
from service.mapping.writers.words import Words

Coding = dict[str, Any]
Concept = dict[str, Any]

RISK_SYSTEM = "http://terminology.hl7.org/CodeSystem/risk-probability"
RISK_DISPLAYS = {
    "negligible": "Negligible likelihood",
    "low": "Low likelihood",
    "moderate": "Moderate likelihood",
    "high": "High likelihood",
}
# Concepts of our own code system `service` that describe the assessment itself.
METHOD, CODE, PERFORMER, REFERRAL = (
    "bayesian-network",
    "hip-pain-source-assessment",
    "hip-spine-software",
    "ref-category-patient-referral",
)
EXAMINE_NEXT = 3  # findings proposed in one sentence


class Vocabulary:
    """What knowledge base, terminology and texts call things. Made once; using it changes nothing that can be seen."""

    def __init__(
        self, knowledge: KnowledgeBase, terminology: Terminology, texts: Texts, words: Words | None = None
    ) -> None:
        self.knowledge = knowledge
        self.terminology = terminology
        self.texts = texts
        self.words = words or Words()
        self.base_url = terminology.base_url
        self.soon_days = knowledge.constant("soon_within_days")
        self._bands = tuple(
            (percentage(knowledge.constant(f"risk_{name}_below")), name) for name in ("negligible", "low", "moderate")
        )
        _require_codes(knowledge, terminology)
        self._codings: dict[tuple[str, str], Coding] = {}
        self._outcomes: dict[tuple[str, str, Side | None], list[Coding]] = {}
        self._services: dict[str, list[Coding]] = {}
        self._sentences: dict[tuple[str, bool | str], str] = {}  # finding and answer -> both in words

    @property
    def negligible_below_percent(self) -> Decimal:
        return self._bands[0][0]

    def structure(self, name: str) -> str:
        """Address of one of our profiles or extensions."""
        return f"{self.base_url}/StructureDefinition/{name}"

    def coding(self, system_id: str, code: str) -> Coding:
        """One of our own codes with its display; KeyError if the terminology does not define it."""
        key = (system_id, code)
        if key not in self._codings:
            self._codings[key] = self.terminology.coding(system_id, code)
        return dict(self._codings[key])

    # --- findings and answers ----------------------------------------------------------------------------------------

    @cached_property
    def findings(self) -> Mapping[str, Finding]:
        return {finding.id: finding for finding in self.knowledge.findings}

    @cached_property
    def clusters(self) -> Mapping[str, Cluster]:
        """Published clusters, which are weighed beside their items and stand among the findings."""
        return {cluster.id: cluster for cluster in self.knowledge.published_clusters}

    def label(self, finding_id: str) -> str:
        cluster = self.clusters.get(finding_id)
        return cluster.label if cluster else self.findings[finding_id].label

    def value(self, value: AnswerValue) -> tuple[str, Any]:
        """An answer as the name and content of a value element: a code, or a number."""
        if isinstance(value, bool):
            return "valueCode", PRESENT if value else ABSENT
        if isinstance(value, str):
            return "valueCode", answer_code(value)
        return "valueDecimal", plain_number(value)

    def state(self, finding_id: str, value: AnswerValue) -> str:
        """An answer in words, with the unit of a number."""
        if isinstance(value, bool):
            return self.texts("state-present" if value else "state-absent")
        if isinstance(value, str):
            return self.words.choices.get(value, value)
        unit = "1" if finding_id in self.clusters else self.findings[finding_id].unit
        printed = self.texts.number(plain_number(value))
        if f"unit-{unit}" in self.texts:
            return self.texts(f"unit-{unit}", value=printed)
        return f"{printed} {self.terminology.units.name(unit) or unit}".strip()

    def told(self, finding_id: str, value: AnswerValue) -> str:
        """A finding with its answer, in words."""
        if isinstance(value, float):  # of measured values there is no end
            return self._told(finding_id, value)
        key = (finding_id, value)
        if key not in self._sentences:
            self._sentences[key] = self._told(finding_id, value)
        return self._sentences[key]

    def _told(self, finding_id: str, value: AnswerValue) -> str:
        return self.texts("rationale-item", finding=self.label(finding_id), state=self.state(finding_id, value))

    @cached_property
    def alarm_questions(self) -> frozenset[str]:
        """The findings that red-flag rules ask for."""
        return frozenset(finding_id for rule in self.knowledge.red_flags for finding_id in findings_of(rule.when))

    def answered(self, finding_id: str, values: Mapping[str, AnswerValue]) -> str:
        """The same with the answer looked up; the label alone where it is not among `values`."""
        return self.told(finding_id, values[finding_id]) if finding_id in values else self.label(finding_id)

    def grounds(self, flag: RedFlag, values: Mapping[str, AnswerValue]) -> list[str]:
        """What raised a red flag: the answers, and diagnoses on record."""
        recorded = [self.texts("recorded-diagnosis", diagnosis=title) for title in flag.diagnoses]
        return [*(self.answered(one, values) for one in flag.findings), *recorded]

    @staticmethod
    def proposed(assessment: Assessment) -> Sequence[NextFinding]:
        return assessment.next_findings[:EXAMINE_NEXT]

    def to_examine(self, assessment: Assessment) -> str:
        """Labels of the findings proposed next, as one enumeration."""
        return "; ".join(self.label(one.finding_id) for one in self.proposed(assessment))

    # --- outcomes ----------------------------------------------------------------------------------------------------

    def outcome_label(self, prediction: Prediction) -> str:
        """What the code of a pattern or condition says in words."""
        return self.called(_system(prediction), prediction.target)

    def called(self, system_id: str, code: str) -> str:
        """What one of our own codes is called in this language; codings keep the display of the code system."""
        if system_id == "finding" and code in self.findings:
            return self.findings[code].label
        if system_id == "condition" and code in self._conditions:
            return self._conditions[code]
        if system_id == "red-flag" and code in self._rules:
            return self._rules[code]
        display: str = self.coding(system_id, code)["display"]
        return self.words.displays.get(system_id, {}).get(code, display)

    @cached_property
    def _conditions(self) -> Mapping[str, str]:
        return {condition.id: condition.label for condition in self.knowledge.conditions}

    @cached_property
    def _rules(self) -> Mapping[str, str]:
        return {rule.id: rule.label for rule in self.knowledge.red_flags}

    def outcome(self, prediction: Prediction, side: Side | None) -> Concept:
        """The CodeableConcept of a prediction: our own coding first, then those of public systems that mean the same."""
        key = (prediction.kind, prediction.target, side)
        if key not in self._outcomes:
            if prediction.kind == "pattern":
                codings = [self.coding("source-pattern", prediction.target)]
            else:
                codings = self.terminology.outbound_condition(prediction.target, side)
            self._outcomes[key] = codings
        return {"coding": [dict(coding) for coding in self._outcomes[key]]}

    def qualitative_risk(self, printed: Decimal) -> Concept:
        """The band of a printed percentage; the limits of the bands are constants of the knowledge base."""
        code = next((name for below, name in self._bands if printed < below), "high")
        return {"coding": [{"system": RISK_SYSTEM, "code": code, "display": RISK_DISPLAYS[code]}]}

    def reason(self, code: str) -> str:
        """Words for what called for a referral: ``red-flag:...``, ``pattern:...``, ``condition:...`` or ``finding:...``."""
        kind, _, target = code.partition(":")
        if kind == "finding":
            return self.label(target)
        return self.called({"pattern": "source-pattern"}.get(kind, kind), target)

    def _service(self, concept_id: str) -> list[Coding]:
        """The codings of a referral, specialty, treatment or method: fresh ones, because a resource is anyone's to change."""
        if concept_id not in self._services:
            self._services[concept_id] = self.terminology.outbound_service(concept_id)
        return [dict(coding) for coding in self._services[concept_id]]

    # --- the assessment as a whole -------------------------------------------------------------------------------------

    def method(self) -> Concept:
        return {"coding": self._service(METHOD), "text": self.texts("method-text")}

    def code(self) -> Concept:
        return {"coding": self._service(CODE), "text": self.texts("code-text")}

    def performer(self) -> Concept:
        return {"coding": self._service(PERFORMER)}

    def urgency(self, urgency: Urgency) -> Coding:
        return self.coding("urgency", urgency)

    def undecided(self, reason: Undecided) -> Concept:
        """A reason for "cannot tell yet"."""
        return {"coding": [self.coding("undecided", reason.code)], "text": self.undecided_text(reason)}

    def undecided_text(self, reason: Undecided) -> str:
        return self.texts(f"undecided-{reason.code}")

    def red_flag(self, rule: RedFlagRule) -> Coding:
        return self.coding("red-flag", rule.id)

    def limits(self, assessment: Assessment) -> str:
        """What the figures can not say, with the mass that lies at the edge of the model."""
        mass = percentage(assessment.mass_of_three)
        edge = self.texts("limits-mass", percent=self.texts.percent(mass)) if mass else ""
        return self.texts("limits", mass=edge)

    # --- referrals -----------------------------------------------------------------------------------------------------

    def service(self, referral: Referral) -> Concept:
        return {"coding": self._service(referral.service), "text": clean(referral.label)}

    def specialty(self, referral: Referral) -> Concept | None:
        return {"coding": self._service(referral.specialty)} if referral.specialty else None

    def referral_category(self) -> Concept:
        return {"coding": self._service(REFERRAL)}

    def symptom(self, side: Side | None) -> list[Coding]:
        return [dict(coding) for coding in self.terminology.outbound_symptom(side)]

    # --- sources -------------------------------------------------------------------------------------------------------

    @cached_property
    def _row_sources(self) -> Mapping[str, tuple[str, str]]:
        known = self.knowledge
        tables: tuple[Sequence[Likelihood | LevelShare | LevelRate | StageRate], ...]
        clustered = [row for cluster in known.published_clusters for row in cluster.rows]
        tables = (known.likelihoods, clustered, known.levels, known.level_rates, known.stages)
        return {row.row_id: (row.source_id, row.source_kind) for rows in tables for row in rows}

    def source_of_row(self, row_id: str) -> tuple[str, str]:
        """Id of the source a table row names, and the kind of evidence it is there."""
        return self._row_sources[row_id]

    def citation(self, source_id: str) -> Concept:
        """The RelatedArtifact of a source: as cited in full, and a link where a DOI or PubMed number is known."""
        source = self.knowledge.citations[source_id]
        artifact = {"type": "citation", "citation": clean(source.text)}
        if source.doi:
            artifact["url"] = f"https://doi.org/{source.doi}"
        elif source.pmid:
            artifact["url"] = f"https://pubmed.ncbi.nlm.nih.gov/{source.pmid}/"
        return artifact


def _require_codes(knowledge: KnowledgeBase, terminology: Terminology) -> None:
    """KnowledgeBaseError naming every word an answer may need that has no code: found at the start, not in a request."""
    needed = {
        "finding": [
            *(finding.id for finding in knowledge.findings), *(cluster.id for cluster in knowledge.published_clusters),
        ],
        "condition": [condition.id for condition in knowledge.conditions],
        "source-pattern": PATTERNS,
        "red-flag": [rule.id for rule in knowledge.red_flags],
        "urgency": URGENCY_ORDER,
        "undecided": get_args(UndecidedCode),
        "service": [
            *(METHOD, CODE, PERFORMER, REFERRAL),
            *(name for referral in knowledge.referrals for name in (referral.service, referral.specialty) if name),
            *(rule.service for rule in knowledge.plan_rules if rule.service),
        ],
        "plan-item": [rule.id for rule in knowledge.plan_rules],
        "plan-kind": PLAN_KINDS,
        "spinal-level": (*SPINAL_LEVELS, NO_LEVEL),
        "combined-stage": [f"stage-{stage}" for stage in STAGES],
        "robustness": get_args(Robustness),
        "combined-primary": ("spine", "hip", "undetermined"),
        "evidence-grade": sorted({rule.evidence for rule in knowledge.plan_rules}),
    }
    missing = [
        Fault("code-invalid", f"{code} has no code in the code system {system_id}", f"codesystems/{system_id}.json")
        for system_id, codes in needed.items()
        for code in codes
        if not terminology.has(terminology.system(system_id), code)
    ]
    if missing:
        raise KnowledgeBaseError(missing)


def _system(prediction: Prediction) -> str:
    return "source-pattern" if prediction.kind == "pattern" else "condition"
