"""Rules across rows and tables, one small function each. `lint` runs them all and returns every fault."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from service.engine.model import PATTERNS, KnowledgeBase, Test
from service.errors import Fault
from service.knowledge.lint_clusters import CLUSTER_RULES
from service.knowledge.lint_evidence import EVIDENCE_RULES, EXPERT_SOURCE, SUM_TOLERANCE, fault, ids, telling_answers
from service.knowledge.lint_levels import LEVEL_RULES
from service.knowledge.lint_plan import PLAN_RULES
from service.knowledge.lint_safety import SAFETY_RULES
from service.knowledge.schema import Row, Tables

NEEDED_CONSTANTS = (
    "lr_pos_cap", "lr_neg_cap", "lr_pos_cap_definite", "lr_neg_cap_definite", "lr_only_max_rate",
    "weight_quality_A", "weight_quality_B", "weight_quality_C", "weight_quality_D", "weight_confidence_low", "weight_healthy",
    "dependence_shrink", "class_mass_empty", "class_mass_hip_and_spine", "class_mass_combination",
    "undecided_leading_below", "undecided_lead_below", "undecided_bits_below", "undecided_coverage_below",
    "referral_from", "referral_dangerous_from",
    "risk_negligible_below", "risk_low_below", "risk_moderate_below", "interval_z",
    "log_sd_quality_A", "log_sd_quality_B", "log_sd_quality_C", "log_sd_quality_D", "soon_within_days", "urgent_within_days",
    "flip_result_plausible_from", "flip_set_plausible_from",
    "plan_pattern_from", "plan_items_most", "plan_items_per_kind",
)


def lint(tables: Tables) -> tuple[Fault, ...]:
    """Every breach of a rule across tables, in a stable order; empty if there is none."""
    return tuple(found for rule in RULES for found in rule(tables))


# --- identity ----------------------------------------------------------------------------------------------------


def ids_are_unique(tables: Tables) -> Iterator[Fault]:
    keyed = (
        ("conditions.csv", tables.conditions, "id"), ("groups.csv", tables.groups, "id"),
        ("findings.csv", tables.findings, "id"), ("likelihoods.csv", tables.likelihoods, "row_id"),
        ("sources.csv", tables.sources, "id"), ("model.csv", tables.model, "id"), ("claims.csv", tables.claims, "claim_id"),
        ("controversies.csv", tables.controversies, "finding_id"), ("red_flags.json", tables.red_flags, "id"),
        ("plans.json", tables.plans, "id"), ("plan_rules.json", tables.plan_rules, "id"),
        ("qualifiers.json", tables.qualifiers, "id"), ("threats.csv", tables.threats, "id"),
    )
    for name, rows, key in keyed:
        seen: set[str] = set()
        for row in rows:
            if row[key] in seen:
                yield fault(name, row[key], "the id is used twice.", key)
            seen.add(row[key])


def sources_exist(tables: Tables) -> Iterator[Fault]:
    known = ids(tables.sources)
    for name, rows, key in (
        ("conditions.csv", tables.conditions, "id"), ("likelihoods.csv", tables.likelihoods, "row_id"),
        ("red_flags.json", tables.red_flags, "id"), ("plan_rules.json", tables.plan_rules, "id"),
        ("threats.csv", tables.threats, "id"), ("plans.json", tables.plans, "id"),
    ):
        for row in rows:
            if row["source_id"] not in known:
                yield fault(name, row[key], f"there is no source {row['source_id']!r}.", "source_id")
    for row in tables.controversies:
        for source in row["source_ids"]:
            if source not in known:
                yield fault("controversies.csv", row["finding_id"], f"there is no source {source!r}.", "source_ids")
    citing = (tables.likelihoods, tables.plan_rules, tables.red_flags, tables.qualifiers, tables.threats, tables.plans)
    used = {EXPERT_SOURCE}.union(*(ids(rows, "source_id") for rows in citing))
    for source in sorted(known - used):
        yield fault("sources.csv", source, "no row uses this source.")


# --- conditions, groups, findings --------------------------------------------------------------------------------


def condition_priors_are_a_distribution(tables: Tables) -> Iterator[Fault]:
    for row in tables.conditions:
        if not 0.0 < row["prevalence_low"] <= row["prevalence"] <= row["prevalence_high"]:
            yield fault("conditions.csv", row["id"], "the prevalence lies outside its limits.", "prevalence")
    total = sum(row["prevalence"] for row in tables.conditions)
    if abs(total - 1.0) > SUM_TOLERANCE:
        yield fault("conditions.csv", "all", f"the prevalences sum to {total:g}, not to 1.", "prevalence")


def groups_have_known_members(tables: Tables) -> Iterator[Fault]:
    known = ids(tables.conditions)
    for row in tables.groups:
        if not row["id"].startswith("group:"):
            yield fault("groups.csv", row["id"], "the id of a group begins with group:.", "id")
        for member in row["members"]:
            if member not in known:
                yield fault("groups.csv", row["id"], f"there is no condition {member!r}.", "members")


def findings_fit_their_answer_type(tables: Tables) -> Iterator[Fault]:
    known = ids(tables.findings)
    for row in tables.findings:
        kind = row["answer_type"]
        if (kind == "choice") != (len(row["choices"]) >= 2):
            yield fault("findings.csv", row["id"], "a choice, and nothing else, lists two or more answers.", "choices")
        if (kind == "quantity") != bool(row["unit"]):
            yield fault("findings.csv", row["id"], "a quantity, and nothing else, has a unit.", "unit")
        limits = (row["minimum"], row["maximum"])
        if kind == "quantity" and (None in limits or not limits[0] < limits[1]):
            yield fault("findings.csv", row["id"], "a quantity needs a least and a greatest plausible value.", "minimum")
        if kind != "quantity" and not row["present_when"] and limits != (None, None):
            yield fault("findings.csv", row["id"], "only what is measured has limits.", "minimum")
        if not row["how_elicited"]:
            yield fault("findings.csv", row["id"], "does not say how it is elicited.", "how_elicited")
        for part in row["parts"]:
            if part not in known or part == row["id"]:
                yield fault("findings.csv", row["id"], f"there is no other finding {part!r}.", "parts")


# --- constants, rules, referrals, claims -------------------------------------------------------------------------


def constants_are_complete(tables: Tables) -> Iterator[Fault]:
    known = ids(tables.model)
    for name in NEEDED_CONSTANTS:
        if name not in known:
            yield fault("model.csv", name, "is missing.")
    for row in tables.model:
        if not row["low"] <= row["value"] <= row["high"]:
            yield fault("model.csv", row["id"], "the value lies outside its limits.", "value")


def incompatible_answers_can_be_given(tables: Tables) -> Iterator[Fault]:
    findings = {row["id"]: row for row in tables.findings}
    for row in tables.incompatible:
        for name, when in ((row["finding_id"], row["when"]), (row["other_id"], row["other_when"])):
            if name not in findings:
                yield fault("incompatible.csv", row["finding_id"], f"there is no finding {name!r}.", "finding_id")
            elif not any(when.holds(answer) for answer in telling_answers(findings[name], [{"when": when}])):
                yield fault("incompatible.csv", row["finding_id"], f"{when} is true of no answer to {name}.", "when")


def red_flags_point_at_known_things(tables: Tables) -> Iterator[Fault]:
    findings = {row["id"]: row for row in tables.findings}
    conditions, claims = ids(tables.conditions), ids(tables.claims, "claim_id")
    for row in tables.red_flags:
        for finding_id, text in _used(row["when"]):
            finding = findings.get(finding_id)
            if finding is None:
                yield fault("red_flags.json", row["id"], f"there is no finding {finding_id!r}.", "when")
            elif not any(Test.parse(text).holds(answer) for answer in _probe(finding, text)):
                yield fault("red_flags.json", row["id"], f"{text} is true of no answer to {finding_id}.", "when")
        if row["weak"] and row["urgency"] == "emergency":
            yield fault("red_flags.json", row["id"], "a weak flag raises at most urgent.", "urgency")
        yield from _unknown("red_flags.json", row, "id", {"conditions": conditions, "claims": claims})


def qualifiers_point_at_known_things(tables: Tables) -> Iterator[Fault]:
    findings, claims, sources = {row["id"]: row for row in tables.findings}, ids(tables.claims, "claim_id"), ids(tables.sources)
    for row in tables.qualifiers:
        finding = findings.get(row["finding_id"])
        if finding is None or row["value"] not in finding["choices"]:
            yield fault("qualifiers.json", row["id"], "there is no such answer.", "value")
        for finding_id, text in _used(row["needs"]):
            held = findings.get(finding_id)
            if held is None or not any(Test.parse(text).holds(answer) for answer in _probe(held, text)):
                yield fault("qualifiers.json", row["id"], f"{finding_id} {text} is true of no answer.", "needs")
        if row["source_id"] not in sources:
            yield fault("qualifiers.json", row["id"], f"there is no source {row['source_id']!r}.", "source_id")
        yield from _unknown("qualifiers.json", row, "id", {"claims": claims})


def _used(expression: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Finding and statement of every leaf of a rule."""
    for part in (expression.get("all"), expression.get("any")):
        if isinstance(part, list):
            for inner in part:
                yield from _used(inner)
    if "finding" in expression:
        yield str(expression["finding"]), str(expression["is"])


def _probe(finding: Row, text: str) -> tuple[bool | str | float, ...]:
    return telling_answers(finding, ({"when": Test.parse(text)},))


def referrals_cover_what_they_must(tables: Tables) -> Iterator[Fault]:
    flags = {f"red-flag:{row['id']}" for row in tables.red_flags}
    patterns = {f"pattern:{pattern}" for pattern in PATTERNS}
    conditions = {f"condition:{row['id']}" for row in tables.conditions}
    claims = ids(tables.claims, "claim_id")
    covered: set[str] = set()
    for row in tables.plans:
        known = flags | patterns | conditions | {"undecided:under-18"}
        yield from _unknown("plans.json", row, "id", {"applies_to": known, "claims": claims})
        if row["urgency"] not in (None, "emergency", "urgent", "soon", "routine"):
            yield fault("plans.json", row["id"], "the urgency is null or one of the four words.", "urgency")
        covered.update(row["applies_to"])
    dangerous = {f"condition:{row['id']}" for row in tables.conditions if row["urgency"] in ("emergency", "urgent")}
    for missing in sorted((flags | patterns | dangerous) - covered):
        yield fault("plans.json", missing, "no referral applies to it.", "applies_to")


def claims_are_carried(tables: Tables) -> Iterator[Fault]:
    known = {
        "findings": ids(tables.findings), "conditions": ids(tables.conditions), "rules": ids(tables.red_flags),
        "rows": ids(tables.likelihoods, "row_id"), "plan_items": ids(tables.plan_rules),
    }
    for row in tables.claims:
        yield from _unknown("claims.csv", row, "claim_id", known)
        if row["status"] != "represented":
            yield fault("claims.csv", row["claim_id"], "every claim is represented.", "status")
        if not any(row[column] for column in (*known, "tests")):
            yield fault("claims.csv", row["claim_id"], "names nothing that carries it.", "findings")
    findings, claims = known["findings"], ids(tables.claims, "claim_id")
    for row in tables.controversies:
        if row["finding_id"] not in findings:
            yield fault("controversies.csv", row["finding_id"], "there is no such finding.", "finding_id")
        yield from _unknown("controversies.csv", row, "finding_id", {"claims": claims})


def _unknown(table: str, row: Row, key: str, known: Mapping[str, Collection[str]]) -> Iterator[Fault]:
    """A fault for every value of a column that is not among the known ones."""
    for column, values in known.items():
        for value in row[column]:
            if value not in values:
                yield fault(table, row[key], f"there is no {value!r}.", column)


RULES = (
    ids_are_unique, sources_exist, condition_priors_are_a_distribution, groups_have_known_members,
    findings_fit_their_answer_type, *EVIDENCE_RULES, *CLUSTER_RULES, constants_are_complete, incompatible_answers_can_be_given,
    red_flags_point_at_known_things,
    qualifiers_point_at_known_things,
    referrals_cover_what_they_must, claims_are_carried, *LEVEL_RULES, *PLAN_RULES, *SAFETY_RULES,
)


# --- against the terminology -------------------------------------------------------------------------------------


def _weighed(knowledge: KnowledgeBase) -> set[str]:
    """Whatever has a weight of its own: findings, and published clusters of them."""
    return {finding.id for finding in knowledge.findings} | {cluster.id for cluster in knowledge.published_clusters}


def lint_codes(
    knowledge: KnowledgeBase,
    *,
    findings: Collection[str],
    conditions: Collection[str],
    red_flags: Collection[str],
    services: Collection[str],
    body_sites: Collection[str],
) -> tuple[Fault, ...]:
    """Ids of the tables without a concept, and concepts without a row. The arguments are the codes of each system."""
    faults: list[Fault] = []
    for table, rows, codes in (
        ("findings.csv", _weighed(knowledge), set(findings)),
        ("conditions.csv", {condition.id for condition in knowledge.conditions}, set(conditions)),
        ("red_flags.json", {rule.id for rule in knowledge.red_flags}, set(red_flags)),
    ):
        faults += [fault(table, one, "has no concept in the terminology.") for one in sorted(rows - codes)]
        faults += [fault(table, one, "is a concept of the terminology without a row.") for one in sorted(codes - rows)]
    for referral in knowledge.referrals:
        for code in filter(None, (referral.service, referral.specialty)):
            if code not in services:
                faults.append(fault("plans.json", referral.id, f"{code!r} is no concept of the terminology."))
        if referral.body_site and referral.body_site not in body_sites:
            faults.append(fault("plans.json", referral.id, f"{referral.body_site!r} is no body site of the terminology."))
    return tuple(faults)
