"""A worker's own page: llama.cpp's, at its hive and through the queen, and nothing more by it."""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import FrameLocator, Locator, Page, expect

from browser.kit import NARROW, Faults, Here
from rbee.testing.real_kills import run_job

pytestmark = pytest.mark.system

SHOWN_MS = (
    60_000  # three whole pages at once, one of them through a hive: seconds on two busy cores
)
INSIDE: dict[str, Callable[[FrameLocator], Locator]] = {
    "Queen": lambda frame: frame.get_by_role("navigation"),
    "Hive": lambda frame: frame.get_by_role("heading", name="Devices"),
    "Worker": lambda frame: frame.get_by_role("textbox"),
}
"""What only this page has."""


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
    for title in INSIDE:
        is_itself(page, title)
    frames = page.locator("iframe")
    widths = [box["width"] for one in frames.all() if (box := one.bounding_box())]
    assert len(widths) == 3
    assert max(widths) - min(widths) < 2
    # One is put away, the others take its room.
    page.get_by_role("group", name="Panes").get_by_role("button", name="Hive").click()
    expect(frames).to_have_count(2)
    expect(page).to_have_url(re.compile(r"panes=queen\.worker"))


def test_on_a_phone_one_page_shows_at_a_time_and_fills_it(
    new_page: Callable[..., Page], starter_colony: Here, worker: str
) -> None:
    page = new_page(viewport=NARROW)
    page.goto(f"{starter_colony.url}/side-by-side?worker={worker}")
    which = page.get_by_role("radiogroup", name="Which page")
    for title in ("Hive", "Worker", "Queen"):
        which.get_by_role("radio", name=title).click()
        expect(page.locator("iframe")).to_have_count(1)
        is_itself(page, title)
        box = page.locator("iframe").bounding_box()
        assert box is not None
        assert box["width"] > NARROW["width"] * 0.85
        assert box["height"] > NARROW["height"] * 0.5
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    expect(page).to_have_url(re.compile("panes=queen"))


def is_itself(page: Page, title: str) -> None:
    """A pane has that room's own page in it."""
    inside = page.frame_locator(f"iframe[title={title}]")
    expect(INSIDE[title](inside).first).to_be_visible(timeout=SHOWN_MS)


def test_a_page_of_another_site_frames_none_of_them(
    page: Page, starter_colony: Here, worker: str, page_faults: Faults
) -> None:
    page_faults.expected += ["frame-ancestors", "ERR_BLOCKED_BY_RESPONSE"]
    addresses = [
        f"{starter_colony.url}/",
        f"http://localhost:{starter_colony.hive.port}/",
        f"{starter_colony.url}/workers/{worker}/ui/",
    ]
    framed = "".join(f'<iframe src="{address}"></iframe>' for address in addresses)
    with elsewhere(framed) as url:
        page.goto(url)
        frames = page.frames[1:]
        assert len(frames) == len(addresses)
        for frame in frames:
            frame.wait_for_load_state()
            assert frame.url.startswith("chrome-error:"), frame.url
    assert sum("frame-ancestors" in one for one in page_faults.seen) == len(addresses)


@contextmanager
def elsewhere(content: str) -> Generator[str]:
    """A page of another origin on this machine, as long as the block lasts."""

    class Says(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!doctype html><link rel=icon href=data:,>{content}".encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Says) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


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
