"""Workers in a real browser: one is started, restarted, read and stopped; a long log opens at once."""

import re
import time

import httpx2
import pytest
from playwright.sync_api import Page, expect

from browser.kit import Here

pytestmark = pytest.mark.system

LINES = 100_000
OPEN_WITHIN_S = 5.0  # fetched, split and shown, on two busy cores; a second where nothing else runs
NODES_MAX = 400  # what a hundred thousand lines may put into the page


def test_a_worker_is_started_restarted_and_stopped(page: Page, starter_colony: Here) -> None:
    page.goto(f"{starter_colony.url}/workers")
    expect(page.get_by_text("No workers run")).to_be_visible()
    page.get_by_role("button", name="Start a worker").first.click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Model", exact=True).fill("starter")
    expect(sheet.get_by_text("would be started on hive")).to_be_visible()
    sheet.get_by_role("button", name="Start on hive").click()
    expect(sheet.get_by_role("link", name="Chat with it")).to_be_visible(timeout=60_000)
    sheet.get_by_role("button", name="Done").click()

    row = page.get_by_role("row").filter(has_text="starter")
    expect(row.get_by_text("ready")).to_be_visible()
    row.get_by_role("button", name="Logs").click()
    log = page.get_by_role("log")
    expect(log.get_by_text("--- generation 1 ---")).to_be_visible()
    page.get_by_label("Filter lines").fill("generation")
    expect(page.get_by_text(re.compile(r"^1 of .* lines"))).to_be_visible()
    page.get_by_role("button", name="Restart").click()
    expect(log.get_by_text("--- generation 2 ---")).to_be_visible(timeout=60_000)
    page.keyboard.press("Escape")
    expect(row.get_by_text("ready")).to_be_visible(timeout=60_000)

    row.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Stop worker").click()
    expect(page.get_by_text("No workers run")).to_be_visible(timeout=60_000)


def test_a_hundred_thousand_lines_open_at_once(page: Page, colony: Here) -> None:
    ask = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}
    assert httpx2.post(f"{colony.url}/v1/chat/completions", json=ask, timeout=30).is_success
    (log,) = (colony.hive.data / "hive" / "workers").glob("*/worker.log")
    with log.open("a") as file:
        file.writelines(f"slot {number % 8}: task {number} done\n" for number in range(LINES))
        file.write("error: the last one failed\n")
    page.goto(f"{colony.url}/workers")
    page.get_by_role("row").filter(has_text="scripted").get_by_role("button", name="Logs").click()
    began = time.monotonic()
    shown = page.get_by_role("log")
    expect(shown.get_by_text("error: the last one failed")).to_be_visible()
    expect(page.get_by_text("100\u202f000 lines")).to_be_visible()
    assert time.monotonic() - began < OPEN_WITHIN_S
    assert shown.locator("div").count() < NODES_MAX
    page.get_by_label("Filter lines").fill("task 77777")
    expect(shown.get_by_text("task 77777 done")).to_be_visible()
    with log.open("a") as file:
        file.write("another task 77777 done\n")
    expect(shown.get_by_text("another task 77777 done")).to_be_visible()
