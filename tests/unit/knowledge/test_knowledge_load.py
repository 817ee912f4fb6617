"""The tables as they are: what is in them, and what the loader makes of good and of bad files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from service.engine.model import Estimate, KnowledgeBase, Likelihood
from service.errors import KnowledgeBaseError
from service.knowledge.load import load_knowledge_base
from service.knowledge.schema import Tables

PUBLISHED_ROWS = 439
SECOND_LOT = 700  # rows of the findings added last
LAST_PUBLISHED = 444  # five numbers were given up before the table came here
ADDED_FINDINGS = (
    "unable_to_bear_weight", "pain_intensity", "guarded_flexion", "short_stride", "sit_to_stand_pain", "sit_to_stand_quality",
    "lumbar_motion", "palp_segment_l1", "palp_segment_l2", "palp_segment_l3", "palp_segment_l4", "palp_segment_l5",
    "palp_segment_s1",
)


def row(knowledge: KnowledgeBase, row_id: str) -> Likelihood:
    return next(likelihood for likelihood in knowledge.likelihoods if likelihood.row_id == row_id)


def points(*estimates: Estimate | None) -> list[float | None]:
    return [estimate.point if estimate else None for estimate in estimates]


# --- what is there -----------------------------------------------------------------------------------------------


def test_all_published_rows_are_kept_with_their_numbers(knowledge: KnowledgeBase) -> None:
    numbers = [int(likelihood.row_id[1:]) for likelihood in knowledge.likelihoods]
    assert len(numbers) == len(set(numbers))
    assert sum(number <= LAST_PUBLISHED for number in numbers) == PUBLISHED_ROWS


def test_all_conditions_of_the_model_and_the_two_derived_ones_are_there(knowledge: KnowledgeBase) -> None:
    ids = [condition.id for condition in knowledge.conditions]
    assert len(ids) == 27
    assert {"hip_spine_syndrome", "other_unclassified"} < set(ids)
    assert sum(condition.prevalence for condition in knowledge.conditions) == pytest.approx(1.0, abs=1e-9)


def test_findings_that_the_claims_name_were_added_with_rates_and_assigned_rows(knowledge: KnowledgeBase) -> None:
    for finding_id in ADDED_FINDINGS:
        assert any(observable.finding_id == finding_id for observable in knowledge.observables)
        rows = [likelihood for likelihood in knowledge.likelihoods if likelihood.finding_id == finding_id]
        assert rows
        assert {(one.source_kind, one.quality, one.confidence) for one in rows} == {("expert", "D", "low")}
        limit = 6.0 if finding_id == "unable_to_bear_weight" else 3.0
        assert all(one.lr_pos is not None and 1.0 / 3.0 < one.lr_pos.point <= limit for one in rows)


def test_assigned_rows_of_the_second_lot_are_cautious(knowledge: KnowledgeBase) -> None:
    """Between a half and three, but for what an image or the defining symptom itself shows; response and course below two."""
    itself = {"fracture_imaging", "mass_imaging", "outer_thigh_sensory"}
    course = {"symptom_duration", "onset_mode", "hip_treatment_response", "spine_treatment_response", "analgesic_response"}
    second = [one for one in knowledge.likelihoods if int(one.row_id[1:]) >= SECOND_LOT]
    assert {one.source_kind for one in second} == {"expert", "recalled", "seen"}
    for one in (one for one in second if one.source_kind == "expert"):
        assert one.lr_pos is not None and one.quality == "D"
        most = 12.0 if one.finding_id in itself else 2.0 if one.finding_id in course else 3.0
        assert 0.5 <= one.lr_pos.point <= most, one.row_id


def test_findings_without_a_row_are_those_that_serve_others(knowledge: KnowledgeBase) -> None:
    weighed = {one.finding_id for one in knowledge.likelihoods if one.role == "input"}
    assert {finding.id for finding in knowledge.findings} - weighed == {
        "treatment_visits", "treatment_weeks", "symptom_side", "anticoagulation",
    }


def test_suri_2010_no_pain_when_seated_keeps_its_printed_ratios(knowledge: KnowledgeBase) -> None:
    """Suri P et al. JAMA 2010;304:2628: LR+ 7.4 (1.9-30), LR- 0.57 (0.43-0.76)."""
    found = row(knowledge, "L067")
    assert (found.lr_pos, found.lr_neg) == (Estimate(7.4, 1.9, 30.0), Estimate(0.57, 0.43, 0.76))
    assert (found.target_id, found.source_id, found.source_kind) == ("lumbar_stenosis", "suri-2010", "seen")


def test_van_der_wurff_2006_three_of_five_is_the_sacroiliac_count_in_use(knowledge: KnowledgeBase) -> None:
    """van der Wurff P et al. Arch Phys Med Rehabil 2006;87:10: LR+ 4.02, LR- 0.19."""
    found = row(knowledge, "L210")
    assert points(found.lr_pos, found.lr_neg) == [4.02, 0.19]
    assert found.role == "input"
    assert [row(knowledge, rival).role for rival in ("L207", "L208", "L209")] == ["check"] * 3


def test_a_zero_cell_stays_as_printed(knowledge: KnowledgeBase) -> None:
    """Laslett M et al. Spine J 2006;6:370 (LR- 0) and Grimaldi A et al. Br J Sports Med 2017;51:519 (specificity 1)."""
    assert points(row(knowledge, "L191").lr_neg) == [0.0]
    assert points(row(knowledge, "L222").specificity, row(knowledge, "L222").lr_pos) == [1.0, None]


def test_only_the_guided_block_and_images_of_the_disease_itself_are_definite(knowledge: KnowledgeBase) -> None:
    assert {finding.id for finding in knowledge.findings if finding.definite} == {
        "hip_injection_relief", "hip_mri_avn", "sacroiliitis_imaging", "fracture_imaging", "mass_imaging",
    }


def test_the_sacroiliac_count_names_its_five_parts(knowledge: KnowledgeBase) -> None:
    assert knowledge.clusters == {
        "sij_count": ("sij_distraction", "sij_thigh_thrust", "sij_compression", "sij_sacral_thrust", "sij_gaenslen")
    }


def test_quantities_have_unit_and_limits(knowledge: KnowledgeBase) -> None:
    quantities = {
        finding.id: (finding.unit, finding.minimum, finding.maximum)
        for finding in knowledge.findings if finding.answer_type == "quantity"
    }
    assert quantities == {
        "hip_ir_rom": ("deg", 0.0, 90.0),
        "hip_planes_restricted": ("1", 0.0, 3.0),
        "sij_count": ("1", 0.0, 5.0),
        "pain_intensity": ("{score}", 0.0, 10.0),
        "hip_flexion_rom": ("deg", 0.0, 150.0),
        "hip_abduction_rom": ("deg", 0.0, 90.0),
        "hip_extension_rom": ("deg", -30.0, 40.0),
        "treatment_visits": ("1", 0.0, 60.0),
        "treatment_weeks": ("wk", 0.0, 260.0),
    }


# --- observables -------------------------------------------------------------------------------------------------


def test_levels_of_every_observable_sum_to_one(knowledge: KnowledgeBase) -> None:
    for observable in knowledge.observables:
        assert sum(level.background for level in observable.levels) == pytest.approx(1.0, abs=1e-12)


def test_a_yes_no_finding_has_the_levels_present_and_absent(knowledge: KnowledgeBase) -> None:
    by_finding = {observable.finding_id: observable for observable in knowledge.observables}
    for finding in knowledge.findings:
        if finding.answer_type == "boolean":
            observable = by_finding[finding.id]
            assert observable.binary
            assert [level.when.holds(answer) for level in observable.levels for answer in (True, False)] == [
                True, False, False, True,
            ]


@pytest.mark.parametrize(
    ("degrees", "level"),
    [(0.0, "at-most-15"), (15.0, "at-most-15"), (15.5, "over-15-to-25"), (25.0, "over-15-to-25"), (25.5, "over-25")],
)
def test_internal_rotation_falls_into_one_of_three_bands(knowledge: KnowledgeBase, degrees: float, level: str) -> None:
    observable = next(one for one in knowledge.observables if one.id == "hip_ir_rom")
    assert [one.id for one in observable.levels if one.when.holds(degrees)] == [level]


@pytest.mark.parametrize(
    ("answer", "levels"),
    [
        ("radiograph normal", ["hip_imaging_normal:radiograph present"]),
        ("MRI normal", ["hip_imaging_normal:mri present"]),
        ("abnormal", ["hip_imaging_normal:radiograph absent"]),
        ("not done", []),
    ],
)
def test_each_answer_about_hip_images_speaks_of_one_modality_at_most(
    knowledge: KnowledgeBase, answer: str, levels: list[str]
) -> None:
    observables = [one for one in knowledge.observables if one.finding_id == "hip_imaging_normal"]
    assert [f"{one.id} {level.id}" for one in observables for level in one.levels if level.when.holds(answer)] == levels


# --- sources -----------------------------------------------------------------------------------------------------


def test_every_likelihood_has_a_source_and_judgement_is_called_judgement(knowledge: KnowledgeBase) -> None:
    for likelihood in knowledge.likelihoods:
        assert likelihood.source_id in knowledge.citations
        assert (likelihood.source_id == "expert-judgement") == (likelihood.source_kind == "expert")


def test_every_comparator_is_a_condition_or_group_other_than_the_target(knowledge: KnowledgeBase) -> None:
    known = {condition.id for condition in knowledge.conditions} | {group.id for group in knowledge.groups}
    compared = [one for one in knowledge.likelihoods if one.comparator_kind == "condition"]
    assert compared
    assert all(one.comparator_id in known and one.comparator_id != one.target_id for one in compared)


def test_no_address_where_a_figure_was_seen_reaches_the_knowledge_base(knowledge: KnowledgeBase, tables: Tables) -> None:
    assert any(one["where_seen"].startswith("http") for one in tables.likelihoods)
    assert not re.search(r"https?://|www\.", repr(knowledge))


def test_pubmed_numbers_and_dois_look_like_such(knowledge: KnowledgeBase) -> None:
    for citation in knowledge.citations.values():
        assert not citation.pmid or citation.pmid.isdigit()
        assert not citation.doi or citation.doi.startswith("10.")
        assert citation.text.endswith(".")


def test_every_row_that_is_not_used_says_why(knowledge: KnowledgeBase) -> None:
    unused = [one for one in knowledge.likelihoods if one.role != "input"]
    assert len(unused) > 100
    assert all(one.decision.endswith(".") for one in unused)


def test_a_rival_that_lost_names_or_belongs_to_a_pair_with_a_known_row(knowledge: KnowledgeBase) -> None:
    known = {one.row_id for one in knowledge.likelihoods}
    for one in knowledge.likelihoods:
        assert set(re.findall(r"\bL\d{3}\b", f"{one.decision} {one.note}")) <= known, one.row_id


# --- good and bad files ------------------------------------------------------------------------------------------


def test_version_is_the_same_for_the_same_files_and_another_after_one_changed_cell(
    knowledge: KnowledgeBase, copied_tables: Path, edit: Callable[..., None]
) -> None:
    assert load_knowledge_base(copied_tables).version == knowledge.version
    edit("likelihoods.csv", "row_id", "L067", lr_pos="7.5")
    assert load_knowledge_base(copied_tables).version != knowledge.version
    assert re.fullmatch(r"\d+\.\d+-[0-9a-f]{12}", knowledge.version)


def faults_of(directory: Path) -> dict[str, str]:
    with pytest.raises(KnowledgeBaseError) as caught:
        load_knowledge_base(directory)
    return {fault.where: fault.message for fault in caught.value.faults}


def test_every_bad_row_of_every_table_is_listed_at_once(copied_tables: Path, edit: Callable[..., None]) -> None:
    edit("likelihoods.csv", "row_id", "L067", lr_pos="seven", quality="E")
    edit("likelihoods.csv", "row_id", "L068", when="maybe")
    edit("findings.csv", "id", "slr", burden="9")
    edit("model.csv", "id", "lr_pos_cap", value="")
    edit("red_flags.json", "id", "fever", when={"finding": "fever"})
    assert faults_of(copied_tables) == {
        "likelihoods.csv row L067 column lr_pos": "must be a number.",
        "likelihoods.csv row L067 column quality": "must be one of A, B, C, D.",
        "likelihoods.csv row L068 column when": "not a statement about an answer: 'maybe'.",
        "findings.csv row slr column burden": "must lie between 1 and 5.",
        "model.csv row lr_pos_cap column value": "must not be empty.",
        "red_flags.json row fever column when": "not a rule: finding.",
    }


def test_an_unknown_column_is_an_error(copied_tables: Path) -> None:
    path = copied_tables / "groups.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0] + ",colour", *(line + ",red" for line in lines[1:])]) + "\n", encoding="utf-8")
    faults = faults_of(copied_tables)
    assert faults["groups.csv row group:spine column colour"] == "Unknown field."
    assert len(faults) == len(lines) - 1


def test_a_missing_column_is_an_error(copied_tables: Path) -> None:
    path = copied_tables / "sources.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",pmid\n", ",pubmed\n", 1), encoding="utf-8")
    faults = faults_of(copied_tables)
    assert "sources.csv row suri-2010 column pmid" in faults
    assert "sources.csv row suri-2010 column pubmed" in faults


def test_a_row_with_too_few_cells_is_an_error(copied_tables: Path) -> None:
    path = copied_tables / "groups.csv"
    path.write_text(path.read_text(encoding="utf-8") + "group:new,No members\n", encoding="utf-8")
    assert faults_of(copied_tables) == {"groups.csv row group:new": "2 cells under 3 columns."}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("groups.csv", b"id,label,members\n\xff\xfe\n", "cannot be read"),
        ("groups.csv", b"id,label,members\n", "the table is empty."),
        ("groups.csv", b'id,label,members\n"open,x,y\n', "cannot be read"),
        ("plans.json", b"{bad", "cannot be read"),
        ("plans.json", b"[]", "must be an object with one list"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(copied_tables: Path, name: str, content: bytes, said: str) -> None:
    (copied_tables / name).write_bytes(content)
    assert said in faults_of(copied_tables)[name]


def test_missing_files_are_all_named(copied_tables: Path) -> None:
    (copied_tables / "groups.csv").unlink()
    (copied_tables / "model.csv").unlink()
    assert set(faults_of(copied_tables)) == {"groups.csv", "model.csv"}
