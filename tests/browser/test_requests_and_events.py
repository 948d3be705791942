"""The pages of requests and of events and logs, on a colony whose one slot is slow."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from browser.kit import NARROW, Here, start_colony
from rbee.testing.colony import Colony
from rbee.testing.real_kills import run_job

pytestmark = pytest.mark.system

MODEL = "scripted-bee"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4000}


@pytest.fixture(scope="module")
def colony(tmp_path_factory: pytest.TempPathFactory, built_console: Path) -> Iterator[Here]:
    """One worker of one slot, which takes a minute for an answer."""
    folder = tmp_path_factory.mktemp("slow")
    script = folder / "script.json"
    script.write_text(json.dumps({"tokens": 3000, "delay_token_s": 0.02}))
    with Colony(folder) as made:
        here = start_colony(made, built_console, hive={"slots": "1", "script": str(script)})
        run_job(here.hive.url, {"operation": "worker_spawn", "model": MODEL})
        yield here


@pytest.fixture
def clients() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as found:
        yield found


def ask(here: Here) -> httpx2.Response:
    return httpx2.post(f"{here.url}/v1/chat/completions", json=CHAT, timeout=60)


def cancelled(asking: "Future[httpx2.Response]") -> None:
    answer = asking.result(timeout=30)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "request_cancelled"


def test_with_nothing_asked_it_says_how_to_ask(page: Page, colony: Here) -> None:
    page.goto(f"{colony.url}/requests")
    expect(page.get_by_text("curl http").first).to_be_visible()


def confirm(page: Page, question: str) -> None:
    asked = page.get_by_role("alertdialog", name=question).or_(
        page.get_by_role("dialog", name=question)
    )
    asked.get_by_role("button", name="Cancel the request").click()


def test_the_queue_its_way_and_an_end_by_the_operator(
    page: Page, colony: Here, clients: ThreadPoolExecutor
) -> None:
    page.goto(f"{colony.url}/requests")
    running = clients.submit(ask, colony)
    table = page.get_by_role("grid", name="Requests")
    expect(table.get_by_text("running", exact=True)).to_be_visible()
    waiting = clients.submit(ask, colony)
    expect(table.get_by_text("#1")).to_be_visible()
    expect(page.get_by_text("1 running · 1 waiting")).to_be_visible()
    first = table.get_by_role("row").nth(1)
    expect(first).to_contain_text("waiting")  # the queue stands first
    first.click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("Waits at place 1")
    expect(drawer).to_contain_text("in use")
    assert "request=job-" in page.url
    drawer.get_by_role("button", name="Cancel the request").click()
    confirm(page, "Take this request out of the queue?")
    cancelled(waiting)
    expect(drawer).to_contain_text("Was cancelled")
    page.keyboard.press("Escape")
    table.get_by_role("button", name=f"Cancel the request for {MODEL}").click()
    confirm(page, "Stop this answer?")
    cancelled(running)
    expect(page.get_by_text("Nothing waits, nothing runs")).to_be_visible()
    page.get_by_role("radio", name="Ended").click()
    expect(table.get_by_text("cancelled", exact=True)).to_have_count(2)
    assert "show=ended" in page.url
    page.reload()
    expect(table.get_by_text("cancelled", exact=True)).to_have_count(2)


def test_events_lead_to_the_thing_and_hold_still(page: Page, colony: Here) -> None:
    page.goto(f"{colony.url}/events")
    table = page.get_by_role("grid", name="Events")
    joined = table.get_by_role("row").filter(has_text="joined")
    expect(joined.first).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    ready = table.get_by_text("is ready")
    before = ready.count()
    events = run_job(colony.hive.url, {"operation": "worker_spawn", "model": MODEL})
    worker = str(events[-1]["data"]["worker_id"])
    expect(page.get_by_text("1 new")).to_be_visible()
    expect(ready).to_have_count(before)
    page.get_by_role("button", name="Follow").click()
    expect(ready).to_have_count(before + 1)
    page.get_by_role("searchbox", name="Filter events").fill(worker)
    expect(joined).to_have_count(0)
    table.get_by_role("link").first.click()
    expect(page).to_have_url(f"{colony.url}/workers?worker={worker}")
    # The other tests count on one slot.
    run_job(colony.hive.url, {"operation": "worker_process_delete", "worker_id": worker})


def test_the_logs_of_queen_hive_and_worker(page: Page, colony: Here) -> None:
    page.goto(f"{colony.url}/events?tab=logs")
    log = page.get_by_role("log")
    expect(log).to_contain_text("listening")
    sources = page.get_by_role("navigation", name="Whose log")
    sources.get_by_role("button", name=MODEL).first.click()
    expect(log).to_contain_text("generation")
    assert "log=worker" in page.url
    page.goto(f"{colony.url}/events?tab=logs&log=hive:{sources_hive(colony)}")
    expect(log).to_contain_text("linked")
    page.get_by_role("searchbox", name="Filter lines").fill("linked")
    expect(log).not_to_contain_text("listening")


def sources_hive(here: Here) -> str:
    return str(httpx2.get(f"{here.hive.url}/v1/info").json()["hive_id"])


@pytest.mark.parametrize("path", ["/requests?show=all", "/events", "/events?tab=logs"])
def test_on_a_phone_nothing_scrolls_sideways(page: Page, colony: Here, path: str) -> None:
    page.set_viewport_size(NARROW)
    page.goto(f"{colony.url}{path}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
