"""Accessibility of a page as it stands, by axe-core: what is serious or critical in it."""

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

AXE: Final = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
_GRAVE: Final = {"serious", "critical"}


def faults(page: Page) -> list[str]:
    """Each grave finding in one line: its rule, how often, and the first place."""
    page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate(
        "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
    )
    return [
        f"{one['id']} ({len(one['nodes'])} times): {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] in _GRAVE
    ]


def sideways_px(page: Page) -> int:
    """How much wider than the window the page is."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")
