"""Who signs in with a key of one scope: what works, works; the rest says which scope it wants."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from browser.kit import Here, start_colony
from rbee.testing.colony import Colony
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

KEY = "the-colony-key-of-this-test-0123456789"
COLONY = {"authorization": f"Bearer {KEY}"}
ANSWERED_MS = 60_000  # two busy cores


@pytest.fixture(scope="module")
def colony(tmp_path_factory: pytest.TempPathFactory, built_console: Path) -> Iterator[Here]:
    """A colony that wants a key, with one scripted worker."""
    with Colony(tmp_path_factory.mktemp("scopes"), key=KEY) as made:
        here = start_colony(made, built_console)
        spawn = {
            "operation": "worker_spawn",
            "hive_id": "hive",
            "model": "scripted",
            "worker": "cpu",
        }
        jobs = f"{here.queen.url}/v1/jobs"
        until_now(lambda: httpx2.post(jobs, json=spawn, headers=COLONY).is_success)
        models = f"{here.queen.url}/v1/models"
        until_now(lambda: '"ready"' in httpx2.get(models, headers=COLONY).text, within_s=60)
        yield here


@pytest.fixture
def signed_in(colony: Here, new_page: Callable[..., Page]) -> Callable[[str], Page]:
    """A page of who has a key of this one scope."""

    def sign_in(scope: str) -> Page:
        wish = {"name": f"only-{scope}", "scopes": [scope]}
        url = f"{colony.queen.url}/v1/keys"
        httpx2.delete(f"{url}/{wish['name']}", headers=COLONY)
        made = httpx2.post(url, json=wish, headers=COLONY).raise_for_status().json()["key"]
        page = new_page()
        page.goto(f"{colony.url}/chat")
        page.get_by_label("Key", exact=True).fill(made)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("textbox", name="Message")).to_be_visible()
        return page

    return sign_in


def go(page: Page, name: str) -> None:
    """To a page by its link, as a person goes."""
    page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, exact=True, level=1)).to_be_visible()


def test_who_may_only_ask_talks_and_reads_elsewhere_what_is_missing(
    signed_in: Callable[[str], Page],
) -> None:
    page = signed_in("inference")
    expect(page.get_by_role("button", name="Model: scripted")).to_be_visible()
    page.get_by_role("textbox", name="Message").fill("Count.")
    page.keyboard.press("Enter")
    expect(page.locator(".prose").last).to_contain_text("12", timeout=ANSWERED_MS)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0, timeout=ANSWERED_MS)
    expect(page.get_by_role("alert")).to_have_count(0)

    main = page.get_by_role("main")
    for name in (
        "Overview", "Hives", "Workers", "Models", "Requests", "Events & logs", "Side by side",
    ):  # fmt: skip
        go(page, name)
        expect(main.get_by_text("This page wants the scope “read”")).to_be_visible()
        expect(main.get_by_text("The key only-inference has “inference” alone.")).to_be_visible()
        expect(main.get_by_text("rbee keys create NAME --scopes inference,read")).to_be_visible()
        expect(main.get_by_role("link", name="Open the chat")).to_be_visible()
        assert main.get_by_role("grid").count() == 0

    go(page, "API & keys")
    expect(main.get_by_text("Only operators see and make keys.")).to_be_visible()
    expect(main.get_by_role("region", name="curl example")).to_contain_text("scripted")
    main.get_by_role("button", name="Send").click()
    expect(main.get_by_text("by worker-")).to_be_visible(timeout=ANSWERED_MS)
    go(page, "Settings")
    expect(main.get_by_text("Only operators see the settings.")).to_be_visible()
    expect(main.get_by_text("the scope “operator”")).to_be_visible()

    go(page, "Hives")
    main.get_by_role("button", name="Sign in with another key").click()
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("grid", name="Hives")).to_be_visible()


def test_who_may_only_look_sees_everything_and_acts_on_nothing(
    signed_in: Callable[[str], Page],
) -> None:
    page = signed_in("read")
    main = page.get_by_role("main")
    unable = page.get_by_role("button", name="lacks the scope “inference”")
    expect(unable).to_be_disabled()
    page.get_by_role("textbox", name="Message").fill("Count.")
    page.keyboard.press("Enter")
    expect(page.get_by_role("article", name="You")).to_have_count(0)

    go(page, "Overview")
    expect(main.get_by_text("All is well")).to_be_visible()
    for action in ("Add a hive", "Start a worker"):
        expect(main.get_by_role("link", name=action)).to_have_count(0)
    go(page, "Hives")
    expect(main.get_by_role("row").filter(has_text="hive").first).to_be_visible()
    off(page, "Add a hive", "Only operators add hives")
    go(page, "Workers")
    row = main.get_by_role("row").filter(has_text="scripted")
    expect(row.get_by_text("ready")).to_be_visible()
    off(page, "Start a worker", "Only operators start workers")
    for action in ("Restart", "Stop"):
        expect(row.get_by_role("button", name=f"{action}: ")).to_be_disabled()
    go(page, "Models")
    expect(main.get_by_text("scripted").first).to_be_visible()
    go(page, "Events & logs")
    expect(main.get_by_text("hive joined from").first).to_be_visible()
    main.get_by_role("radio", name="Logs").click()
    expect(main.get_by_text("may look at the colony, not into its logs")).to_be_visible()
    go(page, "API & keys")
    expect(main.get_by_text("Only operators see and make keys.")).to_be_visible()
    off(page, "Send", "This key may look, not ask: it lacks the scope “inference”")
    # Nothing that a key or the palette does leads around it.
    go(page, "Workers")
    page.keyboard.press("n")
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog")
    palette.get_by_role("combobox").fill("start a worker")
    expect(palette.get_by_role("option", name="Start a worker")).to_have_count(0)
    assert page.get_by_role("dialog").count() == 1


def off(page: Page, name: str, reason: str) -> None:
    """A button that cannot be used, and says why."""
    button = page.get_by_role("main").get_by_role("button", name=name, exact=True)
    expect(button).to_be_disabled()
    assert button.get_attribute("title") == reason
