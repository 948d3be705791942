"""``python -m rbee.testing.top_picture FILE.svg``: a picture of ``rbee top`` for the documents.

It plays a colony of ten machines (``big_colony``), lets ``rbee top`` look at it for a while
without a terminal, and writes what stands on its screen. The picture fetches nothing from
anywhere: Textual's own font comes from a server, so it is left out.
"""

import argparse
import asyncio
import re
from pathlib import Path
from typing import Final

from rbee.client.queen import QueenClient
from rbee.keeper.top.app import TopApp
from rbee.testing.big_colony.__main__ import own_queen
from rbee.testing.big_colony.playing import play
from rbee.testing.big_colony.scenarios import SCENARIOS

SIZE: Final = (124, 34)  # columns and rows: what a document's width shows legibly
LOOK_S: Final = 45.0  # so long that the line of the last minute has a shape
CLIENTS: Final = 6  # requests all the time, so that something is running

_FONT_FACES: Final = re.compile(r"@font-face\s*\{[^}]*\}")
_FONTS: Final = re.compile(r"font-family:\s*Fira Code[^;]*;")
_OURS: Final = "font-family: ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace;"


async def picture(url: str, tab: str, look_s: float) -> str:
    """The screen of ``rbee top`` at this queen after ``look_s`` seconds, as SVG."""
    async with QueenClient(url) as client:
        app = TopApp(client)
        async with app.run_test(size=SIZE) as pilot:
            await pilot.press(tab)
            await asyncio.sleep(look_s)
            await pilot.pause()
            svg = app.export_screenshot(title="rbee top")
    return _FONTS.sub(_OURS, _FONT_FACES.sub("", svg))


async def _played(url: str, tab: str, look_s: float) -> str:
    async with asyncio.TaskGroup() as tasks:
        playing = tasks.create_task(play(SCENARIOS["ten"](), url, key=None, clients=CLIENTS))
        found = await picture(url, tab, look_s)
        playing.cancel()
    return found


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(prog="python -m rbee.testing.top_picture")
    parser.add_argument("file", type=Path)
    parser.add_argument("--tab", default="2", help="1 hives, 2 GPUs, 3 workers, 4 models, …")
    parser.add_argument("--look-s", type=float, default=LOOK_S)
    asked = parser.parse_args()
    with own_queen() as queen:
        svg = asyncio.run(_played(queen.url, asked.tab, asked.look_s))
    asked.file.parent.mkdir(parents=True, exist_ok=True)
    asked.file.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
