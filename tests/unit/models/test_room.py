"""The quota at work on real folders: who goes, who stays, what the disk gets back."""

import os
import time
from pathlib import Path

import pytest

from rbee.errors import DiskFull, ModelNotFound
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.downloads import DownloadLimits, Downloads
from rbee.hive.models.hub import HubSettings
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes, write_gguf
from rbee.testing.hub import StubFile, StubHub, StubRepository

pytestmark = pytest.mark.anyio

CONTENT = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (256, 1024)),))
SIZE = len(CONTENT)
NAMES = ("org/a", "org/b", "org/c")
LAST = "m-Q4_0.gguf"


def stub_hub() -> StubHub:
    return StubHub({n: StubRepository({LAST: StubFile(CONTENT)}) for n in (*NAMES, "org/new")})


def downloads(
    hub: StubHub, catalog: Catalog, models_max: float, loaded: tuple[str, ...] = ()
) -> Downloads:
    return Downloads(
        catalog,
        hub=lambda: HubSettings(endpoint=hub.url),
        limits=DownloadLimits(quota_bytes=int(models_max * SIZE)),
        loaded=lambda: loaded,
    )


async def three_models(hub: StubHub, catalog: Catalog) -> None:
    """a, b, c, used in the order b, c, a."""
    async with downloads(hub, catalog, 3) as fetch:
        for name in NAMES:
            await fetch.ensure(name)
    for order, name in enumerate(("org/b", "org/c", "org/a")):
        catalog.touch(f"{name}:{LAST}", time.time() + order)


def repositories(catalog: Catalog) -> set[str]:
    return {row.id.partition(":")[0] for row in catalog.list()}


async def test_the_least_recently_used_goes_and_it_is_said(tmp_path: Path) -> None:
    catalog, said = Catalog(tmp_path), list[str]()
    with stub_hub() as hub:
        await three_models(hub, catalog)
        async with downloads(hub, catalog, 3) as fetch:
            await fetch.ensure("org/new", on_message=said.append)
    assert repositories(catalog) == {"org/a", "org/c", "org/new"}
    (sentence,) = said
    assert sentence.startswith(f"Removed org/b:{LAST} (0.00 GB, last used ")
    assert "least recently used, and the quota is" in sentence


async def test_pinned_and_loaded_models_stay(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    with stub_hub() as hub:
        await three_models(hub, catalog)
        assert catalog.pin("org/b", pinned=True).pinned
        async with downloads(hub, catalog, 3, loaded=(f"org/c:{LAST}",)) as fetch:
            await fetch.ensure("org/new")
    assert repositories(catalog) == {"org/b", "org/c", "org/new"}
    assert [row.id for row in catalog.list() if row.pinned] == [f"org/b:{LAST}"]


async def test_a_download_that_cannot_fit_removes_nothing(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    with stub_hub() as hub:
        await three_models(hub, catalog)
        catalog.pin("org/a", pinned=True)
        catalog.pin("org/b", pinned=True)
        async with downloads(hub, catalog, 2.5, loaded=(f"org/c:{LAST}",)) as fetch:
            with pytest.raises(
                DiskFull, match=r"these stay: org/a.*\(pinned\).*\(loaded\)"
            ) as full:
                await fetch.ensure("org/new")
        assert "models_quota_gb" in str(full.value.remedy)
        assert not hub.seen("GET", "/org/new/resolve/")
    assert repositories(catalog) == set(NAMES)


async def test_files_of_others_cost_nothing_and_stay(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "models")
    mine = write_gguf(tmp_path / "mine.gguf", LLAMA_PAIRS, (TinyTensor("w", (1024, 1024)),))
    catalog.add_in_place(mine, "mine")
    with stub_hub() as hub:
        async with downloads(hub, catalog, 1) as fetch:
            await fetch.ensure("org/a")
            await fetch.ensure("org/b")
    assert {row.id for row in catalog.list()} == {"mine", f"org/b:{LAST}"}
    assert mine.exists()


async def test_a_stopped_download_gives_way_too(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    with stub_hub() as hub:
        hub.repositories["org/a"].files[LAST].faults.status = 403
        hub.repositories["org/a"].files[LAST].faults.refusals = 100
        part = tmp_path / f"org--a--{LAST}.part"
        async with downloads(hub, catalog, 1) as fetch:
            await fetch.ensure("org/b")
            (tmp_path / f"org--b--{LAST}").rename(part)
            (part / "metadata.json").rename(part / "part.json")
            described = b'{"id":"org/a:%s","name":"a","file":"f","source":"s","fingerprint":"x"}'
            (part / "part.json").write_bytes(described % LAST.encode())
            await fetch.ensure("org/c")
    assert repositories(catalog) == {"org/c"}
    assert not part.exists()


@pytest.mark.parametrize("linked", [False, True])
async def test_delete_says_what_the_disk_gets_back(tmp_path: Path, *, linked: bool) -> None:
    catalog = Catalog(tmp_path / "models")
    with stub_hub() as hub:
        async with downloads(hub, catalog, 9) as fetch:
            model = await fetch.ensure("org/a")
    path = catalog.file_of(model.id)
    if linked:
        os.link(path, tmp_path / "other-name.gguf")
    freed = catalog.delete(model.id)
    assert freed == (0 if linked else SIZE)
    left = [p for p in (tmp_path / "models").rglob("*") if p.is_file() and p.suffix != ".lock"]
    assert left == []


async def test_pin_and_touch_survive_another_download_of_the_model(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    with stub_hub() as hub:
        async with downloads(hub, catalog, 9) as fetch:
            model = await fetch.ensure("org/a")
            catalog.pin("org/a", pinned=True)
            catalog.touch(model.id, 123.5)
            catalog.file_of(model.id).write_bytes(CONTENT[:-1])
            again = await fetch.ensure("org/a")
    assert (again.pinned, again.last_used_at) == (True, 123.5)
    assert catalog.pin("org/a", pinned=False).pinned is False
    with pytest.raises(ModelNotFound):
        catalog.pin("org/nothing", pinned=True)
