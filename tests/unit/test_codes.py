"""Every code the service ships is well formed, means what we say, and agrees with the tables."""

from __future__ import annotations

import csv
import importlib
import json
import re
from functools import cache
from pathlib import Path

import pytest
import simple_icd_10_cm

from service.fhir.diagnoses import load_diagnoses

ROOT = Path(__file__).parents[2]
TERMINOLOGY = ROOT / "terminology"
TABLES = ROOT / "service" / "knowledge" / "tables"
BASE = "https://hipspine.example/fhir"
VERIFICATION = f"{BASE}/StructureDefinition/verification"
SNOMED, LOINC, ICD10CM = "http://snomed.info/sct", "http://loinc.org", "http://hl7.org/fhir/sid/icd-10-cm"
FILES = sorted(TERMINOLOGY.glob("*/*.json"))


@cache
def resource(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def code_system(identifier: str) -> dict[str, str]:
    concepts = resource(TERMINOLOGY / "codesystems" / f"{identifier}.json")["concept"]
    return {concept["code"]: concept["display"] for concept in concepts}


def targets(system: str) -> list[tuple[str, str, dict]]:
    """(map id, our code, target) of every map entry that leads into a code system."""
    return [
        (resource(path)["id"], element["code"], target)
        for path in sorted((TERMINOLOGY / "conceptmaps").glob("*.json"))
        for group in resource(path)["group"] if group["target"] == system
        for element in group["element"]
        for target in element["target"] if "code" in target
    ]


def codes(system: str) -> set[str]:
    return {target["code"] for _, _, target in targets(system)}


def table(name: str) -> list[dict[str, str]]:
    with (TABLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- check digits ---------------------------------------------------------------------------------------------------

_TIMES = [[(i + j) % 5 if i < 5 and j < 5 else (i + j) % 5 + 5 if i < 5 else (i - j) % 5 + 5 if j < 5 else (i - j) % 5
           for j in range(10)] for i in range(10)]
_PERMUTE = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def verhoeff_holds(number: str) -> bool:
    """The check of the dihedral group of order ten (Verhoeff 1969), computed from its definition."""
    check = 0
    for place, digit in enumerate(map(int, reversed(number))):
        for _ in range(place % 8):
            digit = _PERMUTE[digit]
        check = _TIMES[check][digit]
    return check == 0


def mod_10_holds(code: str) -> bool:
    """The LOINC check digit. Letters of an answer code count as 10 for A, 11 for B and so on, written out in digits."""
    body, check = code.split("-")
    digits = [int(digit) for character in body for digit in str(int(character, 36))]
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += sum(map(int, str(digit * 2))) if place % 2 == 0 else digit
    return (total + int(check)) % 10 == 0


@pytest.mark.parametrize("code", sorted(codes(SNOMED)))
def test_every_snomed_code_passes_the_verhoeff_check(code):
    assert re.fullmatch("[1-9][0-9]{5,17}", code)
    assert verhoeff_holds(code)
    assert code[-3:-1] in ("00", "10"), "the partition of a concept identifier"


@pytest.mark.parametrize("code", ["22253001", "279372000", "49218003", "24028700"])
def test_the_verhoeff_check_refuses_what_is_no_identifier(code):
    assert not verhoeff_holds(code)


@pytest.mark.parametrize("code", sorted(codes(LOINC)))
def test_every_loinc_code_passes_the_mod_10_check(code):
    assert re.fullmatch("(LA)?[0-9]+-[0-9]", code)
    assert mod_10_holds(code)


@pytest.mark.parametrize("code", ["72514-4", "8310-6", "LA33-7", "LA9634-3"])
def test_the_mod_10_check_refuses_a_wrong_check_digit(code):
    assert not mod_10_holds(code)


@pytest.mark.parametrize("code", sorted(codes(ICD10CM)))
def test_every_icd_10_cm_code_is_a_billable_leaf_with_the_title_we_give(code):
    assert simple_icd_10_cm.is_valid_item(code)
    assert simple_icd_10_cm.is_leaf(code)
    title = next(target["display"] for _, _, target in targets(ICD10CM) if target["code"] == code)
    assert title == simple_icd_10_cm.get_description(code)


# --- meaning --------------------------------------------------------------------------------------------------------

WRONG = (  # codes that circulate with a meaning they do not have, and nothing here needs in their own meaning
    {"279372000", "228432001", "34106002", "26527006", "29210001", "111255008", "715657008", "183866009"}
    | {"278414003", "263597005", "27253007", "241552004"} | {str(number) for number in range(22253001, 22253023)}
)


def test_no_code_is_used_that_is_commonly_got_wrong():
    assert not codes(SNOMED) & WRONG


@pytest.mark.parametrize(("code", "words", "sources"), [
    ("72042002", "incontinence of feces", {"faecal_incontinence"}),
    ("22325002", "abnormal gait", {"limp", "gait_trendelenburg", "gait_wide_based"}),
    ("16973004", "limping", {"limp"}),
    ("303081002", "neurogenic claudication", {"neurogenic_claudication"}),
    ("49218002", "pain of hip region", {"hip-pain"}),
    ("7674000", "greater trochanteric pain syndrome", {"gtps"}),
    ("6077001", "foot-drop", {"motor_any"}),
    ("306104004", "accident and emergency", {"ref-emergency-service"}),
    ("394882004", "pain management (specialty)", {"spec-pain-medicine"}),
    ("783628002", "x-ray of hip", {"xray-hip"}),
    ("55146009", "inflammation of sacroiliac joint", {"ax_spa"}),
    ("63491006", "intermittent claudication", {"neurogenic_claudication"}),
])
def test_a_code_often_misread_has_its_own_meaning_here(code, words, sources):
    found = [(source, target["display"]) for _, source, target in targets(SNOMED) if target["code"] == code]
    assert {source for source, _ in found} == sources
    assert all(words in display.lower() for _, display in found)


def test_one_code_has_one_display_everywhere():
    for system in (SNOMED, LOINC, ICD10CM):
        displays: dict[str, set[str]] = {}
        for _, _, target in targets(system):
            displays.setdefault(target["code"], set()).add(target["display"])
        assert [code for code, seen in displays.items() if len(seen) > 1] == []


def test_every_target_says_how_far_it_is_verified_and_unmatched_concepts_say_so():
    for path in (TERMINOLOGY / "conceptmaps").glob("*.json"):
        for group in resource(path)["group"]:
            for element in group["element"]:
                for target in element["target"]:
                    (verified,) = (one["valueCode"] for one in target["extension"] if one["url"] == VERIFICATION)
                    if target["equivalence"] == "unmatched":
                        assert verified == "no-code"
                        assert "stays local" in target["comment"]
                    else:
                        assert verified in ("yes", "single-source")


def test_cmd_1_a_narrower_or_inexact_target_says_why():
    for system in (SNOMED, LOINC, ICD10CM):
        for name, code, target in targets(system):
            if target["equivalence"] in ("narrower", "inexact"):
                assert target["comment"].removeprefix("Outside the Global Patient Set.").strip(), (name, code)


def test_the_side_in_an_icd_10_cm_title_is_the_side_of_the_dependency():
    for name, code, target in targets(ICD10CM):
        side = next((entry["value"] for entry in target.get("dependsOn", ())), None)
        title = target["display"].lower()
        stated = {word for word in ("right", "left", "bilateral", "unspecified") if re.search(rf"\b{word}\b", title)}
        if side is None:
            assert not stated & {"right", "left", "bilateral"}, (name, code, title)
        else:
            assert side in stated, (name, code, title)


def test_no_code_system_or_value_set_of_ours_holds_a_foreign_code():
    for path in [*TERMINOLOGY.glob("codesystems/*.json"), *TERMINOLOGY.glob("valuesets/*.json")]:
        text = path.read_text(encoding="utf-8")
        assert SNOMED not in text and LOINC not in text and ICD10CM not in text


@pytest.mark.parametrize("path", sorted(TERMINOLOGY.glob("conceptmaps/*.json")), ids=lambda path: path.stem)
def test_a_map_into_a_licensed_terminology_carries_its_notice(path):
    words = {SNOMED: "SNOMED International", LOINC: "Regenstrief", ICD10CM: "World Health Organization"}
    for group in resource(path)["group"]:
        if group["target"] in words:
            assert words[group["target"]] in resource(path)["copyright"]


# --- form -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_is_a_valid_resource(path):
    kind = resource(path)["resourceType"]
    model = getattr(importlib.import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    model.model_validate(resource(path))
    assert path.parent.name == f"{kind.lower()}s"
    assert resource(path)["id"] == path.stem
    assert resource(path)["url"] == f"{BASE}/{kind}/{path.stem}"
    assert {"version": "0.1.0", "status": "active", "publisher": "HipSpine"}.items() <= resource(path).items()
    assert re.fullmatch("[A-Z][A-Za-z0-9_]{0,254}", resource(path)["name"])
    assert resource(path)["title"] and resource(path)["description"]
    if kind == "CodeSystem":
        assert resource(path)["caseSensitive"] is True
        assert resource(path)["content"] == "complete"


def test_canonical_addresses_and_names_are_unique():
    for element in ("url", "name"):
        values = [resource(path)[element] for path in FILES]
        assert sorted(values) == sorted(set(values))


# --- agreement with the tables --------------------------------------------------------------------------------------


def test_every_finding_of_the_table_is_a_concept_and_every_concept_a_finding():
    """A published cluster is one, too: it is weighed, though nobody answers it."""
    clusters = {row["cluster_id"]: row["label"] for row in table("clusters.csv")}
    assert code_system("finding") == {row["id"]: row["label"] for row in table("findings.csv")} | clusters


def test_kind_and_answer_type_of_a_finding_are_those_of_the_table():
    stated = {
        concept["code"]: {entry["code"]: entry.get("valueCode") for entry in concept["property"]}
        for concept in resource(TERMINOLOGY / "codesystems" / "finding.json")["concept"]
    }
    for row in table("findings.csv"):
        assert stated[row["id"]]["kind"] == row["kind"], row["id"]
        assert stated[row["id"]]["answer-type"] == row["answer_type"], row["id"]


def test_the_unit_of_a_measured_finding_is_that_of_the_table_and_every_unit_can_be_converted():
    with (TERMINOLOGY / "units.csv").open(encoding="utf-8", newline="") as file:
        convertible = {row["unit"] for row in csv.DictReader(file)}
    stated = {
        concept["code"]: entry["valueString"]
        for concept in resource(TERMINOLOGY / "codesystems" / "finding.json")["concept"]
        for entry in concept["property"] if entry["code"] == "unit"
    }
    for row in table("findings.csv"):
        if row["answer_type"] == "quantity":
            assert stated[row["id"]] == row["unit"], row["id"]
    assert set(stated.values()) <= convertible


def test_every_condition_of_the_table_is_a_concept_and_every_concept_a_condition():
    assert code_system("condition") == {row["id"]: row["label"] for row in table("conditions.csv")}
    assert len(code_system("condition")) == 27


def choices() -> dict[str, list[str]]:
    return {
        row["id"]: [choice.strip() for choice in row["choices"].split("|")]
        for row in table("findings.csv") if row["answer_type"] == "choice"
    }


def slug(choice: str) -> str:
    return re.sub("[^a-z0-9]+", "-", choice.lower()).strip("-")


def test_every_choice_has_an_answer_code_and_every_answer_code_a_choice():
    wanted = {slug(choice): choice for listed in choices().values() for choice in listed}
    answers = code_system("answer")
    assert {code: answers[code] for code in ("present", "absent", "unknown")} == {
        "present": "Present", "absent": "Absent", "unknown": "Unknown",
    }
    assert {code: display for code, display in answers.items() if code not in ("present", "absent", "unknown")} == wanted


def test_two_choices_of_one_finding_never_share_a_code():
    for finding, listed in choices().items():
        assert len({slug(choice) for choice in listed}) == len(listed), finding


def test_every_choice_finding_has_a_value_set_of_its_choices_and_unknown():
    found = {}
    for path in TERMINOLOGY.glob("valuesets/answers-*.json"):
        (include,) = resource(path)["compose"]["include"]
        found[path.stem] = [concept["code"] for concept in include["concept"]]
    assert found == {
        f"answers-{finding.replace('_', '-')}": [*map(slug, listed), "unknown"] for finding, listed in choices().items()
    }


def test_every_red_flag_rule_is_a_concept_and_every_concept_a_rule():
    rules = json.loads((TABLES / "red_flags.json").read_text(encoding="utf-8"))["rules"]
    assert code_system("red-flag") == {rule["id"]: rule["label"] for rule in rules}


def test_every_service_and_specialty_of_a_referral_is_a_concept():
    referrals = json.loads((TABLES / "plans.json").read_text(encoding="utf-8"))["referrals"]
    named = {referral[part] for referral in referrals for part in ("service", "specialty") if referral.get(part)}
    assert named and named <= set(code_system("service"))


def test_the_readme_states_how_many_codes_of_each_terminology_there_are():
    readme = (TERMINOLOGY / "README.md").read_text(encoding="utf-8")
    for name, system in (("SNOMED CT", SNOMED), ("LOINC", LOINC), ("ICD-10-CM", ICD10CM)):
        assert f"| {name} | {len(codes(system))} |" in readme


def test_the_readme_states_how_many_snomed_codes_are_free_to_use():
    remark = "Outside the Global Patient Set."
    outside = {target["code"] for _, _, target in targets(SNOMED) if remark in target.get("comment", "")}
    readme = " ".join((TERMINOLOGY / "README.md").read_text(encoding="utf-8").split())
    assert f"Of the {len(codes(SNOMED))} concepts, {len(codes(SNOMED) - outside)} are in the Global Patient Set" in readme


def test_A4_recorded_diagnoses_have_the_titles_of_the_classification():
    rows = load_diagnoses(TERMINOLOGY / "recorded-diagnoses.csv").rows
    single = [row for row in rows if row.system.endswith("icd-10-cm") and not row.last]
    assert single and [row.code for row in single if simple_icd_10_cm.get_description(row.code) != row.title] == []
    ends = [code for row in rows if row.last for code in (row.code, row.last)]
    assert [code for code in ends if not simple_icd_10_cm.is_valid_item(code)] == []


def test_A4_recorded_diagnoses_name_red_flags_and_findings_that_exist():
    rows = load_diagnoses(TERMINOLOGY / "recorded-diagnoses.csv").rows
    rules = {rule["id"] for rule in json.loads((TABLES / "red_flags.json").read_text(encoding="utf-8"))["rules"]}
    with (TABLES / "findings.csv").open(encoding="utf-8", newline="") as table:
        yes_or_no = {row["id"] for row in csv.DictReader(table) if row["answer_type"] == "boolean"}
    assert {row.red_flag for row in rows} - {""} <= rules
    assert {row.finding for row in rows} - {""} <= yes_or_no
    assert {row.verified for row in rows} <= {"yes", "single-source", "text"}
