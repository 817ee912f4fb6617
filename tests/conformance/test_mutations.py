"""What other validators reject, ours rejects too: broken requests and answers, each requirement and each rule of a profile."""

from __future__ import annotations

import pytest
from conformance.mutations import bases, mutations
from conformance.tools import Tools
from conformance.verdicts import PAGE, Row, rows, with_table
from support.servers import LiveServer

AT_LEAST = 60
REQUIREMENTS = {f"R{number}" for number in (13, 14, 16, 17, 18, 20, 21, 22, 23, 24)}

Judged = tuple[list[Row], dict[str, list[str]]]


@pytest.fixture(scope="module")
def judged_rows(tools: Tools, live_server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return rows(tools, live_server.url, tmp_path_factory.mktemp("mutations"))


def test_there_is_a_mutation_of_each_requirement_and_each_is_unlike_the_others() -> None:
    made = mutations()
    assert len(made) >= AT_LEAST
    assert {mutation.rule.split()[0] for mutation in made} >= REQUIREMENTS
    assert len({mutation.name for mutation in made}) == len({mutation.text for mutation in made}) == len(made)


def test_nobody_has_anything_against_what_the_mutations_start_from(judged_rows: Judged) -> None:
    assert {name: said for name, said in judged_rows[1].items() if said} == {}
    assert set(judged_rows[1]) == set(bases())


def test_R13_to_R24_what_any_other_validator_rejects_ours_rejects(judged_rows: Judged) -> None:
    lax = [f"{row.mutation.name}: accepted here, rejected by {', '.join(row.lax)}" for row in judged_rows[0] if row.lax]
    assert not lax, "\n".join(lax)


def test_every_mutation_is_rejected_here(judged_rows: Judged) -> None:
    assert [row.mutation.name for row in judged_rows[0] if not row.ours] == []


def test_the_table_of_verdicts_is_up_to_date(judged_rows: Judged) -> None:
    """Mend it with: python -m tests.conformance.verdicts"""
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page, judged_rows[0]) == page
