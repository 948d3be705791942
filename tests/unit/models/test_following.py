"""The digest of a file that grows, is begun anew, or was there before."""

import hashlib
from pathlib import Path

import pytest

from rbee.hive.models.following import Following, digest_of
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

MIB = 1 << 20


async def test_it_is_that_of_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    content = bytes(range(256)) * 4096 * 5
    path.write_bytes(content[:MIB])  # of an earlier attempt
    async with Following(path) as following:
        with path.open("ab", buffering=0) as file:
            for at in range(MIB, len(content), 77_777):
                file.write(content[at : min(at + 77_777, len(content))])
        digest = await following.finish()
    assert digest == hashlib.sha256(content).hexdigest() == digest_of(path)


async def test_a_file_that_comes_late_counts(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    async with Following(path) as following:
        (tmp_path / "other").write_bytes(b"late")
        (tmp_path / "other").rename(path)
        assert await following.finish() == hashlib.sha256(b"late").hexdigest()


async def test_a_file_that_is_begun_anew_is_followed_anew(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"x" * 3 * MIB)
    async with Following(path) as following:
        await until(lambda: following.done_bytes == 3 * MIB)
        path.unlink()
        path.write_bytes(b"y" * MIB)
        assert await following.finish() == hashlib.sha256(b"y" * MIB).hexdigest()


async def test_leaving_early_leaves_no_thread(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"x")
    async with Following(path) as following:
        pass
    await until(lambda: not following.running)
