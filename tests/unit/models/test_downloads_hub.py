"""Downloads from a stub hub: choice, resume, sharing, cancelling, refusals."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest

from rbee.contracts.models import DownloadProgress
from rbee.errors import (
    CorruptModel,
    DiskFull,
    GatedRepository,
    HubError,
    ModelNotFound,
    NoUsableFile,
    RbeeError,
    StorageError,
)
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.downloads import Downloads
from rbee.hive.models.hub import ENDPOINT_DEFAULT, HubSettings, hub_settings
from rbee.hive.models.wanted import Wanted
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes
from rbee.testing.hub import StubFile, StubHub, StubRepository, StubStorage
from rbee.testing.stub_server import Faults
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

BIG = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (1024, 1024)),))
MIB = 1024 * 1024
DEADLINE_S = 10
CONVERTED = "bartowski/Llama-3.2-1B-Instruct-GGUF"
CONVERTED_FILE = "Llama-3.2-1B-Instruct-Q4_K_M.gguf"


def repository(**faults: float) -> StubRepository:
    return StubRepository({"M-Q4_K_M.gguf": StubFile(BIG, faults=Faults(**faults))})


def downloads(hub: StubHub, root: Path, token: str | None = None) -> Downloads:
    return Downloads(Catalog(root), hub=lambda: HubSettings(endpoint=hub.url, token=token))


async def test_a_repository_becomes_a_model(tmp_path: Path) -> None:
    reports: list[DownloadProgress] = []
    with StubHub({"Org/M-GGUF": repository()}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            model = await fetch.ensure("org/m-gguf", reports.append)
            again = await fetch.ensure("Org/M-GGUF:Q4_K_M")
        asked = len(hub.requests)
    assert (model.id, model.name) == ("Org/M-GGUF:M-Q4_K_M.gguf", "M-Q4_K_M")
    assert again.id == model.id
    assert asked == 2, "one listing, one file; the second time nothing"
    assert Catalog(tmp_path).file_of("org/m-gguf").read_bytes() == BIG
    assert sorted(entry.name for entry in os.scandir(tmp_path)) == [
        ".locks",
        "Org--M-GGUF--M-Q4_K_M.gguf",
    ]
    assert [report.phase for report in reports][-2:] == ["verify", "install"]
    last = [report for report in reports if report.phase == "download"][-1]
    assert (last.bytes, last.total) == (len(BIG), len(BIG))


async def test_a_cut_connection_goes_on_by_range(tmp_path: Path) -> None:
    with StubHub({"org/m": repository(cut_after=2 * MIB + 7)}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            await fetch.ensure("org/m")
        ranges = [seen.headers.get("range") for seen in hub.seen("GET", "/resolve/")]
    assert ranges[0] is None
    assert ranges[1] is not None
    assert int(ranges[1].removeprefix("bytes=").removesuffix("-")) >= 2 * MIB
    assert Catalog(tmp_path).file_of("org/m").read_bytes() == BIG


async def test_a_server_without_ranges_starts_over(tmp_path: Path) -> None:
    with StubHub({"org/m": repository(cut_after=2 * MIB, ignore_range=True)}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            await fetch.ensure("org/m")
    assert Catalog(tmp_path).file_of("org/m").read_bytes() == BIG


async def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    with StubHub({"org/m": repository(status=503)}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            assert (await fetch.ensure("org/m")).status == "available"
        assert len(hub.seen("GET", "/resolve/")) == 2


async def test_a_cancelled_download_resumes_from_its_bytes(tmp_path: Path) -> None:
    with StubHub({"org/m": repository(hold_after=2 * MIB)}) as hub:
        part = tmp_path / "org--m--M-Q4_K_M.gguf.part" / "M-Q4_K_M.gguf"
        async with downloads(hub, tmp_path) as fetch:
            async with anyio.create_task_group() as group:
                group.start_soon(fetch.ensure, "org/m")
                await until(lambda: part.exists() and part.stat().st_size >= 2 * MIB)
                assert fetch.active == {"org/m:M-Q4_K_M.gguf"}
                group.cancel_scope.cancel()
            await until(lambda: not fetch.active)
            shown = Catalog(tmp_path).get("org/m")
            assert shown.status == "downloading"
            assert "stopped after 2,097,152 of" in (shown.reason or "")
            hub.release()
            said: list[str] = []
            await fetch.ensure("org/m", on_message=said.append)
        assert said == ["Going on after 2.1 MB."]
        assert hub.seen("GET", "/resolve/")[-1].headers["range"] == "bytes=2097152-"
    assert Catalog(tmp_path).file_of("org/m").read_bytes() == BIG


async def test_requests_for_one_model_share_one_download(tmp_path: Path) -> None:
    found: list[str] = []
    with StubHub({"org/m": repository(hold_after=MIB)}) as hub:
        async with downloads(hub, tmp_path) as fetch, anyio.create_task_group() as group:
            first = anyio.CancelScope()
            seen: dict[str, DownloadProgress] = {}

            async def ask(name: str, scope: anyio.CancelScope) -> None:
                with scope:
                    model = await fetch.ensure(name, lambda report: seen.update({name: report}))
                    found.append(model.id)

            group.start_soon(ask, "org/m", first)
            await until(lambda: "org/m" in seen)
            group.start_soon(ask, "ORG/m:Q4_K_M", anyio.CancelScope())
            await until(lambda: "ORG/m:Q4_K_M" in seen)
            first.cancel()
            await anyio.wait_all_tasks_blocked()
            hub.release()
        assert len(hub.seen("GET", "/resolve/")) == 1
    assert found == ["org/m:M-Q4_K_M.gguf"], "the one who stayed has it"


async def test_two_at_a_time(tmp_path: Path) -> None:
    names = ["org/a", "org/b", "org/c"]
    said: list[str] = []
    with StubHub({name: repository(hold_after=MIB) for name in names}) as hub:
        async with downloads(hub, tmp_path) as fetch, anyio.create_task_group() as group:
            for name in names:
                group.start_soon(fetch.ensure, name, lambda _: None, said.append)
            await until(lambda: len(fetch.active) == 3 and bool(said))
            await until(lambda: len(hub.seen("GET", "/resolve/")) == 2)
            await anyio.wait_all_tasks_blocked()
            assert len(hub.seen("GET", "/resolve/")) == 2
            hub.release()
            await until(lambda: not fetch.active)
        assert len(Catalog(tmp_path).list()) == 3
    assert said == ["Waiting: 2 other downloads are running."]


async def test_an_original_leads_to_its_conversion_and_says_so(tmp_path: Path) -> None:
    original = StubRepository({"model.safetensors": StubFile(b"x")}, gated=True)
    converted = StubRepository({CONVERTED_FILE: StubFile(gguf_bytes())})
    said: list[str] = []
    with StubHub({"meta-llama/Llama-3.2-1B": original, CONVERTED: converted}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            model = await fetch.ensure("meta-llama/Llama-3.2-1B", on_message=said.append)
            assert (await fetch.ensure("llama-3.2-1b")).id == model.id
    assert said == [f"meta-llama/Llama-3.2-1B → {CONVERTED}:{CONVERTED_FILE}"]
    assert {"llama-3.2-1b", "meta-llama/Llama-3.2-1B", CONVERTED} <= set(model.aliases)


async def test_a_hidden_original_leads_to_its_conversion_too(tmp_path: Path) -> None:
    original = StubRepository({}, gated=True, hidden=True)
    converted = StubRepository({CONVERTED_FILE: StubFile(gguf_bytes())})
    with StubHub({"meta-llama/Llama-3.2-1B": original, CONVERTED: converted}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            model = await fetch.ensure("meta-llama/Llama-3.2-1B")
    assert model.id == f"{CONVERTED}:{CONVERTED_FILE}"


async def test_refusals_say_what_to_do(tmp_path: Path) -> None:
    files = {"m-Q4_K_M.gguf": StubFile(gguf_bytes())}
    repositories = {
        "org/gated": StubRepository(files, gated=True),
        "org/hidden": StubRepository(files, gated=True, hidden=True),
        "org/weights": StubRepository({"model.safetensors": StubFile(b"x")}),
    }
    with StubHub(repositories) as hub:
        async with downloads(hub, tmp_path) as fetch:
            for name in ("org/gated", "org/hidden"):
                with pytest.raises(GatedRepository, match=name) as gated:
                    await fetch.ensure(name)
                assert "HF_TOKEN" in gated.value.remedy
            with pytest.raises(NoUsableFile, match="holds no GGUF") as useless:
                await fetch.ensure("org/weights")
            assert "Three ways out" in useless.value.remedy
            with pytest.raises(ModelNotFound, match="There is no repository org/nowhere"):
                await fetch.ensure("org/nowhere")
            with pytest.raises(ModelNotFound, match="No model is called 'what-is-this'"):
                await fetch.ensure("what-is-this")
            with pytest.raises(ModelNotFound, match=r"There is no file /no/where\.gguf"):
                await fetch.ensure("/no/where.gguf")
    assert Catalog(tmp_path).list() == []


async def test_the_token_goes_to_the_hub_alone(tmp_path: Path) -> None:
    gated = StubRepository({"m-Q4_K_M.gguf": StubFile(gguf_bytes())}, gated=True)
    with (
        StubStorage() as storage,
        StubHub({"org/gated": gated}, token="hf_secret", storage=storage) as hub,
    ):
        async with downloads(hub, tmp_path, token="hf_secret") as fetch:
            assert (await fetch.ensure("org/gated")).status == "available"
        assert hub.seen("GET", "/resolve/")[0].headers["authorization"] == "Bearer hf_secret"
        assert len(storage.requests) == 1
        assert "authorization" not in storage.requests[0].headers


async def test_a_wrong_digest_is_no_model(tmp_path: Path) -> None:
    file = StubFile(gguf_bytes(), sha256="0" * 64)
    with StubHub({"org/m": StubRepository({"m-Q4_0.gguf": file})}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            with pytest.raises(CorruptModel, match="its sha256 is"):
                await fetch.ensure("org/m")
            assert Catalog(tmp_path).list() == []
            file.sha256 = None
            assert (await fetch.ensure("org/m")).status == "available"


async def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with StubHub({"org/m": StubRepository({"m-Q4_0.gguf": StubFile(b"<html>")})}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            with pytest.raises(CorruptModel, match="magic"):
                await fetch.ensure("org/m")
    assert Catalog(tmp_path).list() == []


async def test_a_dead_hub_is_a_hub_error(tmp_path: Path) -> None:
    with StubHub({}) as hub:
        url = hub.url
    async with Downloads(Catalog(tmp_path), hub=lambda: HubSettings(endpoint=url)) as fetch:
        with pytest.raises(HubError, match="cannot be asked"):
            await fetch.ensure("org/m")


async def test_a_full_disk_is_told_before_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=300 * MIB))
    with StubHub({"org/m": repository()}) as hub:
        hub.repositories["org/m"].files["M-Q4_K_M.gguf"].content = BIG * 20
        async with downloads(hub, tmp_path) as fetch:
            with pytest.raises(DiskFull, match=r"needs 84 MB more .* 315 MB are free"):
                await fetch.ensure("org/m")
        assert hub.seen("GET", "/resolve/") == []
    assert Catalog(tmp_path).list() == []


async def test_a_resumed_download_keeps_the_names_it_was_asked_by(tmp_path: Path) -> None:
    converted = StubRepository({CONVERTED_FILE: StubFile(BIG, faults=Faults(hold_after=MIB))})
    original = "meta-llama/Llama-3.2-1B"
    with StubHub({original: StubRepository({}), CONVERTED: converted}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            async with anyio.create_task_group() as group:
                group.start_soon(fetch.ensure, original)
                await until(lambda: _has_bytes(tmp_path))
                group.cancel_scope.cancel()
            hub.release()
            model = await fetch.ensure("llama-3.2-1b")
    assert {original, "llama-3.2-1b", CONVERTED} <= set(model.aliases)


async def test_a_damaged_model_is_fetched_again(tmp_path: Path) -> None:
    with StubHub({"org/m": repository()}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            model = await fetch.ensure("org/m")
            path = Catalog(tmp_path).file_of(model.id)
            path.write_bytes(BIG[:-1])
            assert (await fetch.ensure("org/m")).status == "available"
    assert path.read_bytes() == BIG
    assert [row.status for row in Catalog(tmp_path).list()] == ["available"]


async def test_a_damaged_local_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "mine" / "mine.gguf"
    path.parent.mkdir()
    path.write_bytes(BIG)
    with StubHub({}) as hub:
        async with downloads(hub, tmp_path / "models") as fetch:
            assert (await fetch.ensure(str(path))).id == "mine"
            path.unlink()
            with pytest.raises(CorruptModel, match="is gone"):
                await fetch.ensure("mine")


async def test_interrupted_deletions_are_finished(tmp_path: Path) -> None:
    (tmp_path / ".deleted-1234").mkdir()
    (tmp_path / ".deleted-1234" / "x.gguf").write_bytes(b"x")
    with StubHub({}) as hub:
        async with downloads(hub, tmp_path) as fetch:
            assert fetch.active == frozenset()
    assert not (tmp_path / ".deleted-1234").exists()


async def test_a_folder_that_cannot_be_used_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with StubHub({"org/m": repository()}) as hub:
        async with downloads(hub, tmp_path / "models") as fetch:
            with pytest.raises(StorageError, match="cannot be"):
                await fetch.ensure("org/m")


async def test_a_fault_of_a_source_ends_its_download_alone(tmp_path: Path) -> None:
    async def broken(_folder: Path, _reporter: object, _pace: object) -> None:
        raise ZeroDivisionError

    wanted = Wanted(id="x", name="x", file="x", source="s", fingerprint="f", bring=broken)
    async with Downloads(Catalog(tmp_path)) as fetch:
        with pytest.raises(RbeeError, match="ZeroDivisionError"):
            await fetch._share(wanted, lambda _: None, lambda _: None)
        assert fetch.active == frozenset()


async def test_closing_stops_downloads(tmp_path: Path) -> None:
    with StubHub({"org/m": repository(hold_after=MIB)}) as hub:
        async with anyio.create_task_group() as group:
            fetch = downloads(hub, tmp_path)
            async with fetch:
                ended = anyio.Event()

                async def ask() -> None:
                    with suppress(Exception):
                        await fetch.ensure("org/m")
                    ended.set()

                group.start_soon(ask)
                await until(lambda: bool(hub.seen("GET", "/resolve/")))
            with anyio.fail_after(DEADLINE_S):
                await ended.wait()
        assert fetch.active == frozenset()


def test_hub_settings_are_read_when_asked() -> None:
    assert hub_settings({}) == HubSettings(endpoint=ENDPOINT_DEFAULT, token=None)
    settings = hub_settings({"HF_ENDPOINT": "http://x/ ", "HF_TOKEN": "hf_secret"})
    assert (settings.endpoint, settings.token) == ("http://x", "hf_secret")
    assert "hf_secret" not in repr(settings)


def _has_bytes(root: Path) -> bool:
    return any(path.stat().st_size >= MIB for path in root.glob("*.part/*.gguf"))
