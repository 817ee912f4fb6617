"""Our form in somebody else's renderer: LHC-Forms shows it as it is served, is filled in, and what it exports is assessed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from browser.lhc_forms import served
from conformance.tools import needed_tools
from playwright.sync_api import Browser, Page
from support.servers import FHIR_JSON, LiveServer

Resource = dict[str, Any]

PATIENT = {"reference": "Patient/lhc-forms"}
# Finding -> the answer ticked, chosen from the list, or typed.
TICKED = {"sex": "female", "pain_groin": "present", "fadir": "present", "pain_below_knee": "absent", "smoking": "unknown"}
CHOSEN = {"age_band": "60-69"}
TYPED = {"hip_flexion_rom": "95", "treatment_visits": "4"}


@pytest.fixture(scope="module")
def form(live_server: LiveServer) -> Resource:
    return dict(requests.get(f"{live_server.fhir}/Questionnaire/hip-spine-intake", timeout=30).json())


@pytest.fixture(scope="module")
def page(browser: Browser, form: Resource) -> Iterator[Page]:
    """A page on which LHC-Forms shows the form; it may ask nobody but its own server."""
    opened = browser.new_page(viewport={"width": 1200, "height": 1400})
    with served(needed_tools().package("lforms")) as address:
        opened.route(lambda url: not url.startswith(address), lambda route: route.abort())
        opened.goto(address)
        opened.wait_for_function("window.LForms && LForms.FHIR && LForms.FHIR.R4", timeout=60_000)
        opened.evaluate("form => LForms.Util.addFormToPage(form, 'form')", form)
        opened.wait_for_selector(by_id(f"label-{questions(form['item'])[0]['linkId']}/1/1"), timeout=60_000)
        yield opened
    opened.close()


@pytest.fixture(scope="module")
def exported(page: Page, form: Resource) -> Resource:
    """What LHC-Forms exports once it is filled in by mouse and keyboard."""
    system = form["url"].partition("/Questionnaire/")[0] + "/CodeSystem/answer"
    for finding, answer in TICKED.items():
        page.locator(by_id(f"{finding}/1/1|{system}|{answer}")).click()
    for finding, answer in CHOSEN.items():
        field = page.locator(by_id(f"{finding}/1/1"))
        field.press_sequentially(answer)
        field.press("Tab")  # takes the one option that begins so
    for finding, answer in TYPED.items():
        field = page.locator(by_id(f"{finding}/1/1"))
        field.fill(answer)
        field.press("Tab")
    return dict(page.evaluate("() => LForms.Util.getFormFHIRData('QuestionnaireResponse', 'R4', '#form')"))


def by_id(element_id: str) -> str:
    """A selector of the element with that id, which may hold slashes and bars."""
    return f"[id={json.dumps(element_id)}]"


def questions(items: list[Resource]) -> list[Resource]:
    """The items that are answered, in order."""
    found = []
    for item in items:
        if item["type"] not in ("group", "display"):
            found.append(item)
        found += questions(item.get("item", []))
    return found


def answers(items: list[Resource]) -> dict[str, Resource]:
    """linkId -> its answer."""
    found: dict[str, Resource] = {}
    for item in items:
        if "answer" in item:
            found[item["linkId"]] = item["answer"][0]
        found |= answers(item.get("item", []))
    return found


def test_every_question_is_shown_in_its_place_with_its_words(page: Page, form: Resource) -> None:
    asked = questions(form["item"])
    labels = page.locator("lhc-item-question label[id^='label-']")
    shown = [str(one.get_attribute("id")).removeprefix("label-").partition("/")[0] for one in labels.all()]
    assert shown == [item["linkId"] for item in asked if item["linkId"] in shown], "in the order of the form"
    assert [item["linkId"] for item in asked if item["linkId"] not in shown and "enableWhen" not in item] == []
    words = {item["linkId"]: item["text"] for item in asked}
    assert [text.strip() for text in labels.all_inner_texts()] == [words[name] for name in shown]
    titles = [text.strip() for text in page.locator("label[id^='label-group-']").all_inner_texts()]
    assert titles == [group["text"] for group in form["item"]]


def test_questions_of_few_options_are_ticked_and_quantities_carry_their_unit(page: Page, form: Resource) -> None:
    by_name = {item["linkId"]: item for item in questions(form["item"])}
    options = page.locator(f"[id^={json.dumps('pain_groin/1/1|')}]").all_inner_texts()
    assert [text.strip() for text in options] == [one["valueCoding"]["display"] for one in by_name["pain_groin"]["answerOption"]]
    unit = next(one for one in by_name["hip_flexion_rom"]["extension"] if one["url"].endswith("/questionnaire-unit"))
    assert page.locator(by_id("unit_hip_flexion_rom/1/1")).input_value() == unit["valueCoding"]["display"]


def test_what_was_filled_in_is_exported_with_the_codes_of_the_form(exported: Resource, form: Resource) -> None:
    found = answers(exported["item"])
    assert set(found) == {*TICKED, *CHOSEN, *TYPED}
    assert {name: found[name]["valueCoding"]["code"] for name in (*TICKED, *CHOSEN)} == TICKED | CHOSEN
    assert exported["questionnaire"].startswith(form["url"])
    assert exported["status"] == "completed"


def test_S1_the_exported_response_is_assessed_and_every_answer_used(live_server: LiveServer, exported: Resource) -> None:
    response = live_server.assess({**exported, "subject": PATIENT})
    assert response.status_code == 200, response.text[:800]
    assessment = response.json()
    assert assessment["resourceType"] == "RiskAssessment"
    used = used_findings(assessment)
    assert used >= {*TICKED, *CHOSEN, *TYPED} - {"smoking"}, "an answer `unknown` is not a finding"
    pages = [
        requests.post(f"{live_server.fhir}/$assess", json=body, headers={"Content-Type": FHIR_JSON}, timeout=30).json()
        for body in ({**exported, "subject": PATIENT}, {**without_answers(exported), "subject": PATIENT})
    ]
    assert pages[0]["prediction"] != pages[1]["prediction"], "the answers make a difference"


def test_a_picture_of_the_form_can_be_taken(page: Page, exported: Resource, tmp_path: Path) -> None:
    """For people who run this test to see how the form looks: --basetemp says where the pictures are."""
    assert exported
    page.screenshot(path=tmp_path / "form.png", full_page=True)
    assert (tmp_path / "form.png").stat().st_size > 50_000


def used_findings(assessment: Resource) -> set[str]:
    """The findings that the assessment says it used."""
    return {
        coding["code"]
        for extension in assessment["extension"]
        if extension["url"].endswith("/used-finding")
        for part in extension["extension"]
        for coding in (part.get("valueCodeableConcept", {}).get("coding", []) or [part.get("valueCoding", {})])
        if coding.get("system", "").endswith("/CodeSystem/finding")
    }


def without_answers(response: Resource) -> Resource:
    return {name: value for name, value in response.items() if name != "item"}
