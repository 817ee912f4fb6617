"""Rules on background rates and likelihoods, and what all rules share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from service.engine.model import Test
from service.errors import Fault
from service.knowledge.schema import Row, Tables

SUM_TOLERANCE = 1e-6
SET_LEVEL_TARGETS = ("hip_spine_syndrome",)  # an event over the modelled conditions, not one of them
EXPERT_SOURCE = "expert-judgement"


def fault(table: str, row: str, message: str, column: str = "") -> Fault:
    return Fault("business-rule", message, where=f"{table} row {row}" + (f" column {column}" if column else ""))


def ids(rows: Iterable[Row], key: str = "id") -> set[str]:
    return {row[key] for row in rows}


# --- observables -------------------------------------------------------------------------------------------------


def every_finding_has_background_rates(tables: Tables) -> Iterator[Fault]:
    known, rated = ids(tables.findings), ids(tables.background_rates, "finding_id")
    for finding in sorted(rated - known):
        yield fault("background_rates.csv", finding, "there is no such finding.", "finding_id")
    for finding in sorted(known - rated):
        yield fault("findings.csv", finding, "has no background rate.")


def levels_are_exclusive_and_sum_to_one(tables: Tables) -> Iterator[Fault]:
    kinds = {row["id"]: row for row in tables.findings}
    for observable_id, rows in levels_of(tables).items():
        finding = kinds.get(rows[0]["finding_id"])
        if finding is None:
            continue
        name = "background_rates.csv"
        if observable_id.partition(":")[0] != rows[0]["finding_id"] or len(ids(rows, "finding_id")) > 1:
            yield fault(name, observable_id, "the id is the finding's, with :part where there are several.", "observable_id")
        for row in rows:
            if not row["p_low"] <= row["p"] <= row["p_high"] or not 0.0 < row["p"] < 1.0:
                yield fault(name, observable_id, f"the rate of {row['level']} is 0, 1 or outside its limits.", "p")
            if not set(row["when"].choices) <= set(finding["choices"]):
                yield fault(name, observable_id, f"{row['when'].text} names no choice of the finding.", "when")
        if finding["answer_type"] == "boolean":
            if [(row["level"], row["when"].text) for row in rows] != [("present", "true")]:
                yield fault(name, observable_id, "a yes/no finding has one row: present, true.", "level")
            continue
        if len(rows) < 2 or len(ids(rows, "level")) < len(rows):
            yield fault(name, observable_id, "needs two or more levels with different names.", "level")
        total = sum(row["p"] for row in rows)
        if abs(total - 1.0) > SUM_TOLERANCE:
            yield fault(name, observable_id, f"the levels sum to {total:g}, not to 1.", "p")
        for answer in telling_answers(finding, rows):
            true = [row["level"] for row in rows if row["when"].holds(answer)]
            if len(true) > 1:
                yield fault(name, observable_id, f"the answer {answer!r} is both {' and '.join(true)}.", "when")


def levels_of(tables: Tables) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in tables.background_rates:
        found.setdefault(row["observable_id"], []).append(row)
    return found


def telling_answers(finding: Row, levels: Iterable[Row]) -> tuple[bool | str | float, ...]:
    """Answers that tell every statement about the finding apart: all of them, or both sides of every bound."""
    if finding["answer_type"] == "boolean":
        return (True, False)
    if finding["answer_type"] == "choice":
        return tuple(finding["choices"])
    limits = {limit for limit in (finding["minimum"], finding["maximum"]) if limit is not None}
    bounds = {bound for row in levels for _, bound in row["when"].bounds} | limits
    points = {point for bound in bounds for point in (bound - 0.25, bound, bound + 0.25)}
    return tuple(sorted(point for point in points if not limits or min(limits) <= point <= max(limits)))


# --- likelihoods -------------------------------------------------------------------------------------------------


def likelihoods_point_at_known_things(tables: Tables) -> Iterator[Fault]:
    findings = ids(tables.findings)
    conditions = ids(tables.conditions)
    targets = conditions | ids(tables.groups)
    observables = {name: rows[0]["finding_id"] for name, rows in levels_of(tables).items()}
    for row in tables.likelihoods:
        name = row["row_id"]
        if row["finding_id"] not in findings:
            yield fault("likelihoods.csv", name, f"there is no finding {row['finding_id']!r}.", "finding_id")
        elif observables.get(row["observable_id"]) != row["finding_id"]:
            yield fault("likelihoods.csv", name, f"{row['observable_id']!r} is no observable of the finding.", "observable_id")
        if row["target_id"] not in targets:
            yield fault("likelihoods.csv", name, f"there is no condition or group {row['target_id']!r}.", "target_id")
        comparator = row["comparator_id"]
        if (row["comparator_kind"] == "condition") != bool(comparator):
            yield fault("likelihoods.csv", name, "kind condition, and no other, names a condition or group.", "comparator_id")
        elif comparator and (comparator not in targets or comparator == row["target_id"]):
            yield fault("likelihoods.csv", name, f"{comparator!r} is unknown or the target itself.", "comparator_id")
        if (row["source_kind"] == "expert") != (row["source_id"] == EXPERT_SOURCE):
            yield fault("likelihoods.csv", name, "an assigned figure, and no other, has the source of judgement.", "source_id")


def roles_are_explained_and_usable(tables: Tables) -> Iterator[Fault]:
    for row in tables.likelihoods:
        name, role = row["row_id"], row["role"]
        if role != "input" and not row["decision"]:
            yield fault("likelihoods.csv", name, "a row that is not an input says why.", "decision")
        if (role == "unusable") != (row["when"] is None or row["when_not"] is None):
            yield fault("likelihoods.csv", name, "an unusable row, and no other, has no statement.", "when")
        if role != "input":
            continue
        if not (row["lr_pos"] or row["lr_neg"] or row["sensitivity"]):
            yield fault("likelihoods.csv", name, "an input holds a ratio or a sensitivity above 0.", "lr_pos")
        if row["target_id"] == "group:lbp_any":
            yield fault("likelihoods.csv", name, "group:lbp_any describes a sample, so its rows are no inputs.", "role")
        if row["target_id"] in SET_LEVEL_TARGETS and not row["decision"]:
            yield fault("likelihoods.csv", name, "an input on a derived condition says why.", "decision")


def ranges_are_in_order(tables: Tables) -> Iterator[Fault]:
    for row in tables.likelihoods:
        for name in ("sens", "spec", "lr_pos", "lr_neg"):
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            if low is not None and high is not None and low > high:
                yield fault("likelihoods.csv", row["row_id"], "the lower end is above the upper.", f"{name}_low")


def statements_are_unions_of_levels(tables: Tables) -> Iterator[Fault]:
    findings = {row["id"]: row for row in tables.findings}
    levels = levels_of(tables)
    for row in tables.likelihoods:
        finding, rows = findings.get(row["finding_id"]), levels.get(row["observable_id"])
        if row["role"] == "unusable" or finding is None or rows is None or row["when"] is None or row["when_not"] is None:
            continue
        for column in ("when", "when_not"):
            if not set(row[column].choices) <= set(finding["choices"]):
                yield fault("likelihoods.csv", row["row_id"], f"{row[column].text} names no choice of the finding.", column)
        true, false = level_set(row["when"], finding, rows), level_set(row["when_not"], finding, rows)
        if true is None or false is None:
            yield fault("likelihoods.csv", row["row_id"], "the statement cuts through a level.", "when")
        elif not true or not false or true & false:
            yield fault("likelihoods.csv", row["row_id"], "the statement and its denial share a level or have none.", "when_not")


def level_set(test: Test, finding: Row, rows: Collection[Row]) -> frozenset[str] | None:
    """Levels on which the statement is true; None if it is true of part of one. A level no answer reaches (the absent
    one of the hip MRI) counts where the statement has its own words."""
    if finding["answer_type"] == "boolean":
        return frozenset({"present"} if test.truth else {"absent"}) if test.truth is not None else None
    found, answers = set(), telling_answers(finding, rows)
    for row in rows:
        reached = [answer for answer in answers if row["when"].holds(answer)]
        states = {test.holds(answer) for answer in reached} or {test.text == row["when"].text}
        if len(states) > 1:
            return None
        if True in states:
            found.add(row["level"])
    return frozenset(found)


def one_input_per_statement(tables: Tables) -> Iterator[Fault]:
    seen: dict[tuple[str, str, str], str] = {}
    for row in tables.likelihoods:
        if row["role"] == "input" and row["when"] is not None:
            key = (row["observable_id"], row["target_id"], row["when"].text)
            if key in seen:
                yield fault("likelihoods.csv", row["row_id"], f"states the same as {seen[key]}; pick one.", "role")
            seen.setdefault(key, row["row_id"])


def inputs_on_one_observable_nest(tables: Tables) -> Iterator[Fault]:
    """Two inputs of one target may not cut across each other: nested or exclusive statements only."""
    findings = {row["id"]: row for row in tables.findings}
    levels = levels_of(tables)
    by_target: dict[tuple[str, str], list[Row]] = {}
    for row in tables.likelihoods:
        known = row["observable_id"] in levels and row["finding_id"] in findings
        if row["role"] == "input" and row["when"] is not None and known:
            by_target.setdefault((row["observable_id"], row["target_id"]), []).append(row)
    for (observable_id, _), rows in by_target.items():
        sets = [level_set(row["when"], findings[row["finding_id"]], levels[observable_id]) or frozenset() for row in rows]
        for index, one in enumerate(sets):
            for other, row in zip(sets[:index], rows[:index], strict=True):
                if one & other and not (one <= other or other <= one):
                    yield fault("likelihoods.csv", rows[index]["row_id"], f"cuts across {row['row_id']}.", "when")


EVIDENCE_RULES = (
    every_finding_has_background_rates, levels_are_exclusive_and_sum_to_one, likelihoods_point_at_known_things,
    roles_are_explained_and_usable, ranges_are_in_order, statements_are_unions_of_levels, one_input_per_statement,
    inputs_on_one_observable_nest,
)
