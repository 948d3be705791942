"""What fast fingers and small windows do to lists, messages and forms: nothing is lost, nothing closes."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from browser.kit import NARROW, WIDE, Here

pytestmark = pytest.mark.system

KEY = "a-made-up-key-of-this-colony"


def test_letters_typed_quickly_all_stand_in_a_filter(page: Page, colony: Here) -> None:
    page.goto(f"{colony.url}/events")
    box = page.get_by_label("Filter events")
    box.press_sequentially("joined the colony", delay=0)
    expect(box).to_have_value("joined the colony")
    expect(page).to_have_url(re.compile(r"q=joined\+the\+colony$"))
    box.press("Home")
    box.press_sequentially("has ", delay=0)
    expect(box).to_have_value("has joined the colony")
    box.press("Escape")
    expect(box).to_have_value("")
    expect(page).to_have_url(f"{colony.url}/events")
    page.goto(f"{colony.url}/events?q=from+a+link")
    expect(page.get_by_label("Filter events")).to_have_value("from a link")


def test_a_message_above_a_sheet_is_closed_and_the_sheet_stays(page: Page, colony: Here) -> None:
    def refuse(route: Route) -> None:
        body = {"error": "refused", "details": "Not now.", "remedy": "Ask again later."}
        route.fulfill(status=409, content_type="application/json", body=json.dumps(body))

    page.goto(f"{colony.url}/hives?hive=hive")
    sheet = page.get_by_role("dialog")
    page.route("**/v1/hives/hive/**", refuse)
    sheet.get_by_role("button", name="Look again").click()
    message = page.locator("[data-toast=bad]")
    expect(message).to_contain_text("Ask again later.")
    message.locator("button[aria-label='Close the message']").click()
    expect(message).to_have_count(0)
    expect(sheet).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)


def test_rows_stand_close_again_when_a_phone_is_turned(page: Page, colony: Here) -> None:
    page.goto(f"{colony.url}/events")
    rows = page.locator("[data-at]")
    expect(rows.nth(1)).to_be_visible()
    page.set_viewport_size(NARROW)
    expect(page.get_by_role("columnheader").first).not_to_be_in_viewport()
    page.set_viewport_size(WIDE)
    page.wait_for_function(
        "() => { const tops = [...document.querySelectorAll('[data-at]')]"
        ".map((row) => row.getBoundingClientRect().top).sort((a, b) => a - b);"
        " return tops.length > 1 && Math.abs(tops[1] - tops[0] - 38) < 1; }"
    )


def test_changes_that_are_not_saved_are_asked_about(page: Page, colony: Here) -> None:
    page.goto(f"{colony.url}/settings?q=queue_max")
    page.get_by_label("queue_max", exact=True).fill("77")
    page.locator("[data-search]").fill("queue")  # no other page: nothing is asked
    page.get_by_role("link", name="Overview").click()
    question = page.get_by_role("alertdialog")
    expect(question).to_contain_text("queue_max")
    question.get_by_role("button", name="Cancel").click()
    expect(page.get_by_label("queue_max", exact=True)).to_have_value("77")
    page.get_by_role("link", name="Overview").click()
    question.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_key_that_may_not_look_says_so(
    make_colony: Callable[..., Here], new_page: Callable[..., Page]
) -> None:
    colony = make_colony(key=KEY)
    page = new_page()
    made = page.context.request.post(
        f"{colony.url}/v1/keys",
        headers={"authorization": f"Bearer {KEY}"},
        data={"name": "talker", "scopes": ["inference"]},
    ).json()["key"]
    page.goto(colony.url)
    page.get_by_label("Key", exact=True).fill(made)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("[data-banner=forbidden]")).to_contain_text("may not look at the colony")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("[data-banner]")).to_have_count(0)
    # The key of a new client stays until it was put away, and is gone from the page by any way out.
    page.goto(f"{colony.url}/keys?new=1")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("other")
    dialog.get_by_label("Tokens a day").fill("many")
    expect(dialog.get_by_role("button", name="Make the key")).to_be_disabled()
    dialog.get_by_label("Tokens a day").fill("")
    dialog.get_by_role("button", name="Make the key").click()
    shown = dialog.get_by_role("region", name="Key")
    secret = shown.inner_text().strip()
    page.keyboard.press("Escape")
    page.mouse.click(5, 5)
    expect(shown).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Make a key").click()
    expect(dialog.get_by_label("Name")).to_have_value("")
    assert secret not in page.content()
