"""A download in a process that is killed, and the process after it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rbee.foundation.gguf import read_header
from rbee.hive.models.catalog import Catalog
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes
from rbee.testing.hub import StubFile, StubHub, StubRepository
from rbee.testing.stub_server import Faults
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

MIB = 1024 * 1024
DEADLINE_S = 30
CONTENT = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (1024, 1024)),))
PROGRAM = """
import sys
from pathlib import Path
import anyio
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.downloads import Downloads

async def main() -> None:
    async with Downloads(Catalog(Path(sys.argv[1]))) as downloads:
        print((await downloads.ensure("org/m")).id)

anyio.run(main)
"""


def start(root: Path, hub: StubHub) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root)],
        env={**os.environ, "HF_ENDPOINT": hub.url},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_download_goes_on_from_its_bytes(tmp_path: Path) -> None:
    file = StubFile(CONTENT, faults=Faults(hold_after=2 * MIB))
    with StubHub({"org/m": StubRepository({"m-Q4_0.gguf": file})}) as hub:
        part = tmp_path / "org--m--m-Q4_0.gguf.part" / "m-Q4_0.gguf"
        with start(tmp_path, hub) as first:
            until_now(lambda: part.exists() and part.stat().st_size == 2 * MIB)
            first.kill()
        assert Catalog(tmp_path).get("org/m").status == "downloading"
        hub.release()
        with start(tmp_path, hub) as second:
            output, _ = second.communicate(timeout=DEADLINE_S)
        assert output.strip() == "org/m:m-Q4_0.gguf"
        assert hub.seen("GET", "/resolve/")[-1].headers["range"] == f"bytes={2 * MIB}-"
    assert Catalog(tmp_path).file_of("org/m").read_bytes() == CONTENT


def test_the_real_starter_says_what_it_is(starter_path: Path) -> None:
    started = time.perf_counter()
    header = read_header(starter_path)
    assert time.perf_counter() - started < 0.5
    assert (header.architecture, header.quantization) == ("llama", "Q4_1")
    assert (header.context_length, header.vocab_size) == (8192, 49152)
    assert (header.chat_template, header.embedding) == (True, False)
    assert header.tensor_bytes <= starter_path.stat().st_size
