"""The starter from a stub package index: found, resumed, verified, unpacked."""

import hashlib
import logging
import os
import sys
from pathlib import Path

import msgspec
import pytest

from rbee.errors import CorruptModel, HubError
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.downloads import Downloads
from rbee.hive.models.package import STARTER_PACKAGE, PackagedModel, installed_file
from rbee.testing.gguf import gguf_bytes
from rbee.testing.package_index import StubIndex, wheel_with

pytestmark = pytest.mark.anyio

CONTENT = gguf_bytes() + os.urandom(3 * 1024 * 1024)
TINY = msgspec.structs.replace(
    STARTER_PACKAGE,
    distribution="tiny-starter",
    module="tiny_starter",
    version="1.0",
    file="Tiny.Q4_1.gguf",
    size_bytes=len(CONTENT),
    wheel_bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)
WHEEL = wheel_with(TINY.module, TINY.version, TINY.file, CONTENT)


def index(
    *, credentials: str | None = None, html: bool = False, sha256: str | None = None
) -> StubIndex:
    return StubIndex(
        TINY.distribution,
        TINY.version,
        WHEEL,
        credentials=credentials,
        html=html,
        sha256=sha256,
    )


def environment(tmp_path: Path, **settings: str) -> dict[str, str]:
    home = str(tmp_path / "home")
    nowhere = {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_CONFIG_DIRS": home, "APPDATA": home,
               "PROGRAMDATA": home, "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}  # fmt: skip
    return nowhere | settings


def downloads(tmp_path: Path, starter: PackagedModel = TINY, **settings: str) -> Downloads:
    catalog = Catalog(tmp_path / "models")
    return Downloads(catalog, environ=environment(tmp_path, **settings), starter=starter)


def content(tmp_path: Path) -> bytes:
    return Catalog(tmp_path / "models").file_of("starter").read_bytes()


@pytest.mark.parametrize("html", [False, True])
async def test_the_starter_comes_from_the_configured_index(tmp_path: Path, html: bool) -> None:
    phases: list[str] = []
    with index(html=html) as stub:
        async with downloads(tmp_path, PIP_INDEX_URL=stub.index_url) as fetch:
            model = await fetch.ensure("starter", lambda report: phases.append(report.phase))
    assert (model.id, model.name) == ("starter", "SmolLM2-135M-Instruct")
    assert "smollm2-135m" in model.aliases
    assert content(tmp_path) == CONTENT
    folder = tmp_path / "models" / "starter"
    assert {path.name for path in folder.iterdir()} == {TINY.file, "metadata.json"}
    assert list(dict.fromkeys(phases)) == ["download", "verify", "install"]


async def test_uvs_index_serves_as_well(tmp_path: Path) -> None:
    with index() as stub:
        async with downloads(tmp_path, UV_DEFAULT_INDEX=stub.index_url) as fetch:
            await fetch.ensure("starter")
    assert content(tmp_path) == CONTENT


async def test_a_folder_of_wheels_needs_no_network(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel = wheels / "tiny_starter-1.0-py3-none-any.whl"
    wheel.write_bytes(WHEEL)
    async with downloads(tmp_path, PIP_FIND_LINKS=str(wheels), PIP_NO_INDEX="1") as fetch:
        await fetch.ensure("starter")
    assert content(tmp_path) == CONTENT
    assert wheel.exists()


async def test_a_dead_index_does_not_hide_the_next(tmp_path: Path) -> None:
    with index() as dead:
        gone = dead.index_url
    with index() as stub:
        settings = {"PIP_INDEX_URL": gone, "PIP_EXTRA_INDEX_URL": stub.index_url}
        async with downloads(tmp_path, **settings) as fetch:
            await fetch.ensure("starter")
    assert content(tmp_path) == CONTENT


async def test_a_cut_download_goes_on_by_range(tmp_path: Path) -> None:
    with index() as stub:
        stub.faults.cut_after = 2 * 1024 * 1024
        async with downloads(tmp_path, PIP_INDEX_URL=stub.index_url) as fetch:
            await fetch.ensure("starter")
        ranges = [seen.headers.get("range") for seen in stub.seen("GET", "/files/")]
    assert ranges == [None, "bytes=2097152-"]
    assert content(tmp_path) == CONTENT


async def test_credentials_reach_the_index_and_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with index(credentials="user:s3cret") as stub:
        async with downloads(tmp_path, PIP_INDEX_URL=stub.index_url) as fetch:
            await fetch.ensure("starter")
        assert stub.seen("GET", "/files/")[-1].headers["authorization"].startswith("Basic ")
    assert "s3cret" not in caplog.text
    metadata = (tmp_path / "models" / "starter" / "metadata.json").read_text()
    assert "s3cret" not in metadata


async def test_wrong_credentials_are_an_error_without_them(tmp_path: Path) -> None:
    with index(credentials="user:right") as stub:
        url = stub.index_url.replace("right", "wr0ng")
        async with downloads(tmp_path, PIP_INDEX_URL=url) as fetch:
            with pytest.raises(HubError, match="was not found at") as caught:
                await fetch.ensure("starter")
    assert "wr0ng" not in str(caught.value)
    assert "PIP_INDEX_URL" in caught.value.remedy


async def test_a_wheel_with_another_digest_is_refused_and_forgotten(tmp_path: Path) -> None:
    with index(sha256="0" * 64) as stub:
        async with downloads(tmp_path, PIP_INDEX_URL=stub.index_url) as fetch:
            with pytest.raises(CorruptModel, match="sha256 is not the one"):
                await fetch.ensure("starter")
    assert Catalog(tmp_path / "models").list() == []


async def test_another_model_under_the_same_name_is_refused(tmp_path: Path) -> None:
    with index(sha256="") as stub:
        other = msgspec.structs.replace(TINY, sha256="1" * 64)
        async with downloads(tmp_path, other, PIP_INDEX_URL=stub.index_url) as fetch:
            with pytest.raises(CorruptModel, match="arrived damaged"):
                await fetch.ensure("starter")
        larger = msgspec.structs.replace(TINY, size_bytes=TINY.size_bytes + 1)
        async with downloads(tmp_path, larger, PIP_INDEX_URL=stub.index_url) as fetch:
            with pytest.raises(CorruptModel, match="does not hold"):
                await fetch.ensure("starter")
    assert Catalog(tmp_path / "models").list() == []


async def test_an_installed_package_is_used_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    package = site / TINY.module
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('never imported')")
    (package / TINY.file).write_bytes(CONTENT)
    monkeypatch.syspath_prepend(str(site))
    assert installed_file(TINY) == package / TINY.file
    async with downloads(tmp_path, PIP_NO_INDEX="1") as fetch:
        await fetch.ensure("smollm2:135m")
    assert content(tmp_path) == CONTENT
    assert TINY.module not in sys.modules
    Catalog(tmp_path / "models").delete("starter")
    assert (package / TINY.file).exists()


def test_a_missing_package_is_none() -> None:
    assert installed_file(TINY) is None
