"""The page of `make demo-ehr` in a real browser: four moments, their cards, a suggestion taken; text of a card is only text."""

from __future__ import annotations

import json

from playwright.sync_api import Browser, Page, expect
from support.demo_ehr import demonstration
from support.demo_record import SCENES


def test_a_visitor_plays_the_four_moments_and_the_orders_change(browser: Browser) -> None:
    with demonstration() as (record, _):
        page = browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{record.url}/")
        for number, scene in enumerate(SCENES):
            page.locator("#steps button").nth(number).click()
            page.get_by_role("button", name=scene.ask).click()
            expect(page.locator(".card").first).to_be_visible(timeout=20_000)
            CHECKS[scene.id](page)
        assert [one["code"]["text"] for one in record.of_type("ServiceRequest")] == ["Physiotherapist (lumbar spine)"]
        assert problems == []


def _encounter(page: Page) -> None:
    expect(page.locator(".card .badge")).to_have_text("info")
    expect(page.locator("#chart")).to_contain_text("RiskAssessment", timeout=20_000)


def _order(page: Page) -> None:
    expect(page.locator("#chart .drafts").first).to_contain_text("MRI of the hip")
    page.locator(".suggestion.recommended button").click()
    expect(page.locator(".outcome")).to_be_visible()
    expect(page.locator("#chart .gone")).to_have_text("MRI of the hip")


def _discharge(page: Page) -> None:
    expect(page.locator(".card .detail")).to_contain_text("Plan to consider")


def _emergency(page: Page) -> None:
    expect(page.locator(".card.critical .summary")).to_contain_text("cauda equina")
    parts = page.evaluate(f"inline({json.dumps(EVIL)}).map((one) => one.outerHTML ? [one.outerHTML] : one)")
    assert parts == SHOWN


EVIL = r"&lt;img src=x&gt; <img src=x> **b** \*c\* [d](javascript:1) [e](https://e.example/)"
SHOWN = [  # text, or an element in a list
    "<img src=x> <img src=x> ",
    ["<b>b</b>"],
    " ",
    "*",
    "c",
    "*",
    " [d](javascript:1) ",
    ['<a href="https://e.example/" target="_blank" rel="noreferrer">e</a>'],
]
CHECKS = {"encounter": _encounter, "order": _order, "discharge": _discharge, "emergency": _emergency}
