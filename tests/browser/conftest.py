"""A real browser: Debian's Chromium, driven by Playwright. Without it the tests are skipped, except where CI is set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conformance.tools import needed_browser
from playwright.sync_api import Browser, sync_playwright

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--metrics-recording-only",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=needed_browser(), args=list(FLAGS))
        yield started
        started.close()
