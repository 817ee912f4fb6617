"""What the bar on rich and moderate cases can and cannot reach: its cases by what stands in the way, each miss by its cause.

A dangerous disease is rare among people with hip pain, and its prior says so; finding it is the task of the red flags and
not of the leading source pattern. The causes of a miss are looked at in the order below, and the first that applies counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from service.evaluation.vignettes import Outcome
from service.records import dataclass

MANY_WITHOUT_PLACE = 1 / 3
ESCALATED = ("emergency", "urgent")


@dataclass(frozen=True, slots=True)
class Reach:
    """Cases of one kind: how many, how many are right, and how many of the others were escalated all the same."""

    name: str
    cases: int
    right: int
    missed_but_escalated: int


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of a miss, and the cases it explains."""

    name: str
    cases: tuple[str, ...]


def _serious(item: Outcome) -> bool:
    return item.case.region == "serious"


def _lead(item: Outcome) -> float:
    return item.percent - item.patterns[item.case.label]


CAUSES: tuple[tuple[str, Callable[[Outcome], bool]], ...] = (
    ("the label is a dangerous disease, whose prior is small by design", _serious),
    ("two regions at once, which are a tenth of the prior together", lambda item: item.case.region == "both"),
    ("the diagnosis is none of our conditions", lambda item: item.case.fit == "none"),
    (
        "a third or more of the facts have no place in the form",
        lambda item: item.case.unmapped >= MANY_WITHOUT_PLACE * item.case.facts,
    ),
    ("the answers tell too little: preliminary, and the label within 15 points of the lead",
     lambda item: item.status == "preliminary" and _lead(item) < 15.0),
    ("the answers speak for another source", lambda _: True),
)


def telling_cases(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The cases of the bar: rich and moderate ones."""
    return [item for item in outcomes if item.case.completeness != "sparse"]


def reaches(outcomes: Iterable[Outcome]) -> list[Reach]:
    """The cases of the bar by what a leading source pattern could say of them."""
    telling = telling_cases(outcomes)
    groups = (
        ("label `serious`: a matter of red flags", [item for item in telling if _serious(item)]),
        ("two regions at once", [item for item in telling if item.case.region == "both"]),
        ("one region, benign", [item for item in telling if item.case.region not in ("serious", "both")]),
        ("all", telling),
    )
    return [
        Reach(
            name,
            len(chosen),
            sum(item.lenient for item in chosen),
            sum(not item.lenient and item.urgency in ESCALATED for item in chosen),
        )
        for name, chosen in groups
    ]


def causes_of_misses(outcomes: Iterable[Outcome]) -> list[Cause]:
    """Every miss of the bar under the first cause that applies."""
    left = [item for item in telling_cases(outcomes) if not item.lenient]
    found = []
    for name, applies in CAUSES:
        found.append(Cause(name, tuple(item.case.case for item in left if applies(item))))
        left = [item for item in left if not applies(item)]
    return found


def expected_right(outcomes: Iterable[Outcome]) -> float:
    """How many leading patterns would be right if every case were as the model believes: the sum of their probabilities."""
    return sum(item.percent for item in telling_cases(outcomes)) / 100.0


def mean_answers(outcomes: Iterable[Outcome]) -> float:
    """Answers per case of the bar."""
    telling = telling_cases(outcomes)
    return sum(len(item.case.answers) for item in telling) / len(telling) if telling else 0.0
