"""Rules on what is safe beside a red flag: every flag names its threat, every item and referral what it does to the patient."""

from __future__ import annotations

from collections.abc import Iterator

from service.errors import Fault
from service.knowledge.lint_evidence import fault, ids
from service.knowledge.lint_plan import statement_faults
from service.knowledge.schema import Tables

# Kind of a plan item -> the class it cannot be without, so that a new exercise cannot call itself harmless.
DOES: dict[str, str] = {
    "imaging": "images", "exercise": "loads", "existing-exercise": "loads", "natural-history": "course",
    "expected-response": "response",
}
HARMLESS = {"protects", "specialist", "diagnoses"}  # the only classes that a danger to bone, nerve, vessel or life permits
# Categories of flags that name such a danger. A `soon` flag among them may be a risk and no sign of it, and its threat says so.
DANGEROUS = ("cauda-equina", "fracture", "infection", "malignancy", "vascular", "bone", "pain")


def flags_name_their_threat(tables: Tables) -> Iterator[Fault]:
    permits = {row["id"]: set(row["permits"]) for row in tables.threats}
    for row in tables.red_flags:
        own = permits.get(row["threat"])
        if own is None:
            yield fault("red_flags.json", row["id"], f"there is no threat {row['threat']!r}.", "threat")
            continue
        strict = row["urgency"] == "emergency" or (row["category"] in DANGEROUS and row["urgency"] == "urgent")
        if strict and own != HARMLESS:
            yield fault("red_flags.json", row["id"], "so dangerous a flag permits nothing that loads or treats.", "threat")
        if row["urgency"] == "urgent" and "reassures" in own:
            yield fault("red_flags.json", row["id"], "nobody is reassured under an urgent flag.", "threat")
        if row["category"] in DANGEROUS and {"manipulates", "injects"} & own:
            yield fault("red_flags.json", row["id"], "a flag of this category permits no thrust and no injection.", "threat")
    named = ids(tables.red_flags, "threat")
    for row in tables.threats:
        if row["id"] not in named:
            yield fault("threats.csv", row["id"], "no red flag names this threat.")
        if not set(row["permits"]) >= HARMLESS:
            yield fault("threats.csv", row["id"], "what looks for a threat or spares the patient is always permitted.", "permits")


def threats_forbid_known_examinations(tables: Tables) -> Iterator[Fault]:
    known = ids(tables.findings) | ids(tables.findings, "kind")
    for row in tables.threats:
        for word in row["not_examined"]:
            if word not in known:
                yield fault("threats.csv", row["id"], f"there is no finding and no kind of finding {word!r}.", "not_examined")


def items_say_what_they_do(tables: Tables) -> Iterator[Fault]:
    for row in tables.plan_rules:
        classes = set(row["safety"])
        if "protects" in classes and (len(classes) > 1 or row["kind"] != "first-line"):
            yield fault("plan_rules.json", row["id"], "what protects does nothing else, and comes first.", "safety")
        if classes & {"specialist", "diagnoses"}:
            yield fault("plan_rules.json", row["id"], "only a referral is of this class.", "safety")
        if row["kind"] in DOES and DOES[row["kind"]] not in classes:
            yield fault("plan_rules.json", row["id"], f"an item of this kind is of the class {DOES[row['kind']]}.", "safety")
        if row["dosage"] and "loads" not in classes:
            yield fault("plan_rules.json", row["id"], "what has a dosage of exercise loads.", "safety")
        if row["after_screening"] and "manipulates" not in classes:
            yield fault("plan_rules.json", row["id"], "what is done only after screening manipulates.", "safety")


def referrals_say_what_they_do(tables: Tables) -> Iterator[Fault]:
    findings = {row["id"]: row for row in tables.findings}
    for row in tables.plans:
        flagged = any(word.startswith("red-flag:") for word in row["applies_to"])
        if flagged and not set(row["safety"]) <= HARMLESS:
            yield fault("plans.json", row["id"], "what a red flag calls for looks for its cause and treats nothing.", "safety")
        if row["specialty"] == "spec-physiotherapy" and "loads" not in row["safety"]:
            yield fault("plans.json", row["id"], "physiotherapy loads.", "safety")
        for column in ("only_when", "unless"):
            for word in row[column]:
                if word.startswith("finding:"):
                    yield from statement_faults("plans.json", row, column, word, findings)
                else:
                    yield fault("plans.json", row["id"], f"{word!r} is no statement about a finding.", column)


SAFETY_RULES = (
    flags_name_their_threat, threats_forbid_known_examinations, items_say_what_they_do, referrals_say_what_they_do,
)
