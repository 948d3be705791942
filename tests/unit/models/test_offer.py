"""What a model that is not here would be: read at its source, nothing fetched."""

from pathlib import Path

import pytest

from rbee.errors import ModelNotFound
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.downloads import Downloads
from rbee.hive.models.hub import HubSettings
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes
from rbee.testing.hub import StubFile, StubHub, StubRepository

pytestmark = pytest.mark.anyio

CONTENT = gguf_bytes(LLAMA_PAIRS, (TinyTensor("token_embd.weight", (1024, 1024)),))


async def test_size_and_facts_without_the_bytes(tmp_path: Path) -> None:
    file = StubFile(CONTENT)
    with StubHub({"org/m": StubRepository({"m-Q4_0.gguf": file})}) as hub:
        async with Downloads(
            Catalog(tmp_path), hub=lambda: HubSettings(endpoint=hub.url)
        ) as downloads:
            found = await downloads.offer("org/m")
            with pytest.raises(ModelNotFound):
                await downloads.offer("nobody-knows-this")
        reads = hub.seen("GET", "/resolve/")
    assert (found.id, found.size_bytes) == ("org/m:m-Q4_0.gguf", len(CONTENT))
    assert found.facts is not None
    assert (found.facts.architecture, found.context_length) == ("llama", 2048)
    assert all("range" in request.headers for request in reads)
    assert Catalog(tmp_path).list() == []
