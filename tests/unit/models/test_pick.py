"""Which quality is taken when nobody named one: what fits, told with the reason."""

from pathlib import Path

import pytest

from rbee.contracts.models import ModelFacts
from rbee.fit import DeviceMemory, RunSettings, Verdict, judge
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.downloads import Downloads
from rbee.hive.models.hub import HubSettings
from rbee.hive.models.pick import Judge
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes
from rbee.testing.hub import StubFile, StubHub, StubRepository

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
SIZES_MIB = {"Q2_K": 4, "Q4_K_M": 16, "Q5_K_M": 17, "Q8_0": 18}


def content(size_mib: int) -> bytes:
    return gguf_bytes(LLAMA_PAIRS, (TinyTensor("blk.0.w", (1024, 256 * size_mib)),))


REPOSITORY = {
    f"m-{quality}.gguf": StubFile(content(size)) for quality, size in SIZES_MIB.items()
} | {"mmproj-m-f16.gguf": StubFile(b"no model"), "README.md": StubFile(b"#")}


def judge_with(room_bytes: int) -> Judge:
    device = DeviceMemory(id="CPU-0", total_bytes=1 << 40, free_bytes=room_bytes)
    settings = RunSettings(context_tokens=512)

    def verdict(facts: ModelFacts) -> Verdict:
        return judge(facts, settings, device)

    return verdict


def high_bytes(size_mib: int) -> int:
    """Free memory with which a file of this size surely fits, and one 4 MiB larger does not."""
    found = judge_with(1 << 39)(
        ModelFacts(
            architecture="llama",
            weights_bytes=size_mib * MIB,
            block_count=2,
            embedding_length=64,
            feed_forward_length=128,
            head_count=4,
            head_count_kv=2,
            vocab_size=4,
        )
    )
    assert found.estimate.high_bytes is not None
    assert found.available_bytes is not None
    headroom = (1 << 39) - found.available_bytes
    return found.estimate.high_bytes + headroom + MIB


async def taken(
    tmp_path: Path, name: str, free: int, files: dict[str, StubFile] | None = None
) -> tuple[str, list[str], int]:
    """The file that is taken, what was said, and how many requests for files it took."""
    said: list[str] = []
    with StubHub({"org/m": StubRepository(files or REPOSITORY)}) as hub:
        fetch = Downloads(
            Catalog(tmp_path),
            hub=lambda: HubSettings(endpoint=hub.url),
            judge=lambda: judge_with(free),
        )
        async with fetch:
            model = await fetch.ensure(name, on_message=said.append)
        return model.id.partition(":")[2], said, len(hub.seen("GET", "/resolve/"))


async def test_with_room_the_usual_quality_is_taken(tmp_path: Path) -> None:
    file, said, requests = await taken(tmp_path, "org/m", 1 << 39)
    assert file == "m-Q4_K_M.gguf"
    assert said == ["Q4_K_M of 4: the usual choice, and it fits in 549.6 GB free on CPU-0."]
    assert requests == 2, "one header, one file"


async def test_with_less_room_the_best_that_fits(tmp_path: Path) -> None:
    file, said, _ = await taken(tmp_path, "org/m", high_bytes(SIZES_MIB["Q2_K"]))
    assert file == "m-Q2_K.gguf"
    assert len(said) == 1
    assert said[0].startswith("Q2_K of 4: the best that fits in 0.")
    assert "Q4_K_M would need 0.0 GB more" in said[0]


async def test_without_room_the_smallest_and_it_is_said(tmp_path: Path) -> None:
    file, said, _ = await taken(tmp_path, "org/m", 0)
    assert file == "m-Q2_K.gguf"
    assert said[0].startswith("Q2_K of 4: none fits in 0.0 GB free on CPU-0; it is the smallest")
    assert "lacks" in said[0]


@pytest.mark.parametrize("name", ["org/m:Q8_0", "org/m:m-Q8_0.gguf"])
async def test_what_was_named_is_taken_without_a_question(tmp_path: Path, name: str) -> None:
    file, said, requests = await taken(tmp_path, name, 0)
    assert (file, said, requests) == ("m-Q8_0.gguf", [], 1)


async def test_a_header_that_cannot_be_read_leaves_the_usual_choice(tmp_path: Path) -> None:
    files = dict(REPOSITORY)
    said: list[str] = []
    files["m-Q4_K_M.gguf"] = StubFile(b"GGUF" + b"\xff" * 4096)
    with StubHub({"org/m": StubRepository(files)}) as hub:
        fetch = Downloads(
            Catalog(tmp_path),
            hub=lambda: HubSettings(endpoint=hub.url),
            judge=lambda: judge_with(1 << 39),
        )
        async with fetch:
            with pytest.raises(Exception, match=r"m-Q4_K_M\.gguf"):
                await fetch.ensure("org/m", on_message=said.append)
    assert said[0].startswith("Whether m-Q4_K_M.gguf fits is not known:")
