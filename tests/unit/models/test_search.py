"""Search on a stub hub over real HTTP: what is shown, what fits, what is kept."""

import pytest

from rbee.contracts.models import ModelFacts
from rbee.errors import HubError, InvalidRequest
from rbee.fit import DeviceMemory, RunSettings, Verdict, judge
from rbee.hive.models.hub import HubSettings
from rbee.hive.models.search import HubSearch
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes
from rbee.testing.hub import StubFile, StubHub, StubRepository

pytestmark = pytest.mark.anyio

SMALL = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (64, 1024)),))
LARGE = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (1024, 1024)),))


def repositories() -> dict[str, StubRepository]:
    two = {
        "Bee-Q4_K_M.gguf": StubFile(SMALL),
        "Bee-Q8_0.gguf": StubFile(LARGE),
        "README.md": StubFile(b"#"),
    }
    return {
        "org/Bee-GGUF": StubRepository(two, downloads=10, likes=3),
        "other/bee-hive-gguf": StubRepository(
            {"h-Q4_0.gguf": StubFile(SMALL)}, gated=True, downloads=99
        ),
        "org/wasp": StubRepository({"w-Q4_0.gguf": StubFile(SMALL)}),
        "org/bee-torch": StubRepository({"model.safetensors": StubFile(b"x")}),
    }


def roomy(facts: ModelFacts) -> Verdict:
    device = DeviceMemory(id="CPU-0", total_bytes=1 << 40, free_bytes=1 << 39)
    return judge(facts, RunSettings(context_tokens=512), device)


async def test_what_is_found_and_told() -> None:
    with StubHub(repositories()) as hub:
        found = await HubSearch().find("  BEE ", 10, HubSettings(endpoint=hub.url))
        asked = hub.seen("GET", "/api/models")[0]
        assert hub.seen("GET", "/resolve/") == []
    assert "filter=gguf" in asked.query
    assert "sort=downloads" in asked.query
    assert (found.query, [model.id for model in found.models]) == (
        "BEE",
        ["other/bee-hive-gguf", "org/Bee-GGUF"],
    )
    gated, bee = found.models
    assert (gated.gated, bee.gated) == (True, False)
    assert (bee.downloads, bee.likes) == (10, 3)
    assert (bee.size_bytes_min, bee.size_bytes_max) == (len(SMALL), len(LARGE))
    assert bee.quantizations == ["Q4_K_M", "Q8_0"]
    assert [(file.path, file.size_bytes, file.fits) for file in bee.files] == [
        ("Bee-Q4_K_M.gguf", len(SMALL), None),
        ("Bee-Q8_0.gguf", len(LARGE), None),
    ]


async def test_with_a_judge_each_file_has_a_verdict_from_one_header() -> None:
    with StubHub(repositories()) as hub:
        found = await HubSearch().find("bee", 10, HubSettings(endpoint=hub.url), roomy)
        headers = hub.seen("GET", "/resolve/")
    gated, bee = found.models
    assert [file.fits for file in bee.files] == ["yes", "yes"]
    assert all("it fits" in (file.reason or "") for file in bee.files)
    assert [seen.headers["range"] for seen in headers] == ["bytes=0-1048575"]
    assert gated.problem is not None
    assert "token" in gated.problem


async def test_the_same_words_within_a_minute_cost_no_request() -> None:
    search = HubSearch()
    with StubHub(repositories()) as hub:
        settings = HubSettings(endpoint=hub.url)
        first = await search.find("bee", 10, settings)
        asked = len(hub.requests)
        assert await search.find("Bee", 10, settings) == first
        assert len(hub.requests) == asked
        await search.find("bee", 1, settings)
        assert len(hub.requests) > asked


async def test_the_limit_is_kept_and_nothing_found_is_no_error() -> None:
    with StubHub(repositories()) as hub:
        settings = HubSettings(endpoint=hub.url)
        assert len((await HubSearch().find("bee", 1, settings)).models) == 1
        assert (await HubSearch().find("hornet", 5, settings)).models == []


async def test_a_repository_that_cannot_be_listed_says_why() -> None:
    some = repositories()
    some["org/Bee-GGUF"].hidden = True
    with StubHub(some) as hub:
        found = await HubSearch().find("bee", 10, HubSettings(endpoint=hub.url))
    assert [model.problem is None for model in found.models] == [True, False]


@pytest.mark.parametrize(
    ("query", "limit"), [("", 5), ("  ", 5), ("x" * 201, 5), ("x", 0), ("x", 51)]
)
async def test_bad_questions_are_refused_before_the_hub(query: str, limit: int) -> None:
    with pytest.raises(InvalidRequest):
        await HubSearch().find(query, limit, HubSettings(endpoint="http://127.0.0.1:9"))


async def test_a_dead_hub_is_a_hub_error() -> None:
    with StubHub({}) as hub:
        url = hub.url
    with pytest.raises(HubError, match="cannot be searched"):
        await HubSearch().find("bee", 5, HubSettings(endpoint=url))
