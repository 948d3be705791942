"""A hive is put on another machine from a form: a real sshd there, the queen's own key here.

The machine is this one, under an account file and a HOME of its own; what is installed there is
a real rbee that joins by itself. The ports that it takes stand in the environment of its
sessions, since the form asks for none.
"""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from browser.kit import Here, start_colony
from rbee.testing.colony import Colony
from rbee.testing.sshd import NoSshd, Server, sshd
from rbee.testing.workers import free_port

pytestmark = pytest.mark.system

# Wheels are packed once for all runs, as the starter is fetched once.
CACHE = Path(os.environ.get("RBEE_TEST_CACHE") or Path(__file__).parents[2] / ".cache")
INSTALLED_MS = 240_000  # fifteen seconds on a quiet machine of two cores


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    there = {
        "RBEE_HIVE_PORT": str(free_port()),
        "RBEE_HIVE_FIRST_WORKER_PORT": str(free_port()),
        "RBEE_HIVE_SCRIPTED_ENGINE": "1",
        "RBEE_HIVE_DISCOVER": "0",
    }
    try:
        with sshd(tmp_path_factory.mktemp("ssh") / "box", env=there) as server:
            yield server
            _end_all(server.home)
    except NoSshd as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def colony(
    tmp_path_factory: pytest.TempPathFactory, built_console: Path, box: Server
) -> Iterator[Here]:
    """A queen who was given a key of her own."""
    with Colony(tmp_path_factory.mktemp("installs")) as made:
        yield start_colony(made, built_console, queen={"ssh_key": str(box.key)}, queen_cache=CACHE)


def _end_all(home: Path) -> None:
    """Whatever was started on the machine."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if any(str(home) in word for word in process.cmdline()):
                process.kill()


def opened(page: Page, here: Here) -> Locator:
    page.goto(f"{here.url}/hives?add=ssh")
    return page.get_by_role("dialog", name="Add a hive")


def install(wizard: Locator, host: str, name: str = "") -> None:
    wizard.get_by_label("Machine").fill(host)
    wizard.get_by_label("Name of the hive").fill(name)
    wizard.get_by_role("button", name="Install").click()


def refused(wizard: Locator, reason: str, remedy: str) -> None:
    """The reason and the remedy stand there, and what one may do next."""
    notice = wizard.get_by_role("alert")
    expect(notice).to_contain_text(reason)
    expect(notice).to_contain_text(remedy)
    expect(wizard.get_by_role("button", name="Try again")).to_be_visible()


def test_a_machine_that_is_not_there_is_told_and_can_be_corrected(page: Page, colony: Here) -> None:
    wizard = opened(page, colony)
    for host, reason, remedy in (
        ("me@no-such-machine.invalid", "There is no machine called", "use its IP address"),
        ("me@127.0.0.1:9", "no SSH server listens there", "127.0.0.1:PORT"),
        ("me@two words", "is no machine", "me@gaming-pc"),
    ):
        install(wizard, host, "attic")
        refused(wizard, reason, remedy)
        expect(wizard).not_to_contain_text("~/.ssh/config")  # she never looks there
        expect(wizard).not_to_contain_text("--host")
        wizard.get_by_role("button", name="Back").click()
        expect(wizard.get_by_label("Machine")).to_have_value(host)
        expect(wizard.get_by_label("Name of the hive")).to_have_value("attic")


def test_from_the_form_to_a_hive_that_is_shown(page: Page, colony: Here, box: Server) -> None:
    wizard = opened(page, colony)
    public = box.key.with_suffix(".pub").read_text().strip()
    expect(wizard.get_by_text(public)).to_be_visible()
    allowed = box.folder / "authorized_keys"
    allowed.write_text("")
    host = f"{box.user}@127.0.0.1:{box.port}"
    install(wizard, host, "attic")

    trust(wizard, box)
    refused(wizard, "refused the queen's key", "~/.ssh/authorized_keys")
    allowed.write_text(f"{public}\n")

    # It shows another key than the one that she knows now.
    known = colony.queen.data / "queen" / "known_hosts"
    kind, key = public.split()[:2]
    known.write_text(f"[127.0.0.1]:{box.port} {kind} {key}\n")
    wizard.get_by_role("button", name="Try again").click()
    refused(wizard, "shows another key than the one known", "ssh-keygen -R")
    line = re.search(r"ssh-keygen -R '(\S+)' -f ([^,]+), then", wizard.inner_text())
    assert line is not None
    words = [shutil.which("ssh-keygen") or "ssh-keygen", "-R", line[1], "-f", line[2]]
    subprocess.run(words, check=True, capture_output=True)
    assert not any(box.home.iterdir())  # nothing was done on a machine that nobody vouched for

    wizard.get_by_role("button", name="Try again").click()
    trust(wizard, box)
    steps = wizard.get_by_role("list", name=f"Installing on {host}")
    expect(steps.get_by_text(re.compile("^Packing the wheels"))).to_be_visible()
    expect(wizard.get_by_text("attic is in the colony")).to_be_visible(timeout=INSTALLED_MS)
    wizard.get_by_role("button", name="Show it").click()
    detail = page.get_by_role("dialog", name="attic")
    expect(detail.get_by_role("heading", name="Machine")).to_be_visible()
    expect(detail.get_by_text("scripted").first).to_be_visible()
    assert (box.home / ".local/lib/rbee/current").is_symlink()


def trust(wizard: Locator, box: Server) -> None:
    """Compare the fingerprint, and say that it is the same."""
    met = wizard.get_by_role("region", name="A machine that is met for the first time")
    expect(met.get_by_text(box.fingerprint)).to_be_visible()
    met.get_by_role("button", name="They are the same: go on").click()
