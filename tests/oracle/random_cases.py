"""Random cases for comparing the two implementations: same seed, same cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from plain_engine import AGE_BANDS, PlainEngine, Value, read, split_bound

from service.engine.model import Answer, Case

DEMOGRAPHIC = ("age_band", "sex")


@dataclass
class RandomCase:
    """Answers by finding, with age in years and sex where known."""

    answers: dict[str, Value] = field(default_factory=dict)
    age: float | None = None
    sex: str | None = None

    def for_engine(self) -> Case:
        answers = tuple(Answer(finding, value) for finding, value in self.answers.items())
        return Case(answers=answers, age_years=self.age, sex=self.sex)  # type: ignore[arg-type]


def possible_answers(plain: PlainEngine) -> dict[str, list[Value]]:
    """What can be answered to each finding: every choice, and for numbers every bound and both of its sides."""
    possible: dict[str, list[Value]] = {}
    for row in read("findings.csv", plain.directory):
        finding = row["id"]
        if row["answer_type"] == "boolean":
            possible[finding] = [True, False]
        elif row["answer_type"] == "choice":
            possible[finding] = list(row["choices"].split("|"))
        else:
            statements = [s for name in plain.observables_of[finding] for s in plain.observables[name].statements]
            bounds = {split_bound(part)[1] for statement in statements for part in statement.split()}
            numbers = {bound + step for bound in bounds for step in (-1.0, -0.5, 0.0, 0.5, 1.0)}
            lowest, highest = float(row["minimum"] or 0), float(row["maximum"] or 1e9)
            possible[finding] = sorted(value for value in numbers if lowest <= value <= highest)
    return possible


def random_cases(plain: PlainEngine, count: int, seed: int) -> Iterator[RandomCase]:
    """`count` cases: few answers mostly, sometimes every one; age, sex, both or neither."""
    random = Random(seed)
    possible = possible_answers(plain)
    findings = [finding for finding in plain.findings if finding not in DEMOGRAPHIC]
    clusters: dict[str, list[str]] = {}
    for finding in findings:
        clusters.setdefault(plain.dependency_group[finding], []).append(finding)
    for _ in range(count):
        kind = random.random()
        if kind < 0.70:
            chosen = random.sample(findings, random.randint(0, 12))
        elif kind < 0.95:  # whole dependency groups, where leaders and clusters matter
            groups = random.sample(sorted(clusters), random.randint(1, 4))
            chosen = [finding for group in groups for finding in clusters[group] if random.random() < 0.7]
        else:
            chosen = [finding for finding in findings if random.random() < 0.9]
        random.shuffle(chosen)
        answers = {finding: random.choice(possible[finding]) for finding in chosen}
        age = random.choice([None, 17.9, 18.0, 39.99, 70.0, round(random.uniform(18, 95), 1)])
        sex = random.choice([None, "female", "male"])
        case = RandomCase(answers, age, sex)
        if random.random() < 0.2:  # only the form knows, or it disagrees with the record
            case.answers["age_band"] = random.choice([name for _, name in AGE_BANDS])
            case.answers["sex"] = random.choice(["female", "male"])
        yield case
