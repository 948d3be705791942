"""One download from its first byte to a model in the catalogue.

``downloads`` decides when and from where; here the bytes are fetched into the part,
their digest is computed while they come (``following``), the header is read, and one
rename makes a model of them. What was damaged on its way from another hive is fetched
anew from somewhere else.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from rbee.contracts.models import Model
from rbee.errors import CorruptModel
from rbee.foundation.files import write_struct
from rbee.foundation.pace import Pace
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.following import Following, digest_of
from rbee.hive.models.metadata import as_model, describe
from rbee.hive.models.partial import (
    METADATA_FILE,
    Part,
    bytes_in,
    check_disk,
    install,
    open_part,
    sync_file,
)
from rbee.hive.models.wanted import Reporter, Say, Wanted

DAMAGED_MAX: Final = 3  # so many hives with damaged files are no accident any more


def _nobody() -> bool:
    return False


async def bring_model(
    catalog: Catalog,
    wanted: Wanted,
    report: Reporter,
    say: Say,
    pace: Pace,
    blame: Callable[[], bool] = _nobody,
) -> Model:
    """Fetch into the part, verify, read the header, make it a model.

    ``blame()`` is told that what came was damaged, and says whether it may be tried again.

    Raises:
        CorruptModel: it has another digest than was promised, or is no model.
        DiskFull, StorageError, Conflict: the disk. RbeeError: the source's own.
    """
    part = Part(
        id=wanted.id,
        name=wanted.name or wanted.id,
        file=wanted.file,
        source=wanted.source,
        fingerprint=wanted.fingerprint,
        size_bytes=wanted.size_bytes,
        aliases=list(wanted.aliases),
    )
    with open_part(catalog.root, part) as folder:
        have = bytes_in(folder)
        if wanted.disk_bytes is not None:
            check_disk(folder, max(wanted.disk_bytes - have, 0), wanted.id)
        if have:
            say(f"Going on after {have / 1e6:,.1f} MB.")
        path = folder / wanted.file
        digest = await _verified(wanted, folder, report, pace, blame)
        report(path.stat().st_size, wanted.size_bytes, "install")
        return await anyio.to_thread.run_sync(_install, catalog, wanted, folder, digest)


async def _verified(
    wanted: Wanted, folder: Path, report: Reporter, pace: Pace, blame: Callable[[], bool]
) -> str:
    """Have the file in ``folder``; its digest."""
    path, digest = folder / wanted.file, ""
    for _ in range(DAMAGED_MAX):
        digest = await _fetched(wanted, folder, report, pace)
        if wanted.sha256 is None or digest == wanted.sha256:
            return digest
        # The follower may have missed that a file was begun anew: only the whole file counts.
        digest = await anyio.to_thread.run_sync(digest_of, path, abandon_on_cancel=True)
        if digest == wanted.sha256:
            return digest
        path.unlink()
        if not blame():
            break
    raise CorruptModel(
        f"{wanted.id} arrived damaged: its sha256 is {digest}, not {wanted.sha256}.",
        remedy="Download it again; the damaged bytes are gone.",
    )


async def _fetched(wanted: Wanted, folder: Path, report: Reporter, pace: Pace) -> str:
    path = folder / wanted.file
    following = Following(path)
    async with following:
        await wanted.bring(folder, report, pace)
        report(path.stat().st_size, wanted.size_bytes, "verify")
        return await following.finish()


def _install(catalog: Catalog, wanted: Wanted, folder: Path, digest: str) -> Model:
    """The last step: the metadata, then the one rename."""
    path = folder / wanted.file
    try:
        metadata = describe(
            path,
            id=wanted.id,
            source=wanted.source,
            name=wanted.name,
            aliases=list(wanted.aliases),
            sha256=digest,
        )
    except CorruptModel:
        path.unlink()
        raise
    if earlier := catalog.metadata_of(wanted.id):
        metadata.pinned, metadata.last_used_at = earlier.pinned, earlier.last_used_at
    sync_file(path)
    write_struct(folder / METADATA_FILE, metadata)
    install(folder, catalog.folder_of(wanted.id))
    return as_model(metadata, loaded=False, reason=None)
