"""Downloads that are paused, resumed and cancelled, and what a hive tells of them."""

from pathlib import Path

import anyio
import pytest

from rbee.contracts.models import Download, Model
from rbee.errors import Conflict, HubError, ModelNotFound, RbeeError
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.download_book import INTERRUPTED
from rbee.hive.models.downloads import DownloadLimits, Downloads
from rbee.hive.models.hub import HubSettings
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes
from rbee.testing.hub import StubFile, StubHub, StubRepository
from rbee.testing.stub_server import Faults
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
BIG = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (1024, 1024)),))
ID = "org/m:M-Q4_K_M.gguf"


def repository(hold_after: int | None = None) -> StubRepository:
    return StubRepository({"M-Q4_K_M.gguf": StubFile(BIG, faults=Faults(hold_after=hold_after))})


def downloads(hub: StubHub, root: Path, parallel_max: int = 2) -> Downloads:
    return Downloads(
        Catalog(root / "models"),
        hub=lambda: HubSettings(endpoint=hub.url),
        limits=DownloadLimits(parallel_max=parallel_max),
        book=root / "downloads.json",
    )


def the_row(fetch: Downloads) -> Download:
    (row,) = fetch.rows()
    return row


class Asker:
    """One who waits for a model, and what came of it."""

    def __init__(self) -> None:
        self.model: Model | None = None
        self.error: RbeeError | None = None

    async def ask(self, fetch: Downloads, name: str) -> None:
        try:
            self.model = await fetch.ensure(name)
        except RbeeError as error:
            self.error = error


async def test_a_paused_download_keeps_its_bytes_over_a_restart_and_goes_on(
    tmp_path: Path,
) -> None:
    asker = Asker()
    paused: list[Download] = []
    with StubHub({"org/m": repository(hold_after=2 * MIB)}) as hub:
        async with downloads(hub, tmp_path) as fetch, anyio.create_task_group() as group:
            group.start_soon(asker.ask, fetch, "org/m")
            await until(lambda: any(row.bytes >= 2 * MIB for row in fetch.rows()))
            row = the_row(fetch)
            assert (row.state, row.total, row.position) == ("running", len(BIG), None)
            paused.append(await fetch.pause("M-Q4_K_M"))
            assert isinstance(asker.error, Conflict)
            assert fetch.rows() == paused
            with pytest.raises(Conflict, match="paused"):
                await fetch.ensure("org/m", by_person=False)
        hub.release()
        async with downloads(hub, tmp_path) as fetch:
            assert fetch.rows() == paused, "the next hive says so too"
            assert (await fetch.resume(ID)).status == "available"
            assert fetch.rows() == []
        assert hub.seen("GET", "/resolve/")[-1].headers["range"] == f"bytes={2 * MIB}-"
    assert [(row.model, row.state, row.bytes) for row in paused] == [(ID, "paused", 2 * MIB)]


async def test_a_hive_that_ends_in_the_middle_leaves_a_paused_download(tmp_path: Path) -> None:
    with StubHub({"org/m": repository(hold_after=MIB)}) as hub:
        async with anyio.create_task_group() as group, downloads(hub, tmp_path) as fetch:
            group.start_soon(Asker().ask, fetch, "org/m")
            await until(lambda: bool(fetch.rows()) and fetch.rows()[0].bytes >= MIB)
        async with downloads(hub, tmp_path) as fetch:
            row = the_row(fetch)
            assert (row.state, row.reason) == ("paused", INTERRUPTED)
            hub.release()
            assert (await fetch.ensure("org/m", by_person=False)).id == ID, "nobody held it"


async def test_a_cancelled_download_leaves_nothing(tmp_path: Path) -> None:
    asker = Asker()
    with StubHub({"org/m": repository(hold_after=2 * MIB)}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            async with anyio.create_task_group() as group:
                group.start_soon(asker.ask, fetch, "org/m")
                await until(lambda: any(row.bytes >= 2 * MIB for row in fetch.rows()))
                assert await fetch.cancel(ID) == (ID, 2 * MIB)
            assert fetch.rows() == []
            assert Catalog(tmp_path / "models").list() == []
            with pytest.raises(ModelNotFound, match="on its way"):
                await fetch.cancel(ID)
    assert isinstance(asker.error, Conflict)
    assert "cancelled" in asker.error.message


async def test_the_queue_shows_who_waits_and_in_which_order(tmp_path: Path) -> None:
    names = ["org/a", "org/b", "org/c"]
    with StubHub({name: repository(hold_after=MIB) for name in names}) as hub:
        async with (
            downloads(hub, tmp_path, parallel_max=1) as fetch,
            anyio.create_task_group() as group,
        ):
            for index, name in enumerate(names):
                group.start_soon(Asker().ask, fetch, name)
                await until(lambda wanted=index + 1: len(fetch.rows()) == wanted)
            await until(lambda: fetch.rows()[0].state == "running")
            assert [row.position for row in fetch.rows()] == [None, 1, 2]
            assert [row.state for row in fetch.rows()] == ["running", "queued", "queued"]
            await fetch.pause("org/b:M-Q4_K_M.gguf")
            assert {row.model[:5]: row.position for row in fetch.rows()} == {
                "org/a": None,
                "org/c": 1,
                "org/b": None,
            }
            hub.release()
            await until(lambda: not fetch.active)
            assert the_row(fetch).model.startswith("org/b")


async def test_a_failed_download_says_why_until_it_is_tried_again(tmp_path: Path) -> None:
    wrong = StubRepository({"M-Q4_K_M.gguf": StubFile(BIG, sha256="0" * 64)})
    with StubHub({"org/m": wrong}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            with pytest.raises(RbeeError):
                await fetch.ensure("org/m")
            row = the_row(fetch)
            assert row.state == "failed"
            assert "sha256" in (row.reason or "")
            assert row.remedy is not None
            hub.repositories["org/m"] = repository()
            assert (await fetch.resume(ID)).status == "available"
            assert fetch.rows() == []


async def test_a_failed_resume_leaves_the_download_where_it_was(tmp_path: Path) -> None:
    with StubHub({"org/m": repository(hold_after=MIB)}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            async with anyio.create_task_group() as group:
                group.start_soon(Asker().ask, fetch, "org/m")
                await until(lambda: any(row.bytes >= MIB for row in fetch.rows()))
                await fetch.pause(ID)
            del hub.repositories["org/m"]
            with pytest.raises((HubError, ModelNotFound)):
                await fetch.resume(ID)
            assert the_row(fetch).state == "paused"
