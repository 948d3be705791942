"""``rbee keeper`` with the real Chromium: an app window of its own, and no colony left behind."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from browser.kit import Here
from rbee.testing.waiting import until_now

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        shutil.which("chromium") is None, reason="no Chromium: apt install chromium"
    ),
]

WITHIN_S = 40.0  # a browser and two daemons start on two busy cores


def keeper(env: dict[str, str], *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rbee", "keeper", *words],
        env={**env, "RBEE_BROWSER_FLAGS": "--headless=new --no-sandbox --disable-gpu"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until_open(running: subprocess.Popen[str]) -> str:
    """What it said until the window was there; all of it where it ends before."""
    assert running.stderr is not None
    said = ""
    while "The console is open" not in said:
        line = running.stderr.readline()
        assert line, f"it ended:\n{said}"
        said += line
    return said


def windows_below(pid: int, url: str) -> list[psutil.Process]:
    """The browser's own process: the one that was told the page."""
    try:
        below = psutil.Process(pid).children(recursive=True)
        return [one for one in below if f"--app={url}" in one.cmdline() and one.is_running()]
    except psutil.NoSuchProcess:
        return []


def test_a_window_opens_on_the_colony_that_runs(colony: Here) -> None:
    running = keeper(colony.queen.env, "--queen", colony.queen.url)
    url = f"{colony.queen.url}/"
    try:
        opened = until_open(running)
        assert f"app window of chromium: {url}" in opened
        window = windows_below(running.pid, url)[0]
        profile = Path(colony.queen.env["RBEE_CACHE_DIR"]) / "window"
        assert f"--user-data-dir={profile}" in window.cmdline()
        until_now((profile / "Default").is_dir, within_s=WITHIN_S)  # it is really used
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=WITHIN_S)
        assert "Traceback" not in said
        assert not window.is_running() or window.status() == psutil.STATUS_ZOMBIE
    finally:
        running.kill()
        running.wait()


def test_it_starts_a_colony_where_none_runs_and_ends_it_with_the_window(
    colony: Here, tmp_path: Path
) -> None:
    env = dict(colony.queen.env)
    for which in ("CONFIG", "CACHE", "DATA"):
        env[f"RBEE_{which}_DIR"] = str(tmp_path / which.lower())
    for room in ("QUEEN", "HIVE"):
        env[f"RBEE_{room}_PORT"] = "0"
    env["RBEE_QUEEN_PAGES_PORT"] = "0"
    env["RBEE_HIVE_SCRIPTED_ENGINE"] = "1"
    running = keeper(env)

    def window() -> list[psutil.Process]:
        below = psutil.Process(running.pid).children(recursive=True)
        return [one for one in below if any(word.startswith("--app=") for word in one.cmdline())]

    try:
        until_open(running)
        window()[0].terminate()  # a person closes it
        _, said = running.communicate(timeout=WITHIN_S)
        assert running.returncode == 0, said
        assert "stopping the hive and the queen" in said
        assert not (tmp_path / "data" / "run" / "queen.json").exists()
    finally:
        running.kill()
        running.wait()


def test_no_display_is_said_with_what_to_do(colony: Here) -> None:
    env = {name: text for name, text in colony.queen.env.items() if "DISPLAY" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "rbee", "keeper", "--queen", colony.queen.url],
        env=env,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 1
    assert "no display" in done.stderr
    assert f"{colony.queen.url}/" in done.stderr
    assert "ssh -L" in done.stderr


def test_the_address_alone(colony: Here) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rbee", "keeper", "--url", "--queen", colony.queen.url],
        env=colony.queen.env,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=True,
    )
    assert done.stdout == f"{colony.queen.url}/\n"
