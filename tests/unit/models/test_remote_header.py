"""Headers read from a stub hub: few bytes, bounded, no token to other hosts."""

from pathlib import Path

import httpx2
import pytest

from rbee.errors import CorruptModel, HubError, RbeeError
from rbee.foundation.gguf import GgufHeader, read_header
from rbee.hive.models import remote_header
from rbee.hive.models.hub import HubSettings, find_on_hub
from rbee.hive.models.remote_header import FIRST_BYTES, read_remote_header
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes, write_gguf
from rbee.testing.hub import StubFile, StubHub, StubRepository, StubStorage
from rbee.testing.stub_server import Faults

pytestmark = pytest.mark.anyio

TENSORS = (TinyTensor("blk.0.attn_q.weight", (1024, 2048)),)  # 8 MiB of data
WORDS = [f"word-{n:06}" for n in range(120_000)]  # 2.4 MB of header
LONG_PAIRS = {"tokenizer.ggml.tokens": WORDS, "general.architecture": "llama"}
TOKEN = "hf_not_a_real_one"


def hub_of(content: bytes, storage: StubStorage | None = None, **faults: object) -> StubHub:
    file = StubFile(content, faults=Faults(**faults))
    return StubHub({"Org/M": StubRepository({"m.gguf": file}, gated=True)}, token=TOKEN,
                   storage=storage)  # fmt: skip


def refused(response: httpx2.Response) -> RbeeError:
    return HubError(f"answered {response.status_code}")


async def read(hub: StubHub, *, token: str = TOKEN, size_bytes: int | None = None) -> GgufHeader:
    async with httpx2.AsyncClient(follow_redirects=True) as client:
        return await read_remote_header(
            client,
            f"{hub.url}/Org/M/resolve/main/m.gguf",
            label="Org/M:m.gguf",
            headers={"Authorization": f"Bearer {token}"},
            refusal=refused,
            size_bytes=size_bytes,
        )


async def test_the_header_is_the_local_one_and_one_window_is_asked(tmp_path: Path) -> None:
    content = gguf_bytes(LLAMA_PAIRS, TENSORS)
    with hub_of(content) as hub:
        found = await read(hub)
        asked = hub.seen("GET", "m.gguf")
    assert found == read_header(write_gguf(tmp_path / "m.gguf", LLAMA_PAIRS, TENSORS))
    assert [seen.headers["range"] for seen in asked] == [f"bytes=0-{FIRST_BYTES - 1}"]


async def test_what_the_hub_offers_can_be_inspected_before_it_is_brought() -> None:
    content = gguf_bytes(LLAMA_PAIRS, TENSORS)
    with StubStorage() as storage, hub_of(content, storage) as hub:
        settings = HubSettings(endpoint=hub.url, token=TOKEN)
        wanted = await find_on_hub("Org/M", settings, lambda _: None)
        assert wanted is not None
        assert wanted.inspect is not None
        header = await wanted.inspect()
        seen = storage.requests
    assert header.facts is not None
    assert header.facts.weights_bytes == 8 * 1024 * 1024
    assert [entry.headers["range"] for entry in seen] == [f"bytes=0-{FIRST_BYTES - 1}"]
    assert "authorization" not in seen[0].headers


async def test_a_long_vocabulary_is_fetched_in_growing_windows() -> None:
    content = gguf_bytes(LONG_PAIRS, TENSORS)
    with hub_of(content) as hub:
        found = await read(hub, size_bytes=len(content))
        asked = [seen.headers["range"] for seen in hub.seen("GET", "m.gguf")]
    assert found.vocab_size == 120_000
    assert asked[0] == f"bytes=0-{FIRST_BYTES - 1}"
    assert asked[1] == f"bytes={FIRST_BYTES}-{3 * FIRST_BYTES - 1}"
    assert len(asked) <= 3


async def test_a_server_without_ranges_works_too() -> None:
    with hub_of(gguf_bytes(LONG_PAIRS, TENSORS), ignore_range=True) as hub:
        assert (await read(hub)).vocab_size == 120_000


async def test_the_token_stays_with_its_host() -> None:
    with StubStorage() as storage, hub_of(gguf_bytes(), storage) as hub:
        await read(hub)
        at_hub, at_storage = hub.requests, storage.requests
    assert all("authorization" in seen.headers for seen in at_hub)
    assert at_storage
    assert not any("authorization" in seen.headers for seen in at_storage)
    assert all("range" in seen.headers for seen in at_storage)


async def test_a_refusal_is_what_the_source_makes_of_it() -> None:
    with hub_of(gguf_bytes()) as hub, pytest.raises(HubError, match="answered 401"):
        await read(hub, token="wrong")
    with pytest.raises(HubError, match="cannot be read"):
        await read(hub)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"PK" + gguf_bytes()[2:], "no GGUF magic"),
        (gguf_bytes(LLAMA_PAIRS, TENSORS)[:-100], "truncated: 100 of"),
    ],
)
async def test_damage_and_a_cut_are_found_from_afar(content: bytes, match: str) -> None:
    with hub_of(content) as hub, pytest.raises(CorruptModel, match=match):
        await read(hub)


async def test_a_header_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_header, "TOTAL_BYTES_MAX", 2 * FIRST_BYTES)
    with hub_of(gguf_bytes(LONG_PAIRS, TENSORS)) as hub:
        with pytest.raises(HubError, match="longer than"):
            await read(hub)
        asked = hub.seen("GET", "m.gguf")
    assert len(asked) == 2
