"""Nothing of the table that the maps were made from is lost: every row is a target, an unmatched concept, or says why not.

`tests/data/code_table.csv` holds that table: concept, system, code and wording as verified, how the code relates to that
concept, and how far it is verified. Our findings and conditions are not its concepts one by one, so a target may relate to
ours otherwise than the code relates to the table's concept; then it says how it differs.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
VERIFICATION = "https://hipspine.example/fhir/StructureDefinition/verification"


def rows() -> list[dict[str, str]]:
    with (ROOT / "tests" / "data" / "code_table.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def targets() -> dict[tuple[str, str], list[tuple[str, dict[str, Any]]]]:
    """(system, code) -> every (our concept, target) that leads there; ("", concept) -> what a concept of ours leads to."""
    found: dict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for path in sorted((ROOT / "terminology" / "conceptmaps").glob("*.json")):
        for group in json.loads(path.read_text(encoding="utf-8"))["group"]:
            for element in group["element"]:
                concept = f"{group['source'].rsplit('/', 1)[1]}/{element['code']}"
                for target in element["target"]:
                    found["", concept].append((group["target"], target))
                    if "code" in target:
                        found[group["target"], target["code"]].append((concept, target))
    return found


@cache
def concepts() -> set[str]:
    return {
        f"{path.stem}/{concept['code']}"
        for path in (ROOT / "terminology" / "codesystems").glob("*.json")
        for concept in json.loads(path.read_text(encoding="utf-8"))["concept"]
    }


CODED = [row for row in rows() if row["code"] and not row["unused"]]
LOCAL = [row for row in rows() if not row["code"]]


def test_the_table_is_whole() -> None:
    """As many rows of each kind as the table had, so that a row cannot be dropped with its concept."""
    assert len(rows()) == 379 and len({row["concept"] for row in rows()}) == 250
    assert len([row for row in rows() if row["system"] == "http://snomed.info/sct"]) == 177
    assert len([row for row in rows() if row["system"] == "http://hl7.org/fhir/sid/icd-10-cm"]) == 111
    assert len([row for row in rows() if row["system"] == "http://loinc.org"]) == 22
    assert len(LOCAL) == 44
    assert [row["verified"] for row in rows()].count("yes") == 260


@pytest.mark.parametrize("row", CODED, ids=lambda row: f"{row['concept']}-{row['code']}")
def test_a_coded_row_is_a_target_with_its_wording_and_verification(row: dict[str, str]) -> None:
    leads = targets().get((row["system"], row["code"]), [])
    assert leads, "no map leads to this code"
    verified = {one["verified"] for one in CODED if (one["system"], one["code"]) == (row["system"], row["code"])}
    for concept, target in leads:
        assert target["display"] in {
            one["display"] for one in CODED if (one["system"], one["code"]) == (row["system"], row["code"])
        }, concept
        assert {one["valueCode"] for one in target["extension"] if one["url"] == VERIFICATION} <= verified, concept


@pytest.mark.parametrize("row", CODED, ids=lambda row: f"{row['concept']}-{row['code']}")
def test_the_equivalence_of_a_row_is_kept_or_the_target_says_how_our_concept_differs(row: dict[str, str]) -> None:
    leads = targets()[row["system"], row["code"]]
    if all(target["equivalence"] != row["equivalence"] for _, target in leads):
        for concept, target in leads:
            said = target.get("comment", "").removeprefix("Outside the Global Patient Set.").strip()
            assert said, (concept, row["equivalence"], target["equivalence"])


@pytest.mark.parametrize("row", LOCAL, ids=lambda row: row["concept"])
def test_a_row_without_a_code_is_a_concept_of_ours_that_no_code_stands_for(row: dict[str, str]) -> None:
    assert row["verified"] == "no-code"
    assert row["ours"] in concepts()
    for system, target in targets().get(("", row["ours"]), []):
        assert target["equivalence"] not in ("equal", "equivalent"), (system, target.get("code"))
        if target["equivalence"] == "unmatched":
            assert "stays local" in target["comment"]


def test_rows_that_are_not_mapped_say_why() -> None:
    unused = [row for row in rows() if row["unused"]]
    assert {row["concept"] for row in unused} == {
        "priority-asap", *(f"risk-{name}" for name in ("negligible", "low", "moderate", "high", "certain")),
        *(f"obs-category-{name}" for name in ("exam", "survey", "imaging")),
    }
    assert all((row["system"], row["code"]) not in targets() for row in unused)


def test_every_code_of_the_maps_is_in_the_table_but_for_three() -> None:
    """The three were read in the R4 vital signs profile and in examples of the standard, and say so."""
    known = {(row["system"], row["code"]) for row in rows() if row["code"]}
    systems = ("http://snomed.info/sct", "http://loinc.org", "http://hl7.org/fhir/sid/icd-10-cm")
    public = {(system, code) for system, code in targets() if system in systems}
    assert {code for system, code in public - known} == {"75325-1", "404684003", "8310-5"}
