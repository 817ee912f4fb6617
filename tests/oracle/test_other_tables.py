"""The two implementations on knowledge bases that nobody shipped: agreement must not hang on the numbers of today.

Ratios, grades and comparators of the shipped likelihoods are changed at random, so that branches which few rows take today
(one ratio alone, a group as comparator, the caps) are taken by many.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from random import Random

import pytest
from plain_engine import TABLES, PlainEngine, read
from random_cases import RandomCase, possible_answers, random_cases
from test_engine_agrees import differences, report

from service.engine.network import compile_network
from service.knowledge.load import load_knowledge_base


def changed_tables(directory: Path, seed: int) -> Path:
    """A copy of the shipped tables with other likelihoods."""
    random = Random(seed)
    shutil.copytree(TABLES, directory)
    rows = read("likelihoods.csv", directory)
    plain = PlainEngine(directory)
    compared = [*plain.conditions, *(group for group, members in plain.groups.items() if len(members) > 3)]
    for row in (row for row in rows if row["role"] == "input"):
        for ratio in ("lr_pos", "lr_neg"):
            if row["lr_pos"] and row["lr_neg"] and random.random() < 0.25:
                row[ratio] = ""
            if row[ratio]:
                row[ratio] = f"{float(row[ratio]) * random.uniform(0.4, 2.5):.4f}"
            row[f"{ratio}_low"] = row[f"{ratio}_high"] = ""
        row["quality"], row["confidence"] = random.choice("ABCD"), random.choice(["high", "low"])
        if (row["lr_pos"] or row["lr_neg"]) and random.random() < 0.25:
            row["comparator_kind"] = "condition"
            row["comparator_id"] = random.choice([each for each in compared if each != row["target_id"]])
    with (directory / "likelihoods.csv").open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return directory


@pytest.mark.parametrize("seed", range(4))
def test_both_agree_on_tables_with_other_likelihoods(tmp_path: Path, seed: int) -> None:
    directory = changed_tables(tmp_path / "tables", seed)
    plain, network = PlainEngine(directory), compile_network(load_knowledge_base(directory))
    cases = [RandomCase({finding: value}) for finding, values in possible_answers(plain).items() for value in values]
    disagreeing = [case for case in (*cases, *random_cases(plain, 200, seed=seed)) if differences(case, plain, network)]
    assert not disagreeing, report(disagreeing[0], plain, network)
