"""The engine against the plain implementation: same tables, same cases, different code."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose

import pytest
from plain_engine import HIP_SPINE, PlainEngine
from random_cases import RandomCase, possible_answers, random_cases
from support.summary import posterior_summary

from service.engine.network import Network

TOLERANCE = 1e-9


def differences(case: RandomCase, plain: PlainEngine, network: Network) -> list[str]:
    """Every probability on which the two disagree, named with both values."""
    summary = posterior_summary(case.for_engine(), network)
    posterior = plain.posterior(case.answers, case.age, case.sex)
    return [
        f"{target}: engine {theirs.get(target)!r}, plain {value!r}"
        for theirs, ours in (
            (summary.conditions, plain.condition_marginals(posterior)),
            (summary.patterns, plain.patterns(posterior)),
        )
        for target, value in ours.items()
        if not isclose(theirs.get(target, -1.0), value, rel_tol=0.0, abs_tol=TOLERANCE)
    ]


def smallest(case: RandomCase, plain: PlainEngine, network: Network) -> RandomCase:
    """The disagreeing case with every answer removed that the disagreement does not need."""
    for finding in list(case.answers):
        fewer = RandomCase({k: v for k, v in case.answers.items() if k != finding}, case.age, case.sex)
        if differences(fewer, plain, network):
            case = fewer
    for bare in (RandomCase(case.answers, None, case.sex), RandomCase(case.answers, case.age, None), RandomCase(case.answers)):
        if differences(bare, plain, network):
            case = bare
    return case


def report(case: RandomCase, plain: PlainEngine, network: Network) -> str:
    least = smallest(case, plain, network)
    return f"{least}\n" + "\n".join(differences(least, plain, network))


def test_engine_and_plain_python_agree_on_3000_random_cases(plain: PlainEngine, network: Network) -> None:
    disagreeing = (case for case in random_cases(plain, 3000, seed=20) if differences(case, plain, network))
    first = next(disagreeing, None)
    assert first is None, report(first, plain, network)


def test_engine_and_plain_python_agree_on_every_single_answer(plain: PlainEngine, network: Network) -> None:
    """Small effects of rare findings cannot hide among others here."""
    cases = [RandomCase({finding: value}) for finding, values in possible_answers(plain).items() for value in values]
    disagreeing = [case for case in cases if differences(case, plain, network)]
    assert not disagreeing, "\n".join(report(case, plain, network) for case in disagreeing[:10])


@pytest.mark.parametrize("sex", [None, "female", "male"])
@pytest.mark.parametrize("age", [None, 0.0, 17.99, 18.0, 39.99, 40.0, 49.99, 50.0, 59.99, 60.0, 69.99, 70.0, 104.0])
def test_engine_and_plain_python_agree_on_the_prior_at_every_age_limit(
    plain: PlainEngine, network: Network, age: float | None, sex: str | None
) -> None:
    assert differences(RandomCase({}, age, sex), plain, network) == []


def test_engine_reports_exactly_the_conditions_and_patterns_that_the_tables_name(plain: PlainEngine, network: Network) -> None:
    summary = posterior_summary(RandomCase().for_engine(), network)
    posterior: Mapping[str, float] = plain.patterns(plain.posterior({}))
    assert set(summary.conditions) == {*plain.conditions, HIP_SPINE}
    assert set(summary.patterns) == set(posterior)
