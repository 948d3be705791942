"""Pictures of every page, theme, width and state of the colony: ``make screenshots``.

    python tests/browser/screenshots.py                       # all of them, into build/screenshots
    python tests/browser/screenshots.py --page hives --state errors --theme dark --width 390

States are played colonies (``rbee.testing.big_colony``): empty, one machine, a hundred, and
one where something is wrong with each; one that talks, one that wants a key and a real one,
whose hive shows its own page, have a few views each. What is seen of a state, and how one
comes there, stands in ``views``. Beside the pictures it says what an eye may miss: a page
that scrolls sideways, an error in its console, an accessibility fault (axe) of consequence.
It exits with 1 if there was any. Where the console was built elsewhere, ``RBEE_CONSOLE_DIR``.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from accessible import AXE, faults, sideways_px  # beside this file
from kit import start_colony
from playwright.sync_api import Browser, Error, Page, sync_playwright
from views import LOCKED, OPENED, OWN, PAGES, TALK, Step, View

from rbee.console.site import DIRECTORY_VARIABLE
from rbee.testing.colony import Colony
from rbee.testing.real_kills import run_job

_ROOT: Final = Path(__file__).parents[2]
_KEY: Final = "rbee_a-key-for-pictures-alone"
_CHROMIUM: Final = "/usr/bin/chromium"
_SETTLED_S: Final = 2.0  # after a page's first words: a second beat has come, charts have a line
_HISTORY_S: Final = 30.0  # before the first picture: graphs that begin say nothing
_START_WITHIN_S: Final = 60.0  # a queen, and a hundred links to her, on two cores
_STEP_WITHIN_S: Final = 30.0  # two answers beside each other take three, on a busy machine ten


class State(NamedTuple):
    """A colony, and what is worth a picture there. Without a scenario it is a real one."""

    scenario: str | None
    views: dict[str, View]
    talks: bool = False  # with a worker that says Markdown
    locked: bool = False  # with a key, and nobody signed in

    @property
    def past(self) -> bool:
        """Whether its graphs want a past."""
        return self.scenario not in {None, "empty"} and not self.talks


STATES: Final = {
    "empty": State("empty", PAGES),
    "one": State("one", PAGES | OPENED),
    "hundred": State("hundred", PAGES),
    "errors": State("errors", PAGES | OPENED),
    "talk": State("one", TALK, talks=True),
    "locked": State("empty", LOCKED, locked=True),
    "own": State(None, OWN),
}
_ALL: Final = {name for state in STATES.values() for name in state.views}
WIDTHS: Final = {"1440": (1440, 900), "390": (390, 844)}
THEMES: Final = ("dark", "light")


class Trouble:
    """What was wrong, for the end."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def note(self, where: str, what: str) -> None:
        """Say it now, and count it."""
        self.found.append(f"{where}: {what}")
        print(f"  ! {where}: {what}", flush=True)


def main() -> int:
    """Take them all. Returns the exit status."""
    options = _options()
    trouble = Trouble()
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        for state in _chosen(options.state, STATES):
            if _chosen(options.page, STATES[state].views):
                with played(STATES[state]) as url:
                    _take(browser, url, state, options, trouble)
        browser.close()
    print(f"{len(trouble.found)} troubles; pictures are in {options.out}")
    return 1 if trouble.found else 0


@contextmanager
def played(state: State) -> Generator[str]:
    """A colony in processes of its own. Gives the URL of its queen, or of a real one's hive."""
    with ExitStack() as stack:
        if state.scenario is None:
            yield stack.enter_context(_real_hive())
            return
        player = _start(stack, "big_colony", state.scenario, key=_KEY if state.locked else "")
        assert player.stdout is not None
        url = player.stdout.readline().split()[0]
        if state.talks:
            _start(stack, "talker", url)
        yield url.replace("127.0.0.1", "localhost")


@contextmanager
def _real_hive() -> Generator[str]:
    """A queen, and the URL of a hive of hers with a worker (of the scripted engine)."""
    console = Path(os.environ.get(DIRECTORY_VARIABLE) or _ROOT / "build" / "console")
    with tempfile.TemporaryDirectory() as folder, Colony(Path(folder)) as colony:
        here = start_colony(colony, console)
        run_job(here.hive.url, {"operation": "worker_spawn", "model": "scripted-bee"})
        yield f"http://localhost:{here.hive.port}"


def _start(stack: ExitStack, module: str, *words: str, key: str = "") -> subprocess.Popen[str]:
    """A module of the test kit in a process that ends with ``stack``."""
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-m", f"rbee.testing.{module}", *words],
            env={**os.environ, **({"RBEE_API_KEY": key} if key else {})},
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    stack.callback(process.terminate)
    return process


def _take(
    browser: Browser, url: str, state: str, options: argparse.Namespace, trouble: Trouble
) -> None:
    """All pictures of one state."""
    for theme in _chosen(options.theme, THEMES):
        for width in _chosen(options.width, WIDTHS):
            across, down = WIDTHS[width]
            context = browser.new_context(
                viewport={"width": across, "height": down},
                color_scheme="light" if theme == "light" else "dark",
                device_scale_factor=2 if width == "390" else 1,
                reduced_motion="reduce",
            )
            page = context.new_page()
            where = f"{state} {theme} {width}"
            page.on("pageerror", lambda error, at=where: trouble.note(at, f"uncaught: {error}"))
            _first_visit(page, url, state, options)
            for name in _chosen(options.page, STATES[state].views):
                view = STATES[state].views[name]
                if view.only not in {None, width}:
                    continue
                try:
                    _picture(page, view, options.out / f"{name}-{state}-{theme}-{width}.png")
                except Error as error:
                    trouble.note(f"{name} {where}", f"was not seen: {error.message}")
                for fault in _faults(page):
                    trouble.note(f"{name} {where}", fault)
            context.close()


def _first_visit(page: Page, url: str, state: str, options: argparse.Namespace) -> None:
    """Be there for a while, so that there is a past to be drawn."""
    page.goto(url)
    page.wait_for_selector("h1:visible, nav:visible", timeout=_START_WITHIN_S * 1000)
    page.wait_for_timeout(_SETTLED_S * 1000)
    if STATES[state].past:
        page.wait_for_timeout(options.history * 1000)


def _picture(page: Page, view: View, file: Path) -> None:
    """Go there within the app, so that the past that it has seen stays."""
    began = time.monotonic()
    page.keyboard.press("Escape")  # what the view before opened, and its address does not name
    page.evaluate(
        "path => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')); }",
        view.path,
    )
    page.wait_for_selector("h1, [role=dialog], textarea", timeout=_START_WITHIN_S * 1000)
    for step in view.steps:
        _do(page, step)
    page.wait_for_timeout(_SETTLED_S * 1000)
    page.screenshot(path=file)
    print(f"{file.name}  {time.monotonic() - began:.1f} s", flush=True)


def _do(page: Page, step: Step) -> None:
    """One step towards a view."""
    first = page.locator(step.where).first if step.does != "press" else None
    if first is None:
        page.keyboard.press(step.where)
    elif step.does == "click":
        first.click(timeout=_STEP_WITHIN_S * 1000)
    elif step.does == "fill":
        first.fill(step.text, timeout=_STEP_WITHIN_S * 1000)
    else:
        state = "visible" if step.does == "see" else "detached"
        first.wait_for(state=state, timeout=_STEP_WITHIN_S * 1000)


def _faults(page: Page) -> Iterator[str]:
    """What is wrong with the page as it stands."""
    wider = sideways_px(page)
    if wider > 0:
        yield f"scrolls sideways by {wider} px"
    if AXE.is_file():
        yield from (f"axe {fault}" for fault in faults(page))


def _chosen(asked: list[str] | None, known: Iterable[str]) -> list[str]:
    return [one for one in known if asked is None or one in asked]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Pictures of every page of the console.")
    parser.add_argument("--out", type=Path, default=_ROOT / "build" / "screenshots")
    parser.add_argument("--page", action="append", choices=sorted(_ALL))
    parser.add_argument("--state", action="append", choices=list(STATES))
    parser.add_argument("--theme", action="append", choices=list(THEMES))
    parser.add_argument("--width", action="append", choices=list(WIDTHS))
    parser.add_argument("--history", type=float, default=_HISTORY_S, help="seconds of past")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
