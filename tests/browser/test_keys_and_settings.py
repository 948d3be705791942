"""Signing in, keys and settings in a real browser: nothing of a key stays in the page."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.kit import NARROW, Here, start_colony
from rbee.testing.colony import Colony

pytestmark = pytest.mark.system

KEY = "a-made-up-key-of-this-colony"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, built_console: Path) -> Iterator[Here]:
    """A colony that wants a key, for both tests that sign in."""
    with Colony(tmp_path_factory.mktemp("locked"), key=KEY) as made:
        yield start_colony(made, built_console)


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_a_key_is_asked_for_and_leads_to_where_one_was_going(
    locked: Here, new_page: Callable[..., Page]
) -> None:
    page = new_page(viewport=NARROW)
    page.goto(f"{locked.url}/settings?q=queue_max")
    sign_in(page, "wrong")
    expect(page.get_by_role("alert")).to_contain_text("not valid here")
    sign_in(page, KEY)
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    expect(page).to_have_url(f"{locked.url}/settings?q=queue_max")
    expect(page.get_by_label("queue_max", exact=True)).to_have_value("1000")
    # What a script of the page could read holds no key.
    kept = page.evaluate(
        "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])"
        " + document.documentElement.outerHTML"
    )
    assert KEY not in kept
    # Signed out elsewhere: the next answer brings the sign-in back, at the same address.
    page.context.clear_cookies()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in to this colony")).to_be_visible()
    expect(page).to_have_url(f"{locked.url}/settings?q=queue_max")


def test_a_key_is_made_shown_once_used_and_revoked(locked: Here, page: Page) -> None:
    page.goto(f"{locked.url}/keys")
    sign_in(page, KEY)
    page.get_by_role("button", name="Make a key").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("team-search")
    dialog.get_by_label("Models", exact=True).fill("scripted*")
    dialog.get_by_label("Tokens a day").fill("100 000")
    dialog.get_by_role("button", name="Make the key").click()
    shown = dialog.get_by_role("region", name="Key")
    expect(shown).to_contain_text("rbee_")
    made = shown.inner_text().strip()
    dialog.get_by_role("button", name="I have put it away").click()
    expect(page.get_by_text("team-search").first).to_be_visible()
    assert made not in page.content()
    assert f"{made[:9]}…" in page.content()

    answer = page.context.request.get(
        f"{locked.url}/v1/models", headers={"authorization": f"Bearer {made}"}
    )
    assert answer.status == 200
    page.get_by_role("button", name="Revoke team-search").click()
    page.get_by_role("button", name="Revoke the key").click()
    expect(page.get_by_role("button", name="Revoke team-search")).to_have_count(0)
    refused = page.context.request.get(
        f"{locked.url}/v1/models", headers={"authorization": f"Bearer {made}"}
    )
    assert refused.status == 401


def test_the_examples_can_be_tried(page: Page, colony: Here) -> None:
    page.goto(f"{colony.url}/keys")
    expect(page.get_by_role("region", name="curl example")).to_contain_text(
        f"{colony.url}/v1/chat/completions"
    )
    page.get_by_role("tab", name="Anthropic SDK").click()
    expect(page.get_by_role("region", name="Anthropic SDK example")).to_contain_text(
        f'base_url="{colony.url}"'
    )
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("by worker-")).to_be_visible()


def test_settings_are_changed_refused_and_set_back(page: Page, colony: Here) -> None:
    file = Path(colony.queen.env["RBEE_CONFIG_DIR"]) / "config.toml"
    page.goto(f"{colony.url}/settings")
    most = page.get_by_label("queue_max", exact=True)
    each = page.get_by_label("queue_per_model_max", exact=True)
    most.fill("500")
    each.fill("0")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("0 is not a whole number of at least 1.").first).to_be_visible()
    assert not file.exists() or "queue_max" not in file.read_text("utf-8")

    page.get_by_role("button", name="Undo the change of queue_per_model_max").click()
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Saved: it counts from now on.")).to_be_visible()
    assert "queue_max = 500" in file.read_text("utf-8")

    page.get_by_label("tls_cert", exact=True).fill("/nowhere.pem")
    page.get_by_label("quiet_s", exact=True).fill("1")
    page.get_by_role("button", name="Undo the change of tls_cert").click()
    page.get_by_role("button", name="Back to the default of queue_max").click()
    page.get_by_role("button", name="Save").click()
    expect(
        page.get_by_text("quiet_s will count after the queen's next start").first
    ).to_be_visible()
    expect(page.get_by_text("1 setting will count after")).to_be_visible()
    expect(most).to_have_value("1000")
    assert "queue_max" not in file.read_text("utf-8")
    page.get_by_label("Whose settings").select_option(index=1)
    expect(page.get_by_label("downloads_max", exact=True)).to_be_disabled()
