"""Rules across rows and tables, one small function each. `lint` runs them all and returns every fault."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from service.engine.model import PATTERNS, KnowledgeBase, Test
from service.errors import Fault
from service.knowledge.schema import Row, Tables

SUM_TOLERANCE = 1e-6
SET_LEVEL_TARGETS = ("hip_spine_syndrome",)  # an event over the modelled conditions, not one of them
EXPERT_SOURCE = "expert-judgement"
MUST_BE_REPRESENTED = ("condition", "spine-sign", "exam", "distinction", "bilateral", "imaging", "red-flag")
NEEDED_CONSTANTS = (
    "lr_pos_cap", "lr_neg_cap", "lr_pos_cap_definite", "lr_neg_cap_definite", "lr_only_max_rate",
    "weight_quality_A", "weight_quality_B", "weight_quality_C", "weight_quality_D", "weight_confidence_low", "weight_healthy",
    "dependence_shrink", "class_mass_empty", "class_mass_hip_and_spine", "class_mass_combination",
    "undecided_leading_below", "undecided_lead_below", "undecided_bits_below",
    "risk_negligible_below", "risk_low_below", "risk_moderate_below", "interval_z",
    "log_sd_quality_A", "log_sd_quality_B", "log_sd_quality_C", "log_sd_quality_D", "soon_within_days",
)


def lint(tables: Tables) -> tuple[Fault, ...]:
    """Every breach of a rule across tables, in a stable order; empty if there is none."""
    return tuple(fault for rule in RULES for fault in rule(tables))


def _fault(table: str, row: str, message: str, column: str = "") -> Fault:
    return Fault("business-rule", message, where=f"{table} row {row}" + (f" column {column}" if column else ""))


def _ids(rows: Iterable[Row], key: str = "id") -> set[str]:
    return {row[key] for row in rows}


# --- identity ----------------------------------------------------------------------------------------------------


def ids_are_unique(tables: Tables) -> Iterator[Fault]:
    keyed = (
        ("conditions.csv", tables.conditions, "id"), ("groups.csv", tables.groups, "id"),
        ("findings.csv", tables.findings, "id"), ("likelihoods.csv", tables.likelihoods, "row_id"),
        ("sources.csv", tables.sources, "id"), ("model.csv", tables.model, "id"), ("claims.csv", tables.claims, "claim_id"),
        ("controversies.csv", tables.controversies, "finding_id"), ("red_flags.json", tables.red_flags, "id"),
        ("plans.json", tables.plans, "id"),
    )
    for name, rows, key in keyed:
        seen: set[str] = set()
        for row in rows:
            if row[key] in seen:
                yield _fault(name, row[key], "the id is used twice.", key)
            seen.add(row[key])


def sources_exist(tables: Tables) -> Iterator[Fault]:
    known = _ids(tables.sources)
    for name, rows, key in (
        ("conditions.csv", tables.conditions, "id"), ("likelihoods.csv", tables.likelihoods, "row_id"),
        ("red_flags.json", tables.red_flags, "id"),
    ):
        for row in rows:
            if row["source_id"] not in known:
                yield _fault(name, row[key], f"there is no source {row['source_id']!r}.", "source_id")
    for row in tables.controversies:
        for source in row["source_ids"]:
            if source not in known:
                yield _fault("controversies.csv", row["finding_id"], f"there is no source {source!r}.", "source_ids")
    used = _ids(tables.likelihoods, "source_id") | {EXPERT_SOURCE}
    for source in sorted(known - used):
        yield _fault("sources.csv", source, "no row uses this source.")


# --- conditions, groups, findings --------------------------------------------------------------------------------


def condition_priors_are_a_distribution(tables: Tables) -> Iterator[Fault]:
    for row in tables.conditions:
        if not 0.0 < row["prevalence_low"] <= row["prevalence"] <= row["prevalence_high"]:
            yield _fault("conditions.csv", row["id"], "the prevalence lies outside its limits.", "prevalence")
    total = sum(row["prevalence"] for row in tables.conditions)
    if abs(total - 1.0) > SUM_TOLERANCE:
        yield _fault("conditions.csv", "all", f"the prevalences sum to {total:g}, not to 1.", "prevalence")


def groups_have_known_members(tables: Tables) -> Iterator[Fault]:
    known = _ids(tables.conditions)
    for row in tables.groups:
        if not row["id"].startswith("group:"):
            yield _fault("groups.csv", row["id"], "the id of a group begins with group:.", "id")
        for member in row["members"]:
            if member not in known:
                yield _fault("groups.csv", row["id"], f"there is no condition {member!r}.", "members")


def findings_fit_their_answer_type(tables: Tables) -> Iterator[Fault]:
    known = _ids(tables.findings)
    for row in tables.findings:
        kind = row["answer_type"]
        if (kind == "choice") != (len(row["choices"]) >= 2):
            yield _fault("findings.csv", row["id"], "a choice, and nothing else, lists two or more answers.", "choices")
        if (kind == "quantity") != bool(row["unit"]):
            yield _fault("findings.csv", row["id"], "a quantity, and nothing else, has a unit.", "unit")
        limits = (row["minimum"], row["maximum"])
        if kind == "quantity" and (None in limits or not limits[0] < limits[1]):
            yield _fault("findings.csv", row["id"], "a quantity needs a least and a greatest plausible value.", "minimum")
        if kind != "quantity" and limits != (None, None):
            yield _fault("findings.csv", row["id"], "only a quantity has limits.", "minimum")
        if not row["how_elicited"]:
            yield _fault("findings.csv", row["id"], "does not say how it is elicited.", "how_elicited")
        for part in row["parts"]:
            if part not in known or part == row["id"]:
                yield _fault("findings.csv", row["id"], f"there is no other finding {part!r}.", "parts")


# --- observables -------------------------------------------------------------------------------------------------


def every_finding_has_background_rates(tables: Tables) -> Iterator[Fault]:
    known, rated = _ids(tables.findings), _ids(tables.background_rates, "finding_id")
    for finding in sorted(rated - known):
        yield _fault("background_rates.csv", finding, "there is no such finding.", "finding_id")
    for finding in sorted(known - rated):
        yield _fault("findings.csv", finding, "has no background rate.")


def levels_are_exclusive_and_sum_to_one(tables: Tables) -> Iterator[Fault]:
    kinds = {row["id"]: row for row in tables.findings}
    for observable_id, rows in _levels(tables).items():
        finding = kinds.get(rows[0]["finding_id"])
        if finding is None:
            continue
        name = "background_rates.csv"
        if observable_id.partition(":")[0] != rows[0]["finding_id"] or len(_ids(rows, "finding_id")) > 1:
            yield _fault(name, observable_id, "the id is the finding's, with :part where there are several.", "observable_id")
        for row in rows:
            if not row["p_low"] <= row["p"] <= row["p_high"] or not 0.0 < row["p"] < 1.0:
                yield _fault(name, observable_id, f"the rate of {row['level']} is 0, 1 or outside its limits.", "p")
            if not set(row["when"].choices) <= set(finding["choices"]):
                yield _fault(name, observable_id, f"{row['when'].text} names no choice of the finding.", "when")
        if finding["answer_type"] == "boolean":
            if [(row["level"], row["when"].text) for row in rows] != [("present", "true")]:
                yield _fault(name, observable_id, "a yes/no finding has one row: present, true.", "level")
            continue
        if len(rows) < 2 or len(_ids(rows, "level")) < len(rows):
            yield _fault(name, observable_id, "needs two or more levels with different names.", "level")
        total = sum(row["p"] for row in rows)
        if abs(total - 1.0) > SUM_TOLERANCE:
            yield _fault(name, observable_id, f"the levels sum to {total:g}, not to 1.", "p")
        for answer in _answers(finding, rows):
            true = [row["level"] for row in rows if row["when"].holds(answer)]
            if len(true) > 1:
                yield _fault(name, observable_id, f"the answer {answer!r} is both {' and '.join(true)}.", "when")


def _levels(tables: Tables) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in tables.background_rates:
        found.setdefault(row["observable_id"], []).append(row)
    return found


def _answers(finding: Row, levels: Iterable[Row]) -> tuple[bool | str | float, ...]:
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
    findings = _ids(tables.findings)
    conditions = _ids(tables.conditions)
    targets = conditions | _ids(tables.groups)
    observables = {name: rows[0]["finding_id"] for name, rows in _levels(tables).items()}
    for row in tables.likelihoods:
        name = row["row_id"]
        if row["finding_id"] not in findings:
            yield _fault("likelihoods.csv", name, f"there is no finding {row['finding_id']!r}.", "finding_id")
        elif observables.get(row["observable_id"]) != row["finding_id"]:
            yield _fault("likelihoods.csv", name, f"{row['observable_id']!r} is no observable of the finding.", "observable_id")
        if row["target_id"] not in targets:
            yield _fault("likelihoods.csv", name, f"there is no condition or group {row['target_id']!r}.", "target_id")
        comparator = row["comparator_id"]
        if (row["comparator_kind"] == "condition") != bool(comparator):
            yield _fault("likelihoods.csv", name, "kind condition, and no other, names a condition or group.", "comparator_id")
        elif comparator and (comparator not in targets or comparator == row["target_id"]):
            yield _fault("likelihoods.csv", name, f"{comparator!r} is unknown or the target itself.", "comparator_id")
        if (row["source_kind"] == "expert") != (row["source_id"] == EXPERT_SOURCE):
            yield _fault("likelihoods.csv", name, "an assigned figure, and no other, has the source of judgement.", "source_id")


def roles_are_explained_and_usable(tables: Tables) -> Iterator[Fault]:
    for row in tables.likelihoods:
        name, role = row["row_id"], row["role"]
        if role != "input" and not row["decision"]:
            yield _fault("likelihoods.csv", name, "a row that is not an input says why.", "decision")
        if (role == "unusable") != (row["when"] is None or row["when_not"] is None):
            yield _fault("likelihoods.csv", name, "an unusable row, and no other, has no statement.", "when")
        if role != "input":
            continue
        if not (row["lr_pos"] or row["lr_neg"] or row["sensitivity"]):
            yield _fault("likelihoods.csv", name, "an input holds a ratio or a sensitivity above 0.", "lr_pos")
        if row["target_id"] == "group:lbp_any":
            yield _fault("likelihoods.csv", name, "group:lbp_any describes a sample, so its rows are no inputs.", "role")
        if row["target_id"] in SET_LEVEL_TARGETS and not row["decision"]:
            yield _fault("likelihoods.csv", name, "an input on a derived condition says why.", "decision")


def ranges_are_in_order(tables: Tables) -> Iterator[Fault]:
    for row in tables.likelihoods:
        for name in ("sens", "spec", "lr_pos", "lr_neg"):
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            if low is not None and high is not None and low > high:
                yield _fault("likelihoods.csv", row["row_id"], "the lower end is above the upper.", f"{name}_low")


def statements_are_unions_of_levels(tables: Tables) -> Iterator[Fault]:
    findings = {row["id"]: row for row in tables.findings}
    levels = _levels(tables)
    for row in tables.likelihoods:
        finding, rows = findings.get(row["finding_id"]), levels.get(row["observable_id"])
        if row["role"] == "unusable" or finding is None or rows is None or row["when"] is None or row["when_not"] is None:
            continue
        for column in ("when", "when_not"):
            if not set(row[column].choices) <= set(finding["choices"]):
                yield _fault("likelihoods.csv", row["row_id"], f"{row[column].text} names no choice of the finding.", column)
        true, false = _level_set(row["when"], finding, rows), _level_set(row["when_not"], finding, rows)
        if true is None or false is None:
            yield _fault("likelihoods.csv", row["row_id"], "the statement cuts through a level.", "when")
        elif not true or not false or true & false:
            yield _fault("likelihoods.csv", row["row_id"], "the statement and its denial share a level or have none.", "when_not")


def _level_set(test: Test, finding: Row, rows: Collection[Row]) -> frozenset[str] | None:
    """Levels on which the statement is true; None if it is true of part of one. A level no answer reaches (the absent
    one of the hip MRI) counts where the statement has its own words."""
    if finding["answer_type"] == "boolean":
        return frozenset({"present"} if test.truth else {"absent"}) if test.truth is not None else None
    found = set()
    for row in rows:
        reached = [answer for answer in _answers(finding, rows) if row["when"].holds(answer)]
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
                yield _fault("likelihoods.csv", row["row_id"], f"states the same as {seen[key]}; pick one.", "role")
            seen.setdefault(key, row["row_id"])


def inputs_on_one_observable_nest(tables: Tables) -> Iterator[Fault]:
    """Two inputs of one target may not cut across each other: nested or exclusive statements only."""
    findings = {row["id"]: row for row in tables.findings}
    levels = _levels(tables)
    by_target: dict[tuple[str, str], list[Row]] = {}
    for row in tables.likelihoods:
        known = row["observable_id"] in levels and row["finding_id"] in findings
        if row["role"] == "input" and row["when"] is not None and known:
            by_target.setdefault((row["observable_id"], row["target_id"]), []).append(row)
    for (observable_id, _), rows in by_target.items():
        sets = [_level_set(row["when"], findings[row["finding_id"]], levels[observable_id]) or frozenset() for row in rows]
        for index, one in enumerate(sets):
            for other, row in zip(sets[:index], rows[:index], strict=True):
                if one & other and not (one <= other or other <= one):
                    yield _fault("likelihoods.csv", rows[index]["row_id"], f"cuts across {row['row_id']}.", "when")


# --- constants, rules, referrals, claims -------------------------------------------------------------------------


def constants_are_complete(tables: Tables) -> Iterator[Fault]:
    known = _ids(tables.model)
    for name in NEEDED_CONSTANTS:
        if name not in known:
            yield _fault("model.csv", name, "is missing.")
    for row in tables.model:
        if not row["low"] <= row["value"] <= row["high"]:
            yield _fault("model.csv", row["id"], "the value lies outside its limits.", "value")


def red_flags_point_at_known_things(tables: Tables) -> Iterator[Fault]:
    findings = {row["id"]: row for row in tables.findings}
    conditions, claims = _ids(tables.conditions), _ids(tables.claims, "claim_id")
    for row in tables.red_flags:
        for finding_id, text in _used(row["when"]):
            finding = findings.get(finding_id)
            if finding is None:
                yield _fault("red_flags.json", row["id"], f"there is no finding {finding_id!r}.", "when")
            elif not any(Test.parse(text).holds(answer) for answer in _probe(finding, text)):
                yield _fault("red_flags.json", row["id"], f"{text} is true of no answer to {finding_id}.", "when")
        if row["weak"] and row["urgency"] == "emergency":
            yield _fault("red_flags.json", row["id"], "a weak flag raises at most urgent.", "urgency")
        yield from _unknown("red_flags.json", row, "id", {"conditions": conditions, "claims": claims})


def _used(expression: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Finding and statement of every leaf of a rule."""
    for part in (expression.get("all"), expression.get("any")):
        if isinstance(part, list):
            for inner in part:
                yield from _used(inner)
    if "finding" in expression:
        yield str(expression["finding"]), str(expression["is"])


def _probe(finding: Row, text: str) -> tuple[bool | str | float, ...]:
    return _answers(finding, ({"when": Test.parse(text)},))


def referrals_cover_what_they_must(tables: Tables) -> Iterator[Fault]:
    flags = {f"red-flag:{row['id']}" for row in tables.red_flags}
    patterns = {f"pattern:{pattern}" for pattern in PATTERNS}
    conditions = {f"condition:{row['id']}" for row in tables.conditions}
    claims = _ids(tables.claims, "claim_id")
    covered: set[str] = set()
    for row in tables.plans:
        yield from _unknown("plans.json", row, "id", {"applies_to": flags | patterns | conditions, "claims": claims})
        if row["urgency"] not in (None, "emergency", "urgent", "soon", "routine"):
            yield _fault("plans.json", row["id"], "the urgency is null or one of the four words.", "urgency")
        covered.update(row["applies_to"])
    dangerous = {f"condition:{row['id']}" for row in tables.conditions if row["urgency"] in ("emergency", "urgent")}
    for missing in sorted((flags | patterns | dangerous) - covered):
        yield _fault("plans.json", missing, "no referral applies to it.", "applies_to")


def claims_are_carried(tables: Tables) -> Iterator[Fault]:
    known = {
        "findings": _ids(tables.findings), "conditions": _ids(tables.conditions), "rules": _ids(tables.red_flags),
        "rows": _ids(tables.likelihoods, "row_id"),
    }
    for row in tables.claims:
        yield from _unknown("claims.csv", row, "claim_id", known)
        if row["kind"] in MUST_BE_REPRESENTED and row["status"] != "represented":
            yield _fault("claims.csv", row["claim_id"], f"a claim of kind {row['kind']} is represented.", "status")
        if row["kind"] in MUST_BE_REPRESENTED and not any(row[column] for column in known):
            yield _fault("claims.csv", row["claim_id"], "names nothing that carries it.", "findings")
    findings, claims = known["findings"], _ids(tables.claims, "claim_id")
    for row in tables.controversies:
        if row["finding_id"] not in findings:
            yield _fault("controversies.csv", row["finding_id"], "there is no such finding.", "finding_id")
        yield from _unknown("controversies.csv", row, "finding_id", {"claims": claims})


def _unknown(table: str, row: Row, key: str, known: Mapping[str, Collection[str]]) -> Iterator[Fault]:
    """A fault for every value of a column that is not among the known ones."""
    for column, ids in known.items():
        for value in row[column]:
            if value not in ids:
                yield _fault(table, row[key], f"there is no {value!r}.", column)


RULES = (
    ids_are_unique, sources_exist, condition_priors_are_a_distribution, groups_have_known_members,
    findings_fit_their_answer_type, every_finding_has_background_rates, levels_are_exclusive_and_sum_to_one,
    likelihoods_point_at_known_things, roles_are_explained_and_usable, ranges_are_in_order, statements_are_unions_of_levels,
    one_input_per_statement, inputs_on_one_observable_nest, constants_are_complete, red_flags_point_at_known_things,
    referrals_cover_what_they_must, claims_are_carried,
)


# --- against the terminology -------------------------------------------------------------------------------------


def lint_codes(
    knowledge: KnowledgeBase,
    *,
    findings: Collection[str],
    conditions: Collection[str],
    red_flags: Collection[str],
    services: Collection[str],
) -> tuple[Fault, ...]:
    """Ids of the tables without a concept, and concepts without a row. The arguments are the codes of each system."""
    faults: list[Fault] = []
    for table, ids, codes in (
        ("findings.csv", {finding.id for finding in knowledge.findings}, set(findings)),
        ("conditions.csv", {condition.id for condition in knowledge.conditions}, set(conditions)),
        ("red_flags.json", {rule.id for rule in knowledge.red_flags}, set(red_flags)),
    ):
        faults += [_fault(table, one, "has no concept in the terminology.") for one in sorted(ids - codes)]
        faults += [_fault(table, one, "is a concept of the terminology without a row.") for one in sorted(codes - ids)]
    for referral in knowledge.referrals:
        for code in filter(None, (referral.service, referral.specialty)):
            if code not in services:
                faults.append(_fault("plans.json", referral.id, f"{code!r} is no concept of the terminology."))
    return tuple(faults)
