"""The console in a real browser: it loads under its own policy, and every address of it does."""

import pytest
from playwright.sync_api import Page

from browser.kit import Here

pytestmark = pytest.mark.system


def test_it_opens_and_stays_on_its_own_origin(page: Page, colony: Here) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(colony.url)
    page.wait_for_selector("nav")
    assert page.locator("html").get_attribute("data-room") == "queen"
    assert {url for url in asked if not url.startswith((colony.url, "data:", "blob:"))} == set()
