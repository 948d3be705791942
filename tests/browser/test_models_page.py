"""Models in a real browser: found on a hub, fetched with progress, paused, resumed, deleted."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from browser.kit import NARROW, Here
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes
from rbee.testing.hub import StubFile, StubHub, StubRepository
from rbee.testing.stub_server import Faults

pytestmark = pytest.mark.system

MIB = 1024 * 1024
WEIGHTS = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (1024, 1024)),))


@pytest.fixture
def hub() -> Iterator[StubHub]:
    held = StubFile(WEIGHTS, faults=Faults(hold_after=2 * MIB))
    found = {
        "acme/Honey-GGUF": StubRepository({"Honey-Q4_K_M.gguf": held}, downloads=1200, likes=7),
        "acme/Secret-GGUF": StubRepository({"Secret-Q4_K_M.gguf": StubFile(WEIGHTS)}, gated=True),
    }
    with StubHub(found) as hub:
        yield hub


@pytest.fixture
def here(hub: StubHub, monkeypatch: pytest.MonkeyPatch, make_colony: Callable[..., Here]) -> Here:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return make_colony()


def test_a_model_is_found_fetched_paused_resumed_and_deleted(
    here: Here, hub: StubHub, page: Page
) -> None:
    page.goto(f"{here.url}/models?view=find")
    page.get_by_role("searchbox").fill("acme")
    honey = page.get_by_role("article").filter(has_text="acme/Honey-GGUF")
    expect(honey.get_by_text("1 of 1 fit hive")).to_be_visible()
    gated = page.get_by_role("article").filter(has_text="acme/Secret-GGUF")
    gated.get_by_role("button", expanded=False).click()
    expect(gated.get_by_text("HF_TOKEN")).to_be_visible()
    honey.get_by_role("button", name="Where it fits").click()
    expect(honey.get_by_text("downloads 4.19 MB")).to_be_visible()

    honey.get_by_role("button", name="Download").click()
    queue = page.get_by_role("grid", name="Downloads")
    row = queue.get_by_role("row").filter(has_text="Honey-Q4_K_M")
    bar = row.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"[45]\d"))
    expect(page).to_have_title(re.compile(r"[45]\d ?%"))
    row.get_by_role("button", name="Pause").click()
    expect(row.get_by_text("paused", exact=True)).to_be_visible()

    here.hive.stop()
    here.hive.start()
    expect(row.get_by_role("button", name="Resume")).to_be_visible()
    hub.release()
    page.get_by_text("In the colony").click()
    row.get_by_role("button", name="Resume").click()
    cell = page.get_by_role("gridcell", name="Honey-Q4_K_M on hive: on disk")
    expect(cell).to_be_visible()
    assert hub.seen("GET", "/resolve/")[-1].headers["range"] == f"bytes={2 * MIB}-"

    cell.click()
    page.get_by_role("button", name="Delete from hive: frees 4.19 MB").click()
    page.get_by_role("button", name="Delete model").click()
    expect(page.get_by_text("No hive has this model")).to_be_visible()


def test_the_matrix_is_walked_by_keyboard_and_fits_a_phone(
    new_page: Callable[..., Page], colony: Here
) -> None:
    page = new_page(viewport=NARROW, color_scheme="light")
    page.goto(f"{colony.url}/models")
    page.get_by_role("rowheader", name="scripted").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("gridcell", name="scripted on hive: on disk")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_text("Where it is")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
