"""An answer that says nothing: no improvement after a trial too short to tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.engine.evidence import observe
from service.engine.model import Answer, Case, Finding, Level, Observable, Qualifier
from service.engine.model import Test as Statement
from service.engine.network import Network, compile_network
from tests.unit.engine.small_knowledge import row, small_knowledge

LONG_ENOUGH = {"any": [{"finding": "visits", "is": ">=4"}, {"finding": "weeks", "is": ">=4"}]}
TRIAL = Qualifier("short", "response", "not better", LONG_ENOUGH, "too short")


@pytest.fixture(scope="module")
def network() -> Network:
    knowledge = small_knowledge(row("L1", "response", "disc", when="=better", when_not="=not better", lr_pos=2.0, lr_neg=0.5))
    response = Finding("response", "response", "treatment-response", "choice", "response", 1, "patient", ("better", "not better"))
    counts = [Finding(id, id, "treatment-response", "quantity", "course", 1, "patient") for id in ("visits", "weeks")]
    observable = Observable(
        "response",
        "response",
        tuple(Level(id, Statement.parse(f"={id}"), 0.5, 0.3, 0.7) for id in ("better", "not better")),
        "expert",
    )
    return compile_network(
        replace(
            knowledge,
            findings=(*knowledge.findings, response, *counts),
            observables=(*knowledge.observables, observable),
            qualifiers=(TRIAL,),
        )
    )


@pytest.mark.parametrize(
    ("answers", "counts"),
    [
        ({"response": "not better"}, True),
        ({"response": "not better", "visits": 2.0}, False),
        ({"response": "not better", "visits": 5.0}, True),
        ({"response": "not better", "visits": 2.0, "weeks": 8.0}, True),
        ({"response": "not better", "visits": 2.0, "weeks": 1.0}, False),
        ({"response": "better", "visits": 2.0}, True),
    ],
)
def test_no_improvement_counts_only_after_a_trial_not_known_to_be_short(network, answers, counts):
    evidence = observe(Case(tuple(Answer(*pair) for pair in answers.items())), network)
    assert ("response" in [item.observable.id for item in evidence.observations]) is counts
    assert ("response" in evidence.without_effect) is not counts
