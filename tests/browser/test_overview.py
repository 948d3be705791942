"""The overview: what a new colony offers, and what a large or a troubled one shows."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from browser.accessible import AXE, faults, sideways_px
from browser.kit import NARROW, Here
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

ANSWERED_MS = 60_000  # a cold worker, two busy cores


def test_one_press_leads_from_no_worker_to_a_chat(page: Page, starter_colony: Here) -> None:
    page.goto(starter_colony.url)
    expect(page.get_by_role("heading", name="No model runs")).to_be_visible()
    page.get_by_role("button", name="Start the starter model and chat").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/chat\?model=starter"), timeout=ANSWERED_MS)
    box = page.get_by_role("textbox").first
    box.fill("Say hi.")
    box.press("Enter")
    expect(page.locator("main")).to_contain_text(re.compile(r"tok/s"), timeout=ANSWERED_MS)

    page.keyboard.press("Escape")
    page.get_by_role("link", name="Overview").click()
    figures = page.get_by_role("region", name="The colony in figures")
    expect(figures.get_by_role("link", name=re.compile("Workers ready"))).to_contain_text("of 1")
    graph = page.get_by_role("img", name=re.compile("^Tokens a second, last ten minutes: now"))
    expect(graph).to_be_visible()


def test_a_hive_that_falls_silent_is_told_with_its_remedy(
    make_colony: Callable[..., Here], page: Page
) -> None:
    here = make_colony()
    page.goto(here.url)
    expect(page.get_by_text("All is well")).to_be_visible()
    here.hive.kill()
    alert = page.get_by_role("region", name="Needs attention").get_by_role("listitem")
    expect(alert).to_contain_text("hive has not been heard of", timeout=30_000)
    expect(alert).to_contain_text("it comes back by itself")
    alert.get_by_role("link", name="Open hive").click()
    expect(page).to_have_url(re.compile(r"/hives\?hive=hive$"))


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm install in web/")
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_is_accessible_and_fits_a_phone(
    new_page: Callable[..., Page], colony: Here, theme: str
) -> None:
    page = new_page(viewport=NARROW, color_scheme=theme, reduced_motion="reduce")
    page.goto(colony.url)
    expect(page.get_by_role("region", name="The colony in figures")).to_be_visible()
    assert faults(page) == []
    until_now(lambda: sideways_px(page) <= 0)
