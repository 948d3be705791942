"""The frame around every page: keys, palette, theme, navigation, a queen that goes and comes."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from browser.accessible import AXE, faults, sideways_px
from browser.kit import NARROW, Faults, Here

pytestmark = pytest.mark.system

RECONNECTED_WITHIN_MS = 3_000


def test_every_page_is_reached_by_keys_alone(page: Page, colony: Here) -> None:
    page.goto(colony.url)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()

    page.keyboard.press("g")
    page.keyboard.press("w")
    expect(page).to_have_url(re.compile("/workers$"))

    page.keyboard.press("Control+k")
    page.get_by_placeholder("Find anything").fill("setti")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/settings$"))

    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard")
    expect(sheet.get_by_text("Command palette")).to_be_visible()
    page.keyboard.press("g")  # no page is changed below an open dialog
    page.keyboard.press("h")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(page).to_have_url(re.compile("/settings$"))


def test_the_palette_finds_what_the_colony_holds(page: Page, colony: Here) -> None:
    page.goto(colony.url)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Find anything").fill(hive := "hive")
    page.get_by_role("group", name="Hives").get_by_role("option").first.click()
    expect(page).to_have_url(re.compile(rf"/hives\?hive={hive}$"))


def test_the_theme_is_kept_and_shown_before_the_first_paint(page: Page, colony: Here) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(colony.url)
    html = page.locator("html")
    expect(html).to_have_attribute("data-theme", "light")
    page.get_by_role("heading", name="Overview").wait_for()  # before, nobody hears the keys
    page.keyboard.press("Control+k")
    page.get_by_role("option", name="Dark theme").click()
    expect(html).to_have_attribute("data-theme", "dark")
    page.reload(wait_until="commit")
    page.wait_for_selector("html[data-theme=dark]", state="attached")
    page.get_by_role("button", name="Theme: dark").click()
    expect(html).to_have_attribute("data-theme", "light")


def test_an_unknown_address_says_so_and_leads_back(page: Page, colony: Here) -> None:
    page.goto(f"{colony.url}/nowhere/at/all")
    expect(page.get_by_text("There is no page here")).to_be_visible()
    page.get_by_role("link", name="To the overview").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_on_a_phone_all_pages_are_a_thumb_away(new_page: Callable[..., Page], colony: Here) -> None:
    page = new_page(viewport=NARROW)
    page.goto(colony.url)
    bar = page.get_by_role("navigation", name="Main pages")
    bar.get_by_role("link", name="Hives").click()
    expect(page).to_have_url(re.compile("/hives$"))
    bar.get_by_role("button", name="More").click()
    page.get_by_role("dialog").get_by_role("link", name="Requests").click()
    expect(page).to_have_url(re.compile("/requests$"))
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert sideways_px(page) <= 0


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm install in web/")
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_frame_and_its_sheets_are_accessible(
    new_page: Callable[..., Page], colony: Here, theme: str
) -> None:
    page = new_page(color_scheme=theme, reduced_motion="reduce")
    page.goto(colony.url)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    assert faults(page) == []
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.get_by_placeholder("Find anything")).to_be_focused()
    assert faults(page) == []


def test_a_queen_that_restarts_is_missed_and_found_again(
    make_colony: Callable[..., Here], page: Page, page_faults: Faults
) -> None:
    page_faults.expected.append(r"^failed: GET .*/v1/(state/stream|session)")  # she is away
    here = make_colony()
    page.goto(here.url)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()

    here.queen.stop()
    banner = page.locator("[data-banner=connection]")
    expect(banner).to_contain_text("The queen does not answer")
    expect(banner).to_contain_text(re.compile(r"is \d.* old"))

    here.queen.start()
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=RECONNECTED_WITHIN_MS)
    expect(banner).to_be_hidden()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
