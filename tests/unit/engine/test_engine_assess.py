"""What an assessment proposes, on the published tables."""

from __future__ import annotations

import pytest

from service.composition.parts import Service
from service.engine.assess import Engine
from service.engine.model import Answer, Case


@pytest.fixture
def engine(service: Service) -> Engine:
    return service.parts.engine


@pytest.mark.parametrize("case", [Case(), Case(age_years=70.0, sex="male")], ids=["nothing", "age and sex alone"])
def test_nobody_is_referred_for_what_only_the_prior_says(engine: Engine, case: Case) -> None:
    result = engine.assess(case)
    assert result.recommendations == () and result.urgency == "routine"
    assert "no-findings" in {reason.code for reason in result.undecided} and result.next_findings


def test_a_single_red_flag_refers(engine: Engine) -> None:
    result = engine.assess(Case((Answer("saddle_anaesthesia", True),)))
    assert result.urgency == "emergency"
    assert {one.referral.id for one in result.recommendations} >= {"emergency-department"}
