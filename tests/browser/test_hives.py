"""Machines come and go before an operator's eyes: by a pasted line, by approval, and out again.

A real queen who listens for others, with TLS and a key; real hives; the real command on "the
new machine", run exactly as the page shows it.
"""

import shlex
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.kit import Here, start_colony
from rbee.testing.colony import Colony, DaemonUnderTest

pytestmark = pytest.mark.system

KEY = "the-colony-key-of-this-test-0123456789"
EVERYWHERE = "0.0.0.0"  # noqa: S104  the queen has a key, and joining needs it
COMMAND_S = 30.0  # a command takes a second, two busy cores more


@pytest.fixture(scope="module")
def colony(tmp_path_factory: pytest.TempPathFactory, built_console: Path) -> Iterator[Here]:
    """A queen on all addresses, and the hive of her own machine."""
    with Colony(tmp_path_factory.mktemp("hives"), key=KEY) as made:
        yield start_colony(made, built_console, queen={"bind": EVERYWHERE})


@pytest.fixture
def page(new_page: Callable[..., Page], colony: Here) -> Page:
    """Signed in, on the page of the hives."""
    page = new_page()
    page.goto(f"{colony.url}/hives")
    page.get_by_label("Key", exact=False).first.fill(KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("row").filter(has_text="s machine").first).to_be_visible()
    return page


def new_machine(colony: Here, name: str) -> DaemonUnderTest:
    """A machine without the colony's key, that was told nothing but its name."""
    hive = colony.colony.hive(name, start=False)
    for variable in ("RBEE_API_KEY", "RBEE_HIVE_QUEEN_URL"):
        hive.env.pop(variable, None)
    return hive


@contextmanager
def typed_there(machine: DaemonUnderTest, line: str) -> Generator[subprocess.Popen[str]]:
    """``rbee …`` on that machine, while the block lasts."""
    words = shlex.split(line)
    assert words[0] == "rbee"
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        env=machine.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_pasted_line_brings_a_second_hive_and_it_can_be_shut_out(
    page: Page, colony: Here
) -> None:
    page.keyboard.press("n")
    wizard = page.get_by_role("dialog", name="Add a hive")
    wizard.get_by_label("Name of the hive").fill("lab-2")
    wizard.get_by_role("button", name="Make the line").click()
    line = wizard.get_by_label("Line for the new machine", exact=True).inner_text().strip()
    join, _, start = line.partition(" && ")
    assert start == "rbee hive start"
    assert join.startswith("rbee hive join https://")
    expect(wizard.get_by_role("timer")).to_contain_text("good for 59:")

    machine = new_machine(colony, "lab-2")
    with typed_there(machine, join) as joining:
        assert joining.wait(COMMAND_S) == 0, joining.communicate()
    expect(wizard.get_by_text("lab-2 has its certificate")).to_be_visible()
    machine.start()
    expect(wizard.get_by_text("lab-2 is in the colony")).to_be_visible()
    wizard.get_by_role("button", name="Show it").click()

    detail = page.get_by_role("dialog", name="lab-2")
    expect(detail.get_by_text("certificate", exact=True)).to_be_visible()
    expect(detail.get_by_role("heading", name="Machine")).to_be_visible()
    expect(detail.get_by_role("heading", name="Engines")).to_be_visible()
    detail.get_by_role("button", name="Look again").click()
    expect(page.get_by_text("lab-2 looked again")).to_be_visible()

    detail.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Revoke").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    others = page.get_by_role("region", name="Not in the colony now")
    expect(others.get_by_text("lab-2")).to_be_visible()
    expect(page.get_by_role("grid", name="Hives").get_by_text("lab-2")).to_have_count(0)
    others.get_by_role("button", name="Forget").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Forget").click()
    expect(others).to_have_count(0)


def test_a_machine_that_asks_shows_the_same_code_on_both_sides(page: Page, colony: Here) -> None:
    machine = new_machine(colony, "lab-3")
    with typed_there(machine, f"rbee hive join https://127.0.0.1:{colony.queen.port}") as joining:
        request = page.get_by_role("article", name="lab-3 wants to join")
        shown = request.get_by_label("Code ").get_attribute("aria-label") or ""
        code = shown.removeprefix("Code ")
        assert len(code) > 20
        request.get_by_role("button", name="Codes are the same: approve").click()
        expect(request).to_have_count(0)
        assert joining.wait(COMMAND_S) == 0
        said = joining.communicate()
    assert code in said[1], said
    machine.start()
    expect(page.get_by_role("row").filter(has_text="lab-3")).to_be_visible()
    page.get_by_role("radio", name="Map").click()
    expect(page.get_by_role("button", name="lab-3", exact=False)).to_be_visible()
