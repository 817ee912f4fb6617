"""Published cases through the public HTTP door, scored against their final diagnosis.

A measuring stick, never a tuning target: no number of the model may be changed because of what this shows.
The mapping from record to form (`data/mapping.csv`) was made by two readers who did not see the diagnoses.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from service.records import dataclass

Resource = dict[str, Any]
DATA = Path(__file__).parent / "data"
DAYS_PER_YEAR = 365.25
URGENCIES = ("emergency", "urgent", "soon", "routine")
PRIORITY_URGENCY = {"stat": "emergency", "asap": "urgent", "urgent": "urgent", "routine": "routine"}
CONFIDENT_PERCENT = 70.0
BENCHMARKS = ("benchmark-vignette", "exam-question")


@dataclass(frozen=True, slots=True)
class PublishedCase:
    """One record: what the form takes of it, and the labels it is scored against.

    `conditions` are ours that the diagnosis names (any of them counts); `fit` says how well: exact, nearest, or none.
    `recorded_flags` are the warning features of the record as a reader of the diagnosis judged them; never sent.
    """

    case: str
    age: float | None
    sex: str
    diagnosis: str
    region: str
    components: tuple[str, ...]
    acceptable: tuple[str, ...]
    conditions: tuple[str, ...]
    fit: str
    urgency: str
    urgency_acceptable: tuple[str, ...]
    recorded_flags: str
    completeness: str
    source_type: str
    answers: dict[str, str]
    facts: int
    unmapped: int

    @property
    def label(self) -> str:
        """The label in the words of the source patterns."""
        if self.region != "both":
            return self.region
        return "hip-and-spine" if set(self.components) == {"hip", "spine"} else "other-combination"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the service said of one case."""

    case: PublishedCase
    pattern: str
    percent: float
    status: str
    urgency: str
    red_flags: tuple[str, ...]
    patterns: dict[str, float]  # percent of every source pattern
    conditions: tuple[str, ...]  # the conditions reported, most probable first
    rationale: str              # what the answer says for and against its leading pattern

    @property
    def strict(self) -> bool:
        return matches(self.case.region, self.pattern, self.case.components)

    @property
    def lenient(self) -> bool:
        return self.strict or any(matches(region, self.pattern, self.case.components) for region in self.case.acceptable)

    @property
    def confidently_wrong(self) -> bool:
        return not self.lenient and self.percent > CONFIDENT_PERCENT

    @property
    def under_triaged(self) -> bool:
        """Less urgent than the least urgent level that counts as right; "soon" counts as routine."""
        return _rank(self.urgency) > max(_rank(urgency) for urgency in (self.case.urgency, *self.case.urgency_acceptable))

    @property
    def over_triaged(self) -> bool:
        return self.case.urgency == "routine" and self.urgency in ("emergency", "urgent")

    def named_within(self, places: int) -> bool:
        """Whether a condition that the diagnosis names is among the first `places` of the answer."""
        return bool(set(self.case.conditions) & set(self.conditions[:places]))


def _rank(urgency: str) -> int:
    return min(URGENCIES.index(urgency), 2)


def matches(region: str, pattern: str, components: tuple[str, ...]) -> bool:
    """Whether a source pattern says what a label says; "both" is hip and spine, or another combination as labelled."""
    if region == "both":
        return pattern == "hip-and-spine" if set(components) == {"hip", "spine"} else pattern == "other-combination"
    return pattern == region


# The part under which the mapping keeps what is a field of the record, as age and sex are, and not one of its facts.
OF_THE_RECORD = "record"


def published_cases() -> list[PublishedCase]:
    """The records with their mapped answers, in file order."""
    answers: dict[str, dict[str, str]] = {}
    facts: dict[str, set[tuple[str, str]]] = {}
    mapped: dict[str, set[tuple[str, str]]] = {}
    for row in rows("mapping.csv"):
        place = (row["part"], row["index"])
        if row["part"] != OF_THE_RECORD:
            facts.setdefault(row["case"], set()).add(place)
        if row["finding_id"] != "unmapped":
            mapped.setdefault(row["case"], set()).add(place)
            answers.setdefault(row["case"], {})[row["finding_id"]] = row["answer"]
    named = {row["case"]: row for row in rows("conditions.csv")}
    flags = {row["case"]: row["flags"] for row in rows("recorded_flags.csv")}
    return [
        PublishedCase(
            case=row["case"],
            age=float(row["age"]) if row["age"] else None,
            sex=row["sex"],
            diagnosis=row["diagnosis"],
            region=row["region"],
            components=_list(row["components"]),
            acceptable=_list(row["acceptable_regions"]),
            conditions=_list(named[row["case"]]["condition_ids"]),
            fit=named[row["case"]]["fit"],
            urgency=row["urgency"],
            urgency_acceptable=_list(row["urgency_acceptable"]),
            recorded_flags=flags.get(row["case"], ""),
            completeness=row["completeness"],
            source_type=row["source_type"],
            answers=answers.get(row["case"], {}),
            facts=len(facts.get(row["case"], ())),
            unmapped=len(facts.get(row["case"], set()) - mapped.get(row["case"], set())),
        )
        for row in rows("cases.csv")
    ]


def submission(case: PublishedCase, questionnaire: Resource, now: datetime | None = None) -> Resource:
    """A Bundle as an EHR would post it: the patient and one completed response to the form."""
    now = now or datetime.now(UTC)
    patient: Resource = {"resourceType": "Patient", "id": case.case}
    if case.sex:
        patient["gender"] = case.sex
    if case.age is not None:
        patient["birthDate"] = (now - timedelta(days=(case.age + 0.5) * DAYS_PER_YEAR)).date().isoformat()
    response = {
        "resourceType": "QuestionnaireResponse",
        "id": f"{case.case}-form",
        "questionnaire": f"{questionnaire['url']}|{questionnaire['version']}",
        "status": "completed",
        "subject": {"reference": f"Patient/{case.case}"},
        "authored": now.isoformat(timespec="seconds"),
        "item": list(_answered(questionnaire["item"], case.answers)),
    }
    entries = [{"resource": patient}, {"resource": response}]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _answered(items: list[Resource], answers: dict[str, str]) -> Iterator[Resource]:
    for item in items:
        if item["type"] == "group":
            inner = list(_answered(item["item"], answers))
            if inner:
                yield {"linkId": item["linkId"], "item": inner}
        elif item["linkId"] in answers:
            yield {"linkId": item["linkId"], "answer": [_value(item, answers[item["linkId"]])]}


def _value(item: Resource, answer: str) -> Resource:
    if item["type"] == "decimal":
        return {"valueDecimal": float(answer)}
    options = [option["valueCoding"] for option in item["answerOption"]]
    wanted = next(option for option in options if answer.lower() in (option["code"], option["display"].lower()))
    return {"valueCoding": wanted}


def read_outcome(case: PublishedCase, assessment: Resource) -> Outcome:
    """What a RiskAssessment says, in the words of the score."""
    patterns = dict(_predictions(assessment, "source-pattern"))
    percents = {code: float(prediction["probabilityDecimal"]) for code, prediction in patterns.items()}
    conditions = {code: float(item["probabilityDecimal"]) for code, item in _predictions(assessment, "condition")}
    pattern = max(percents, key=lambda code: percents[code])
    requests = [item for item in assessment.get("contained", []) if item["resourceType"] == "ServiceRequest"]
    urgencies = [_urgency(request) for request in requests]
    return Outcome(
        case=case,
        pattern=pattern,
        percent=percents[pattern],
        status=assessment["status"],
        urgency=min(urgencies, key=URGENCIES.index, default="routine"),
        red_flags=tuple(_red_flags(assessment)),
        patterns=percents,
        conditions=tuple(sorted(conditions, key=lambda code: -conditions[code])),
        rationale=patterns[pattern]["rationale"],
    )


def _predictions(assessment: Resource, system: str) -> Iterator[tuple[str, Resource]]:
    for prediction in assessment["prediction"]:
        for coding in prediction["outcome"]["coding"]:
            if coding["system"].endswith(f"/CodeSystem/{system}"):
                yield coding["code"], prediction


def _urgency(request: Resource) -> str:
    """Of a proposal: its own word where it has one, since "soon" has no priority of its own in FHIR."""
    for item in request.get("extension", []):
        if item["url"].endswith("/StructureDefinition/urgency"):
            code: str = item["valueCoding"]["code"]
            return code
    return PRIORITY_URGENCY[request["priority"]]


def _red_flags(assessment: Resource) -> Iterator[str]:
    for item in assessment.get("extension", []):
        if item["url"].endswith("/red-flag"):
            yield next(part["valueCoding"]["code"] for part in item["extension"] if part["url"] == "rule")


def evaluate(post: Callable[[Resource], Resource], questionnaire: Resource) -> list[Outcome]:
    """Every published case through `post` (a submission in, a RiskAssessment out)."""
    return [read_outcome(case, post(submission(case, questionnaire))) for case in published_cases()]


def subsets(outcomes: list[Outcome]) -> list[tuple[str, list[Outcome]]]:
    """The groups that are reported apart, each with its name."""
    real = [item for item in outcomes if item.case.source_type not in BENCHMARKS]
    groups = [
        ("all", outcomes),
        ("rich and moderate", [item for item in outcomes if item.case.completeness != "sparse"]),
        ("sparse (5 or fewer facts)", [item for item in outcomes if item.case.completeness == "sparse"]),
        ("real patients", real),
        ("benchmark and exam items", [item for item in outcomes if item not in real]),
    ]
    regions = sorted({item.case.region for item in outcomes})
    return groups + [(f"label `{name}`", [item for item in outcomes if item.case.region == name]) for name in regions]


def report(outcomes: list[Outcome]) -> str:
    """The figures as Markdown, as they are."""
    lines = ["| cases | n | strict | lenient | preliminary | confidently wrong |", "|---|---:|---:|---:|---:|---:|"]
    for name, chosen in subsets(outcomes):
        lines.append(
            f"| {name} | {len(chosen)} | {share(item.strict for item in chosen)} | {share(item.lenient for item in chosen)} "
            f"| {share(item.status == 'preliminary' for item in chosen)} | {sum(item.confidently_wrong for item in chosen)} |"
        )
    facts, unmapped = (sum(getattr(item.case, name) for item in outcomes) for name in ("facts", "unmapped"))
    dangerous = [item for item in outcomes if item.case.urgency in ("emergency", "urgent")]
    routine = [item for item in outcomes if item.case.urgency == "routine"]
    lines += [
        "",
        f"Of {facts} facts in the records {facts - unmapped} have a place in the form and {unmapped} have none. "
        f"Under-triaged: {sum(item.under_triaged for item in outcomes)} of {len(dangerous)} emergency and urgent cases; "
        f"over-triaged: {sum(item.over_triaged for item in routine)} of {len(routine)} routine cases.",
    ]
    return "\n".join(lines)


def share(flags: Iterable[bool]) -> str:
    """How many of them are true, with the percentage: ``12 (40 %)``; ``0`` if there are none at all."""
    held = list(flags)
    return f"{sum(held)} ({100 * sum(held) / len(held):.0f} %)" if held else "0"


def rows(name: str) -> list[dict[str, str]]:
    """The rows of one of the data files of the cases."""
    with (DATA / name).open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def _list(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(";") if part)
