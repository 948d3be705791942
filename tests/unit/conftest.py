"""What unit tests share: servers that end as soon as they are asked to.

uvicorn looks each tenth of a second whether it shall end, and waits as long once more
for its connections. That is a fifth of a second for each test with a server of its own.
"""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import uvicorn.server

TICK_S = 0.01


async def _sleep(delay_s: float) -> None:
    await asyncio.sleep(min(delay_s, TICK_S))


@pytest.fixture(scope="session", autouse=True)
def _quick_ends() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        quick = SimpleNamespace(**{**vars(asyncio), "sleep": _sleep})
        patch.setattr(uvicorn.server, "asyncio", quick)
        yield
