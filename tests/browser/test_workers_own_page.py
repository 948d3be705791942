"""A worker's own page: llama.cpp's, at its hive and through the queen, and nothing more by it."""

import httpx2
import pytest
from playwright.sync_api import Page, expect

from browser.kit import Here
from rbee.testing.real_kills import run_job

pytestmark = pytest.mark.system


@pytest.fixture
def worker(starter_colony: Here) -> str:
    spawn: dict[str, object] = {"operation": "worker_spawn", "model": "starter", "worker": "cpu"}
    events = run_job(starter_colony.hive.url, spawn)
    return str(events[-1]["data"]["worker_id"])


def test_llama_cpps_page_answers_through_the_queen(
    page: Page, starter_colony: Here, worker: str
) -> None:
    page.goto(f"{starter_colony.url}/workers/{worker}/ui/")
    assert not page.url.startswith(starter_colony.url)  # another port: another origin
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    box = page.get_by_role("textbox").first
    box.fill("Say hi")
    box.press("Enter")
    expect(page.get_by_text("Say hi").first).to_be_visible()
    with page.expect_response(lambda answer: "chat/completions" in answer.url) as got:
        pass
    assert got.value.status == 200
