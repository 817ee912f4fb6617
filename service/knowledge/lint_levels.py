"""Rules on the tables of spinal levels and of the stages of the combined pattern."""

from __future__ import annotations

from collections.abc import Iterator

from service.engine.model import STAGES
from service.errors import Fault
from service.knowledge.lint_evidence import SUM_TOLERANCE, fault, ids, levels_of
from service.knowledge.schema import Row, Tables

COMBINED_CONSTANTS = (
    "combined_marginal_from", "combined_both_from", "combined_primary_spine", "combined_primary_weight",
    "combined_primary_named_from",
)
LARGEST_RATIO_CAP = "lr_pos_cap"


def level_and_stage_rows_are_sound(tables: Tables) -> Iterator[Fault]:
    """Unique ids, known sources, numbers inside their limits."""
    known = ids(tables.sources)
    for name, rows in (
        ("levels.csv", tables.levels), ("level_findings.csv", tables.level_findings), ("stages.csv", tables.stages),
    ):
        seen: set[str] = set()
        for row in rows:
            if row["row_id"] in seen:
                yield fault(name, row["row_id"], "the id is used twice.", "row_id")
            seen.add(row["row_id"])
            if row["source_id"] not in known:
                yield fault(name, row["row_id"], f"there is no source {row['source_id']!r}.", "source_id")
            if not row["p_low"] <= row["p"] <= row["p_high"]:
                yield fault(name, row["row_id"], "the number lies outside its limits.", "p")
            if not 0.0 < row["p"] < 1.0:
                yield fault(name, row["row_id"], "the number is 0 or 1.", "p")


def shares_are_distributions(tables: Tables) -> Iterator[Fault]:
    conditions = ids(tables.conditions)
    by_condition: dict[str, list[Row]] = {}
    for row in tables.levels:
        by_condition.setdefault(row["condition_id"], []).append(row)
    for condition, rows in by_condition.items():
        if condition not in conditions:
            yield fault("levels.csv", rows[0]["row_id"], f"there is no condition {condition!r}.", "condition_id")
        if len(ids(rows, "part")) > 1:
            yield fault("levels.csv", condition, "a level of one condition is a root or a segment, not both.", "part")
        if len(ids(rows, "level")) < len(rows):
            yield fault("levels.csv", condition, "names a level twice.", "level")
        total = sum(row["p"] for row in rows)
        if abs(total - 1.0) > SUM_TOLERANCE:
            yield fault("levels.csv", condition, f"the shares sum to {total:g}, not to 1.", "p")


def level_rates_fit_the_findings(tables: Tables) -> Iterator[Fault]:
    kinds = {row["id"]: row["answer_type"] for row in tables.findings}
    background = {row["observable_id"]: row["p"] for row in tables.background_rates}
    cap = next((row["value"] for row in tables.model if row["id"] == LARGEST_RATIO_CAP), None)
    groups: dict[str, str] = {}
    seen: set[tuple[str, str, str]] = set()
    name = "level_findings.csv"
    for row in tables.level_findings:
        finding = row["finding_id"]
        if kinds.get(finding) != "boolean":
            yield fault(name, row["row_id"], f"there is no yes/no finding {finding!r}.", "finding_id")
            continue
        if groups.setdefault(finding, row["group"]) != row["group"]:
            yield fault(name, row["row_id"], "a finding has one group.", "group")
        if (key := (finding, row["part"], row["level"])) in seen:
            yield fault(name, row["row_id"], "the level has a rate already.", "level")
        seen.add(key)
        if finding in background and cap is not None and row["p"] > cap * background[finding]:
            yield fault(name, row["row_id"], "more than the cap times the background rate.", "p")


def stages_are_distributions(tables: Tables) -> Iterator[Fault]:
    """Each prior and each observable has a number for every stage, and every level of it one."""
    name = "stages.csv"
    if not tables.stages:
        return
    known = levels_of(tables)
    given: dict[str, list[Row]] = {}
    rates: dict[str, list[Row]] = {}
    for row in tables.stages:
        if bool(row["given"]) == bool(row["observable_id"]):
            yield fault(name, row["row_id"], "a row is a prior or a rate: given, or observable_id.", "given")
        elif row["given"]:
            given.setdefault(row["given"], []).append(row)
        else:
            rates.setdefault(row["observable_id"], []).append(row)
    for event in ("hip-and-spine", "spine"):
        rows = given.get(event, [])
        if sorted(row["stage"] for row in rows) != list(STAGES) or abs(sum(row["p"] for row in rows) - 1.0) > SUM_TOLERANCE:
            yield fault(name, event, "needs a probability per stage that sum to 1.", "p")
    for observable_id, rows in rates.items():
        if observable_id not in known:
            yield fault(name, rows[0]["row_id"], f"there is no observable {observable_id!r}.", "observable_id")
            continue
        levels = [row["level"] for row in known[observable_id]]
        binary = levels in (["present"], ["present", "absent"])
        wanted = ["present"] if binary else levels
        if sorted((row["level"], int(row["stage"])) for row in rows) != sorted((one, s) for one in wanted for s in STAGES):
            yield fault(name, observable_id, f"needs one rate per stage of {', '.join(wanted)}.", "level")
        elif not binary:
            for stage in STAGES:
                total = sum(row["p"] for row in rows if row["stage"] == stage)
                if abs(total - 1.0) > SUM_TOLERANCE:
                    yield fault(name, observable_id, f"the levels sum to {total:g} in stage {stage}, not to 1.", "p")
        if len(ids(rows, "quality")) > 1:
            yield fault(name, observable_id, "the rows of one observable have one quality.", "quality")
    constants = ids(tables.model)
    for constant in COMBINED_CONSTANTS:
        if constant not in constants:
            yield fault("model.csv", constant, "is missing.")


LEVEL_RULES = (level_and_stage_rows_are_sound, shares_are_distributions, level_rates_fit_the_findings, stages_are_distributions)
