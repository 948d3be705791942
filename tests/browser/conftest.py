"""What tests in a real browser share: Debian's Chromium, a page that forgives nothing, colonies.

Without Chromium or a built console (``make console``) they are skipped, with the reason. Every
error in a page's console, every request that failed and every answer of 500 or more fails the
test that had it; what a test expects it names in ``page_faults.expected``.

``page`` and ``colony`` are what most tests need::

    from playwright.sync_api import Page, expect
    from browser.kit import Here

    def test_something(page: Page, colony: Here) -> None:
        page.goto(colony.url)

``colony`` is one queen and one hive with the scripted engine for a whole module;
``make_colony`` makes others, ``starter_colony`` has the real starter model.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from browser.kit import WIDE, WITHIN_MS, Faults, Here, start_colony
from rbee.console.site import BUILT, DIRECTORY_VARIABLE
from rbee.testing.colony import Colony

_CHROMIUM = os.environ.get("RBEE_TEST_CHROMIUM") or shutil.which("chromium") or "chromium"
# Read before the environment is cleaned for the tests.
_CONSOLE = Path(os.environ.get(DIRECTORY_VARIABLE) or BUILT)
expect.set_options(timeout=WITHIN_MS)


class _Driver:
    """Chromium, and the event loop on which Playwright drives it in this thread.

    Between its calls Playwright leaves its loop marked as the running one; other tests of
    the same process have loops of their own, so the mark is set for a browser test alone.
    """

    def __init__(self) -> None:
        self._manager = sync_playwright()
        self.playwright = self._manager.start()
        self._loop = asyncio.get_running_loop()
        self.browser: Browser = self.playwright.chromium.launch(
            executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )

    @contextmanager
    def awake(self) -> Generator[Browser]:
        asyncio._set_running_loop(self._loop)
        try:
            yield self.browser
        finally:
            asyncio._set_running_loop(None)

    def close(self) -> None:
        with self.awake():
            self.browser.close()
            self.playwright.stop()


@pytest.fixture(scope="session")
def built_console() -> Path:
    """The built console that queens of these tests serve."""
    if not (_CONSOLE / "index.html").is_file():
        pytest.skip("the console is not built: make console")
    return _CONSOLE


@pytest.fixture(scope="session")
def _driver(built_console: Path) -> Iterator[_Driver]:
    assert built_console
    if shutil.which(_CHROMIUM) is None:
        pytest.skip("no Chromium: apt install chromium")
    driver = _Driver()
    asyncio._set_running_loop(None)
    yield driver
    driver.close()


@pytest.fixture
def browser(_driver: _Driver) -> Iterator[Browser]:
    """One Chromium for the whole run; make contexts of your own for several windows."""
    with _driver.awake() as browser:
        yield browser


@pytest.fixture
def page_faults() -> Iterator[Faults]:
    """What goes wrong in the pages of a test; it fails on it."""
    faults = Faults()
    yield faults
    assert not faults.left(), "\n".join(faults.left())


@pytest.fixture
def new_page(browser: Browser, page_faults: Faults) -> Iterator[Callable[..., Page]]:
    """Make a page in a context of its own: ``new_page(viewport=NARROW, color_scheme="light")``."""
    contexts: list[BrowserContext] = []

    def make(**options: object) -> Page:
        context = browser.new_context(**{"viewport": WIDE, **options})  # pyright: ignore[reportArgumentType]  Playwright's own options
        context.set_default_timeout(WITHIN_MS)
        contexts.append(context)
        page = context.new_page()
        page_faults.watch(page)
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A page at 1440 pixels; ``page.set_viewport_size(NARROW)`` makes it a phone's."""
    return new_page()


@pytest.fixture
def make_colony(tmp_path: Path, built_console: Path) -> Iterator[Callable[..., Here]]:
    """Make a colony for one test: ``make_colony(key="…", scripted=True, queen={…}, hive={…})``."""
    with ExitStack() as colonies:

        def make(
            *, key: str | None = None, scripted: bool = True, name: str = "colony", **more: object
        ) -> Here:
            colony = colonies.enter_context(Colony(tmp_path / name, scripted=scripted, key=key))
            return start_colony(colony, built_console, **more)  # pyright: ignore[reportArgumentType]  as there

        yield make


@pytest.fixture(scope="module")
def colony(tmp_path_factory: pytest.TempPathFactory, built_console: Path) -> Iterator[Here]:
    """One queen and one hive with the scripted engine, for all tests of a module."""
    with Colony(tmp_path_factory.mktemp("colony")) as made:
        yield start_colony(made, built_console)


@pytest.fixture(scope="module")
def starter_colony(
    tmp_path_factory: pytest.TempPathFactory, built_console: Path, starter_path: Path
) -> Iterator[Here]:
    """One queen and one hive that has the real starter model, for all tests of a module."""
    with Colony(tmp_path_factory.mktemp("starter"), scripted=False) as made:
        yield start_colony(made, built_console, starter=starter_path)
