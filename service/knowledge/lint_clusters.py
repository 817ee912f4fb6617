"""Rules on the table of published clusters."""

from __future__ import annotations

from collections.abc import Iterator

from service.engine.model import Test
from service.errors import Fault
from service.knowledge.lint_evidence import fault, ids, level_set, levels_of
from service.knowledge.schema import Row, Tables

NAME = "clusters.csv"
SAME = ("label", "items", "target_id")


def clusters_point_at_known_things(tables: Tables) -> Iterator[Fault]:
    """Known target, comparator and source, row ids that no likelihood has, both ratios."""
    conditions = {row["id"] for row in tables.conditions if row["region"] not in ("both", "other")}
    compared, sources = conditions | ids(tables.groups), ids(tables.sources)
    taken = ids(tables.likelihoods, "row_id")
    for row in tables.clusters:
        name = row["row_id"]
        if name in taken:
            yield fault(NAME, name, "the id is used twice.", "row_id")
        taken.add(name)
        if row["target_id"] not in conditions:
            yield fault(NAME, name, f"there is no condition {row['target_id']!r}.", "target_id")
        if bool(row["comparator_id"]) != (row["comparator_kind"] == "condition") or (
            row["comparator_id"] and row["comparator_id"] not in compared
        ):
            yield fault(NAME, name, "a condition or group of ours, exactly where the kind says so.", "comparator_id")
        if row["source_id"] not in sources:
            yield fault(NAME, name, f"there is no source {row['source_id']!r}.", "source_id")
        if not row["lr_pos"] or not row["lr_neg"]:
            yield fault(NAME, name, "needs both ratios; what one alone implies of the other was not published.", "lr_neg")


def clusters_are_countable(tables: Tables) -> Iterator[Fault]:
    """Rows of a cluster agree on it; items are findings with one observable; statements cut the number of items met."""
    findings = {row["id"]: row for row in tables.findings}
    levels = levels_of(tables)
    counted = {part for row in tables.findings for part in (*row["parts"], *([row["id"]] if row["parts"] else []))}
    first: dict[str, Row] = {}
    used: dict[tuple[str, str], str] = {}
    for row in tables.clusters:
        name, leader = row["row_id"], first.setdefault(row["cluster_id"], row)
        if any(row[column] != leader[column] for column in SAME):
            yield fault(NAME, name, "the rows of a cluster have one label, target and list of items.", "items")
        for item in row["items"]:
            finding_id, _, text = item.partition(" ")
            owner = used.setdefault((row["target_id"], finding_id), row["cluster_id"])
            if finding_id not in findings or finding_id not in levels:
                yield fault(NAME, name, f"there is no finding {finding_id!r} with one observable.", "items")
            elif finding_id in counted:
                yield fault(NAME, name, f"{finding_id} is counted in another way.", "items")
            elif owner != row["cluster_id"]:
                yield fault(NAME, name, f"{finding_id} speaks for {row['target_id']} in {owner} already.", "items")
            elif not _is_statement(text) or not level_set(Test.parse(text), findings[finding_id], levels[finding_id]):
                yield fault(NAME, name, f"{text!r} is no union of levels of {finding_id}.", "items")
        inside = {row["when"].holds(float(count)) for count in range(len(row["items"]) + 1)} if row["when"].bounds else set()
        if inside != {True, False}:
            yield fault(NAME, name, "must be true of some numbers of items met and false of others.", "when")


def _is_statement(text: str) -> bool:
    try:
        Test.parse(text)
    except ValueError:
        return False
    return True


CLUSTER_RULES = (clusters_point_at_known_things, clusters_are_countable)
