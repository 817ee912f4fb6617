"""Rules on the table of plan items: what they name exists, and what must be withheld is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from service.engine.model import PATTERNS, Test
from service.errors import Fault
from service.knowledge.lint_evidence import fault, ids, telling_answers
from service.knowledge.schema import Row, Tables

TABLE = "plan_rules.json"
CARRIED_BY_THE_PLAN = ("treatment", "prevention", "timeline", "advice", "exercise")
EMERGENCY = ("urgency:emergency", "flag:emergency")


def plan_items_name_known_things(tables: Tables) -> Iterator[Fault]:
    flags = {f"red-flag:{row['id']}" for row in tables.red_flags}
    conditions = {f"condition:{row['id']}" for row in tables.conditions}
    applies = {"any"} | flags | conditions | {f"pattern:{name}" for name in PATTERNS} | {f"stage:{stage}" for stage in (1, 2, 3)}
    withheld = {"flag:any", *EMERGENCY} | flags | conditions | {f"category:{row['category']}" for row in tables.red_flags}
    findings = {row["id"]: row for row in tables.findings}
    claims, items = ids(tables.claims, "claim_id"), ids(tables.plan_rules)
    for row in tables.plan_rules:
        for column, known in (("applies_to", applies), ("withheld_when", withheld)):
            for word in row[column]:
                if word.startswith("finding:"):
                    yield from statement_faults(TABLE, row, column, word, findings)
                elif word not in known:
                    yield fault(TABLE, row["id"], f"there is no {word!r}.", column)
        for column, among in (("claims", claims), ("replaces", items - {row["id"]})):
            for word in row[column]:
                if word not in among:
                    yield fault(TABLE, row["id"], f"there is no {word!r}.", column)


def statement_faults(table: str, row: Row, column: str, word: str, findings: Mapping[str, Row]) -> Iterator[Fault]:
    """Faults of one word of the form ``finding:id statement``."""
    finding_id, _, text = word.removeprefix("finding:").partition(" ")
    finding = findings.get(finding_id)
    if finding is None:
        yield fault(table, row["id"], f"there is no finding {finding_id!r}.", column)
        return
    try:
        test = Test.parse(text)
    except ValueError as error:
        yield fault(table, row["id"], f"{error}.", column)
        return
    stranger = set(test.choices) - set(finding["choices"])
    if stranger or not any(test.holds(answer) for answer in telling_answers(finding, ({"when": test},))):
        yield fault(table, row["id"], f"{text} is true of no answer to {finding_id}.", column)


def plan_items_are_withheld_where_they_must(tables: Tables) -> Iterator[Fault]:
    """No item survives an emergency; one that needs screening survives no red flag."""
    for row in tables.plan_rules:
        if not set(row["withheld_when"]) & set(EMERGENCY):
            yield fault(TABLE, row["id"], "every item is withheld in an emergency.", "withheld_when")
        if row["after_screening"] and "flag:any" not in row["withheld_when"]:
            yield fault(TABLE, row["id"], "an item that needs screening is withheld under any red flag.", "withheld_when")


def plan_items_fit_their_kind(tables: Tables) -> Iterator[Fault]:
    for row in tables.plan_rules:
        if (row["kind"] == "expected-response") != (row["reassess_after_days"] is not None):
            yield fault(TABLE, row["id"], "an expected response, and nothing else, says when to assess again.", "kind")
        if row["reassess_after_days"] is not None and row["reassess_after_days"] < 1:
            yield fault(TABLE, row["id"], "the next assessment is at least a day away.", "reassess_after_days")
        if (row["kind"] == "exercise") != bool(row["dosage"]):
            yield fault(TABLE, row["id"], "an exercise, and nothing else, has a dosage.", "dosage")
        if row["visits"] and not 0 < row["visits"][0] <= row["visits"][1]:
            yield fault(TABLE, row["id"], "the visits are a least and a greatest number.", "visits")


def claims_and_plan_items_name_each_other(tables: Tables) -> Iterator[Fault]:
    said = {(claim, row["id"]) for row in tables.plan_rules for claim in row["claims"]}
    carried = {(row["claim_id"], item) for row in tables.claims for item in row["plan_items"]}
    for claim, item in sorted(said - carried):
        yield fault("claims.csv", claim, f"does not name the plan item {item!r}, which carries it.", "plan_items")
    for claim, item in sorted(carried - said):
        yield fault(TABLE, item, f"does not name the claim {claim!r}, which it carries.", "claims")
    for row in tables.claims:
        places = ("findings", "conditions", "rules", "rows", "plan_items")
        if row["kind"] in CARRIED_BY_THE_PLAN and not any(row[column] for column in places):
            yield fault("claims.csv", row["claim_id"], "names nothing that carries it.", "plan_items")


PLAN_RULES = (
    plan_items_name_known_things, plan_items_are_withheld_where_they_must, plan_items_fit_their_kind,
    claims_and_plan_items_name_each_other,
)
