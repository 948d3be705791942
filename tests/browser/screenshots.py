"""Pictures of every page, theme, width and state of the colony: ``make screenshots``.

    python tests/browser/screenshots.py                       # all of them, into build/screenshots
    python tests/browser/screenshots.py --page hives --state errors --theme dark --width 390

States are played colonies (``rbee.testing.big_colony``): empty, one machine, a hundred, and
one where something is wrong with each; one that talks and one that wants a key have a page
each. Beside the pictures it says what an eye may miss: a page
that scrolls sideways, an error in its console, an accessibility fault (axe) of consequence.
It exits with 1 if there was any. Where the console was built elsewhere, ``RBEE_CONSOLE_DIR``.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from rbee.testing.talker import MODEL as TALKER

_ROOT: Final = Path(__file__).parents[2]
_AXE: Final = _ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
_KEY: Final = "rbee_a-key-for-pictures-alone"
_CHROMIUM: Final = "/usr/bin/chromium"
_SETTLED_S: Final = 2.0  # after a page's first words: a second beat has come, charts have a line
_HISTORY_S: Final = 30.0  # before the first picture: graphs that begin say nothing
_START_WITHIN_S: Final = 60.0  # a queen, and a hundred links to her, on two cores

PAGES: Final = {
    "overview": "/",
    "hives": "/hives",
    "hives-add": "/hives?add=token",
    "workers": "/workers",
    "models": "/models",
    "chat": "/chat",
    "requests": "/requests",
    "events": "/events",
    "keys": "/keys",
    "settings": "/settings",
}


class State(NamedTuple):
    """A played colony, and the pages that are only worth a picture there."""

    scenario: str
    talks: bool = False  # with a worker that says Markdown
    locked: bool = False  # with a key, and nobody signed in
    pages: dict[str, str] = PAGES


STATES: Final = {
    "empty": State("empty"),
    "one": State("one"),
    "hundred": State("hundred"),
    "errors": State("errors"),
    "talk": State("one", talks=True, pages={"chat-answer": f"/chat?model={TALKER}"}),
    "locked": State("empty", locked=True, pages={"sign-in": "/"}),
}
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
            if _chosen(options.page, STATES[state].pages):
                with played(STATES[state]) as url:
                    _take(browser, url, state, options, trouble)
        browser.close()
    print(f"{len(trouble.found)} troubles; pictures are in {options.out}")
    return 1 if trouble.found else 0


@contextmanager
def played(state: State) -> Generator[str]:
    """A queen with a played colony, in processes of their own. Gives her URL."""
    with ExitStack() as stack:
        player = _start(stack, "big_colony", state.scenario, key=_KEY if state.locked else "")
        assert player.stdout is not None
        url = player.stdout.readline().split()[0]
        if state.talks:
            _start(stack, "talker", url)
        yield url.replace("127.0.0.1", "localhost")


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
                color_scheme=theme,
                device_scale_factor=2 if width == "390" else 1,
                reduced_motion="reduce",
            )
            page = context.new_page()
            where = f"{state} {theme} {width}"
            page.on("pageerror", lambda error, at=where: trouble.note(at, f"uncaught: {error}"))
            _first_visit(page, url, state, options)
            for name in _chosen(options.page, STATES[state].pages):
                path = STATES[state].pages[name]
                _picture(page, path, options.out / f"{name}-{state}-{theme}-{width}.png")
                for fault in _faults(page):
                    trouble.note(f"{name} {where}", fault)
            context.close()


def _first_visit(page: Page, url: str, state: str, options: argparse.Namespace) -> None:
    """Be there for a while, so that there is a past to be drawn."""
    page.goto(url)
    page.wait_for_selector(
        "h1:visible" if STATES[state].locked else "nav:visible", timeout=_START_WITHIN_S * 1000
    )
    page.wait_for_timeout(_SETTLED_S * 1000)
    if STATES[state].pages is PAGES and state != "empty":
        page.wait_for_timeout(options.history * 1000)


def _picture(page: Page, address: str, file: Path) -> None:
    """Go there within the app, so that the past that it has seen stays."""
    page.evaluate(
        "path => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')); }",
        address,
    )
    began = time.monotonic()
    page.wait_for_selector("h1, [role=dialog], textarea", timeout=_START_WITHIN_S * 1000)
    if TALKER in address:
        _hear(page)
    page.wait_for_timeout(_SETTLED_S * 1000)
    page.screenshot(path=file)
    print(f"{file.name}  {time.monotonic() - began:.1f} s", flush=True)


def _hear(page: Page) -> None:
    """Ask the talker, and wait for its whole answer."""
    box = page.get_by_role("textbox", name="Message")
    box.fill("How do bees find their way home?")
    page.get_by_role("button", name=f"Model: {TALKER}").wait_for()
    box.press("Enter")
    page.get_by_text("tok/s").last.wait_for()
    page.get_by_role("button", name="Stop").wait_for(state="detached")


def _faults(page: Page) -> Iterator[str]:
    """What is wrong with the page as it stands."""
    wider = page.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    if wider > 0:
        yield f"scrolls sideways by {wider} px"
    if _AXE.is_file():
        page.evaluate(_AXE.read_text())
        found: list[dict[str, Any]] = page.evaluate(
            "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
        )
        for fault in found:
            if fault["impact"] in {"serious", "critical"}:
                first = fault["nodes"][0]["html"][:160]
                yield f"axe {fault['id']} ({len(fault['nodes'])} times): {first}"


def _chosen(asked: list[str] | None, known: Iterable[str]) -> list[str]:
    return [one for one in known if asked is None or one in asked]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Pictures of every page of the console.")
    parser.add_argument("--out", type=Path, default=_ROOT / "build" / "screenshots")
    parser.add_argument("--page", action="append", choices=[*PAGES, "chat-answer", "sign-in"])
    parser.add_argument("--state", action="append", choices=list(STATES))
    parser.add_argument("--theme", action="append", choices=list(THEMES))
    parser.add_argument("--width", action="append", choices=list(WIDTHS))
    parser.add_argument("--history", type=float, default=_HISTORY_S, help="seconds of past")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
