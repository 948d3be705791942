"""The rate limit: pure arithmetic, and two real downloads that share it."""

import time
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.foundation.pace import BURST_S, TokenBucket
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.downloads import DownloadLimits, Downloads
from rbee.hive.models.hub import HubSettings
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes
from rbee.testing.hub import StubFile, StubHub, StubRepository

TWO_MIB = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (512, 1024)),))

takes = st.lists(
    st.tuples(st.integers(1, 10_000_000), st.floats(0, 10, allow_nan=False)), min_size=1
)


@given(takes, st.floats(1_000, 1e9), st.floats(0, 1e6))
def test_who_waits_as_told_never_exceeds_the_rate(
    steps: list[tuple[int, float]], rate: float, burst: float
) -> None:
    now, taken = 100.0, 0
    bucket = TokenBucket(rate, burst, now)
    for count, idle in steps:
        now += idle
        wait = bucket.take(count, now)
        taken += count
        now += wait
        assert taken <= burst + rate * (now - 100.0) * (1 + 1e-9) + 1


@given(st.lists(st.integers(1, 1_000_000), min_size=1), st.floats(1_000, 1e9))
def test_parallel_takers_wait_behind_each_other(counts: list[int], rate: float) -> None:
    bucket = TokenBucket(rate, 0, 0.0)
    waits = [bucket.take(count, 0.0) for count in counts]
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(sum(counts) / rate)


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    bucket = TokenBucket(100, 0, 10.0)
    assert bucket.take(100, 10.0) == 1
    assert bucket.take(100, 5.0) == 2


def test_an_idle_line_saves_no_more_than_the_burst() -> None:
    bucket = TokenBucket(100, 50, 0.0)
    assert bucket.take(50, 1_000.0) == 0
    assert bucket.take(100, 1_000.0) == 1


@pytest.mark.anyio
async def test_downloads_share_the_rate(tmp_path: Path) -> None:
    names = ["org/a", "org/b"]
    rate_mb_s = 8.0
    with StubHub({n: StubRepository({"m-Q4_0.gguf": StubFile(TWO_MIB)}) for n in names}) as hub:
        fetch = Downloads(
            Catalog(tmp_path),
            hub=lambda: HubSettings(endpoint=hub.url),
            limits=DownloadLimits(rate_max_mb_s=rate_mb_s),
        )
        began = time.monotonic()
        async with fetch, anyio.create_task_group() as group:
            for name in names:
                group.start_soon(fetch.ensure, name)
        took = time.monotonic() - began
    assert took >= 2 * len(TWO_MIB) / (rate_mb_s * 1e6) - BURST_S
    assert [row.status for row in Catalog(tmp_path).list()] == ["available", "available"]
