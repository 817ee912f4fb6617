"""Published direction against the model's, row by row: a row that says "more common with the target" should be so in the model.

The model asks P(statement | target) > P(statement | not target) among all presentations, the paper among its own comparators,
so the two may differ. Every difference is listed with its reason in `direction_exceptions.csv`; a stale entry fails as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from pathlib import Path

import pytest
from plain_engine import HIP_SPINE, PlainEngine, number, read

EXCEPTIONS = Path(__file__).with_name("direction_exceptions.csv")
INDIFFERENT = 1e-9


@dataclass(frozen=True)
class Direction:
    """One row's statement: +1 where the target makes it commoner, -1 where rarer."""

    row_id: str
    observable_id: str
    target_id: str
    role: str
    published: int
    with_target: float
    without_target: float

    @property
    def modelled(self) -> int:
        gap = self.with_target - self.without_target
        return 0 if abs(gap) < INDIFFERENT else 1 if gap > 0 else -1


def sign(value: float) -> int:
    return (value > 0) - (value < 0)


def published_direction(row: dict[str, str]) -> int:
    """0 if the row gives no direction: no ratio, a ratio of 1, or two ratios that contradict each other."""
    lr_pos, lr_neg = number(row["lr_pos"]), number(row["lr_neg"])
    sensitivity, specificity = number(row["sensitivity"]), number(row["specificity"])
    if lr_pos is not None and lr_neg is not None:
        return sign(lr_pos - lr_neg)
    if lr_pos is not None:
        return sign(lr_pos - 1.0)
    if lr_neg is not None:
        return sign(1.0 - lr_neg)
    if sensitivity is not None and specificity is not None:
        return sign(sensitivity + specificity - 1.0)
    return 0


def statement_masses(plain: PlainEngine, row: dict[str, str]) -> tuple[list[float], list[float]]:
    """Per set: P(set) and P(set and the row's statement), before anything else is known."""
    levels = plain.levels_where_true(row)
    observable = plain.observables[row["observable_id"]]
    prior = plain.prior(None, None)
    if row["finding_id"] not in ("age_band", "sex"):
        return prior, [p * fsum(plain.rates_in_set(observable.id, i)[level] for level in levels) for i, p in enumerate(prior)]
    joint = []  # age and sex multiply the prior of a set by the product of its members' ratios
    for level in range(len(observable.names)):
        joint.append([])
        for members, p in zip(plain.sets, prior, strict=True):
            weight = p * observable.background[level]
            for member in members:
                weight *= plain.rates_of(member, observable.id)[level] / observable.background[level]
            joint[level].append(weight)
    sets = [fsum(each) for each in zip(*joint, strict=True)]
    return sets, [fsum(joint[level][i] for level in levels) for i in range(len(prior))]


def target_sets(plain: PlainEngine, target: str) -> list[bool]:
    if target == HIP_SPINE:
        return plain.hip_and_spine
    wanted = set(plain.groups.get(target, [target]))
    return [bool(wanted & set(members)) for members in plain.sets]


def directions(plain: PlainEngine) -> list[Direction]:
    """Every input and check row that has a published direction and something for the model to say."""
    found = []
    masses: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    for row in read("likelihoods.csv", plain.directory):
        published = 0 if row["role"] == "unusable" or not row["when"] or row["when"] == "unusable" else published_direction(row)
        if published == 0 or row["observable_id"] not in plain.observables:
            continue
        key = (row["observable_id"], row["when"])
        if key not in masses:
            masses[key] = statement_masses(plain, row)
        sets, joint = masses[key]
        inside = target_sets(plain, row["target_id"])
        target, total = fsum(p for p, i in zip(sets, inside, strict=True) if i), fsum(sets)
        both = fsum(p for p, i in zip(joint, inside, strict=True) if i)
        found.append(Direction(
            row["row_id"], row["observable_id"], row["target_id"], row["role"], published,
            both / target, (fsum(joint) - both) / (total - target),
        ))
    return found


@pytest.fixture(scope="module")
def differing(plain: PlainEngine) -> dict[str, Direction]:
    return {each.row_id: each for each in directions(plain) if each.modelled != each.published}


def listed() -> dict[str, dict[str, str]]:
    return {row["row_id"]: row for row in read(EXCEPTIONS.name, EXCEPTIONS.parent)}


def test_every_row_whose_published_direction_differs_is_listed(differing: dict[str, Direction]) -> None:
    unlisted = [each for row_id, each in differing.items() if row_id not in listed()]
    assert not unlisted, "\n".join(str(each) for each in unlisted)


def test_no_listed_row_agrees_by_now(differing: dict[str, Direction]) -> None:
    assert sorted(set(listed()) - set(differing)) == []


def test_every_listed_row_says_why_and_what_the_model_says(differing: dict[str, Direction]) -> None:
    words = {1: "commoner", -1: "rarer", 0: "equal"}
    for row_id, entry in listed().items():
        each = differing[row_id]
        assert (entry["target_id"], entry["role"]) == (each.target_id, each.role), row_id
        assert (entry["published"], entry["modelled"]) == (words[each.published], words[each.modelled]), row_id
        assert len(entry["reason"].split()) >= 4, row_id
