"""A worker's own page: llama.cpp's, at its hive and through the queen, and nothing more by it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from browser.kit import Faults, Here
from rbee.testing.real_kills import run_job

pytestmark = pytest.mark.system


@pytest.fixture
def worker(starter_colony: Here) -> str:
    """A worker of the starter model; one that runs already will do."""
    listed = run_job(starter_colony.hive.url, {"operation": "worker_process_list"})
    rows = [event["data"] for event in listed if event["action"] == "worker_proc_list_entry"]
    for row in rows:
        if row["status"] == "ready":
            return str(row["worker_id"])
    spawn: dict[str, object] = {"operation": "worker_spawn", "model": "starter", "worker": "cpu"}
    events = run_job(starter_colony.hive.url, spawn)
    return str(events[-1]["data"]["worker_id"])


def test_llama_cpps_page_answers_through_the_queen(
    page: Page, starter_colony: Here, worker: str
) -> None:
    page.goto(f"{starter_colony.url}/workers/{worker}/ui/")
    assert not page.url.startswith(starter_colony.url)  # another port: another origin
    box = page.get_by_role("textbox").first
    with page.expect_response(lambda answer: "chat/completions" in answer.url) as got:
        box.fill("Say hi")
        box.press("Enter")
    assert got.value.status == 200
    assert f"/workers/{worker}/ui/" in got.value.url
    sent = got.value.request.all_headers()
    assert "authorization" not in sent  # the secret is added behind, and never seen here


def test_the_three_pages_show_side_by_side(page: Page, starter_colony: Here, worker: str) -> None:
    page.goto(f"{starter_colony.url}/side-by-side?worker={worker}")
    queen = page.frame_locator("iframe[title=Queen]")
    expect(queen.get_by_role("navigation").first).to_be_visible()
    hive = page.frame_locator("iframe[title=Hive]")
    expect(hive.get_by_role("heading", name="Devices")).to_be_visible()
    expect(hive.get_by_text("starter").first).to_be_visible()
    theirs = page.frame_locator("iframe[title=Worker]")
    expect(theirs.get_by_role("textbox").first).to_be_visible()


def test_a_hives_own_page_stops_and_starts_a_worker(
    page: Page, starter_colony: Here, worker: str
) -> None:
    page.goto(f"http://localhost:{starter_colony.hive.port}/")
    assert page.locator("html").get_attribute("data-room") == "hive"
    rows = page.get_by_role("row").filter(has_text="starter")
    expect(rows.first).to_be_visible()
    page.get_by_role("button", name="Log of starter").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("llama")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Stop starter").first.click()
    page.get_by_role("button", name="Stop worker").click()
    expect(page.get_by_text("starter stopped")).to_be_visible()
    page.get_by_role("button", name="Start starter", exact=True).click()
    expect(page.get_by_text("starter is ready")).to_be_visible(timeout=60_000)
    assert worker


def test_who_is_signed_in_at_the_queen_is_so_there_and_others_read_why_not(
    page: Page, make_colony: Callable[..., Here], page_faults: Faults
) -> None:
    key = "a-made-up-key-of-this-test-alone"
    here = make_colony(key=key)
    address = f"{here.url}/workers/nobody/ui/"
    page.goto(address)
    expect(page.get_by_role("heading")).to_have_text("Sign in first")
    signed = page.context.request.post(f"{here.url}/v1/session", data={"key": key})
    assert signed.ok
    page.goto(address)
    expect(page.get_by_role("heading")).to_have_text("No page here")
    expect(page.get_by_text("There is no worker 'nobody'")).to_be_visible()
    assert page_faults.left() == []
