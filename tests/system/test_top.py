"""``rbee top`` on a real colony: what is seen, what keys do, and that a terminal is left as it was."""

import os
import pty
import re
import select
import struct
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest
from textual.pilot import Pilot
from textual.widgets import RichLog

from rbee.client.queen import QueenClient
from rbee.errors import InvalidRequest
from rbee.keeper.top.app import TopApp
from rbee.keeper.top.screens import ConfirmScreen, DetailScreen, HelpScreen, LogScreen
from rbee.keeper.top.table import RowTable
from rbee.testing.operator import Operator

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are of Unix", allow_module_level=True)

import fcntl
import termios

pytestmark = [pytest.mark.system, pytest.mark.anyio]

MODEL = "scripted-bee"
WITHIN_S = 30.0  # a worker restarts in two seconds; two busy cores need more


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A colony with two scripted workers of one model."""
    with Operator(tmp_path_factory.mktemp("colony")) as found:
        found.env["RBEE_HIVE_SCRIPTED_ENGINE"] = "1"
        spawn = ["worker", "spawn", MODEL]
        for words in (["queen", "start"], ["hive", "start"], spawn, spawn):
            done = found.rbee(*words)
            assert done.returncode == 0, done.stderr
        yield found
        found.rbee("down")


@asynccontextmanager
async def top(
    operator: Operator, size: tuple[int, int] = (80, 24), *, notifications: bool = False
) -> AsyncGenerator[tuple[TopApp, "Pilot[None]"]]:
    """The program without a terminal, once it is live."""
    async with QueenClient(operator.queen_url) as client:
        app = TopApp(client)
        async with app.run_test(size=size, notifications=notifications) as pilot:
            await seen(pilot, lambda: app.feed.connection == "live")
            yield app, pilot


async def seen(pilot: "Pilot[None]", condition: Callable[[], object]) -> None:
    with anyio.fail_after(WITHIN_S):
        while not condition():
            await pilot.pause(0.05)


def screen_text(app: TopApp) -> str:
    """What stands on the screen, line by line."""
    width, height = app.size
    strips = app.screen._compositor.render_strips(app.size)
    lines = ["".join(segment.text for segment in strip) for strip in strips]
    assert len(lines) == height
    assert all(len(line) <= width for line in lines)
    return "\n".join(lines)


def rows(app: TopApp) -> RowTable:
    return app.screen_stack[0].query_one(RowTable)


@pytest.mark.parametrize("size", [(80, 24), (160, 50), (40, 12)])
async def test_every_tab_shows_the_colony(operator: Operator, size: tuple[int, int]) -> None:
    async with top(operator, size) as (app, pilot):
        for key, words in (("1", "up"), ("3", MODEL), ("4", "odel"), ("5", "infer"), ("2", "GPU")):
            await pilot.press(key)
            await seen(pilot, lambda words=words: words in screen_text(app))
        await pilot.press("1")
        assert "live" in screen_text(app)
        assert str(operator.queen_port) in screen_text(app)


async def test_what_people_write_is_no_markup(operator: Operator) -> None:
    async with top(operator, notifications=True) as (app, pilot):
        await pilot.press("slash", "left_square_bracket", "slash", "x", "right_square_bracket")
        await seen(pilot, lambda: "holds '[/x]'. esc clears the filter." in screen_text(app))
        await pilot.press("escape", "escape")
        failed = InvalidRequest("`ssh_key` of [queen] is [/no] file.", remedy="Look at [queen].")

        async def act() -> str:
            raise failed

        app._ask("Do it?", "Nothing follows.", act)
        await seen(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await seen(pilot, lambda: "[/no]" in screen_text(app))
        await app.push_screen(DetailScreen("org/[/x]", list))
        await pilot.pause()
        await seen(pilot, lambda: "org/[/x]" in screen_text(app))


async def test_filter_sort_and_details(operator: Operator) -> None:
    async with top(operator) as (app, pilot):
        await pilot.press("3")
        await seen(pilot, lambda: len(rows(app).lines) == 2)
        first, second = [line.key for line in rows(app).lines]
        await pilot.press("slash", *second[-4:], "enter")
        await seen(pilot, lambda: [line.key for line in rows(app).lines] == [second])
        assert second[-4:] in screen_text(app)
        await pilot.press("slash", *"zzz", "enter")
        await seen(pilot, lambda: "clears the filter" in screen_text(app))
        await pilot.press("escape")
        await seen(pilot, lambda: len(rows(app).lines) == 2)
        await pilot.press("s", "S")
        assert "↓" in screen_text(app) or "↑" in screen_text(app)
        await pilot.press("home", "enter")
        await seen(pilot, lambda: isinstance(app.screen, DetailScreen))
        await seen(pilot, lambda: "generation" in screen_text(app))
        await pilot.press("escape")
        assert rows(app).key in {first, second}
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)


async def test_logs_of_a_worker_the_hive_and_the_queen(operator: Operator) -> None:
    async with top(operator) as (app, pilot):
        for keys, tab in (("l", "3"), ("l", "1"), ("L", "1")):
            await pilot.press(tab)
            await seen(pilot, lambda: bool(rows(app).lines))
            await pilot.press(keys)
            await seen(pilot, lambda: isinstance(app.screen, LogScreen))
            log = app.screen.query_one(RichLog)
            await seen(pilot, lambda log=log: bool(log.lines))
            assert "rbee: " not in screen_text(app)
            await pilot.press("escape")


async def test_stop_asks_first_and_restart_keeps_the_worker(operator: Operator) -> None:
    async with top(operator) as (app, pilot):
        workers = app.feed.tables
        await pilot.press("3")
        await seen(pilot, lambda: len(rows(app).lines) == 2)
        await pilot.press("end")
        worker_id = rows(app).key or ""
        generation = workers["workers"][worker_id]["generation"]
        await pilot.press("x")
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("enter")
        assert not isinstance(app.screen, ConfirmScreen)
        await pilot.press("r", "y")
        await seen(
            pilot,
            lambda: (
                workers["workers"][worker_id]["generation"] > generation
                and workers["workers"][worker_id]["status"] == "ready"
            ),
        )
        await pilot.press("x", "y")
        await seen(pilot, lambda: worker_id not in workers["workers"])
    done = operator.rbee("worker", "spawn", MODEL)
    assert done.returncode == 0, done.stderr


async def test_it_pauses_and_survives_a_restart_of_the_queen(operator: Operator) -> None:
    async with top(operator) as (app, pilot):
        await pilot.press("3")
        await seen(pilot, lambda: len(rows(app).lines) == 2)
        await pilot.press("space")
        assert "paused" in screen_text(app)
        await pilot.press("space")
        await anyio.to_thread.run_sync(operator.rbee, "queen", "stop")
        await seen(pilot, lambda: "lost" in screen_text(app))
        assert MODEL in screen_text(app), "what was known stays"
        await anyio.to_thread.run_sync(operator.rbee, "queen", "start")
        await seen(pilot, lambda: "live" in screen_text(app) and len(rows(app).lines) == 2)


def test_in_a_real_terminal_it_quits_and_leaves_it_as_it_was(operator: Operator) -> None:
    child, fd = pty.fork()
    if child == 0:
        env = operator.env | {"TERM": "xterm-256color"}
        os.execvpe(sys.executable, [sys.executable, "-m", "rbee", "top"], env)  # noqa: S606  no shell is wanted
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    said = read_until(fd, b"live")
    before = termios.tcgetattr(fd)
    os.write(fd, b"3")
    said += read_until(fd, MODEL.encode())
    os.write(fd, b"q")
    said += read_until(fd, None)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"\x1b[?1049h" in said, "it draws on the other screen"
    for mode in (b"1049", b"1000", b"1003", b"2004"):
        on, off = said.rfind(b"\x1b[?%bh" % mode), said.rfind(b"\x1b[?%bl" % mode)
        assert off > on or on == -1, f"mode {mode!r} is left on"
    assert said.rfind(b"\x1b[?25h") > said.rfind(b"\x1b[?25l"), "the cursor is hidden"
    assert not re.search(rb"\x1b\[48;[25];", said), "a colour that is not the terminal's own"
    assert before is not None


def read_until(fd: int, words: bytes | None) -> bytes:
    """What is written until ``words`` are in it; None: until the end."""
    found, end = b"", time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.2)[0]:
            continue
        try:
            piece = os.read(fd, 65536)
        except OSError:
            piece = b""
        if not piece:
            assert words is None, f"it ended before {words!r}: {found[-400:]!r}"
            return found
        found += piece
        if words is not None and words in found:
            return found
    raise TimeoutError(words)


def test_where_no_terminal_is_it_says_so(operator: Operator) -> None:
    found = operator.rbee("top")
    assert (found.returncode, found.stdout) == (2, "")
    assert "rbee status" in found.stderr
