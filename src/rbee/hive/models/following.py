"""The SHA-256 of a file that is still growing, so that none is read again at its end.

A download takes minutes and its digest seconds for each gigabyte: computed beside the
download it costs nothing of the wait. A thread follows the file from its first byte,
those of earlier attempts included, and at the end does what is left. A file that was
begun anew meanwhile is followed anew; the caller believes a digest that fits, and has
one that does not computed again from the whole file. It has the disk keep up, too.
"""

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import anyio.to_thread

CHUNK_BYTES: Final = 1024 * 1024  # hashing it takes 1 to 3 ms, without the interpreter's lock
SYNC_BYTES: Final = 128 * CHUNK_BYTES  # the rest that waits for the disk at the end is short
LOOK_EVERY_S: Final = 0.05  # what comes in this time is hashed in less, also at 10 Gbit/s


class Following:
    """``async with Following(path) as following:`` download, then ``await following.finish()``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._complete = threading.Event()
        self._abandoned = False
        self._sum = hashlib.sha256()
        self._done = 0
        self._synced = 0
        self._inode: int | None = None
        self._thread = threading.Thread(target=self._follow, name="digest", daemon=True)

    async def __aenter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of it; the thread ends after its chunk."""
        self._abandoned = True
        self._complete.set()

    @property
    def done_bytes(self) -> int:
        """How much is in the digest so far."""
        return self._done

    @property
    def running(self) -> bool:
        """Whether the thread goes on."""
        return self._thread.is_alive()

    async def finish(self) -> str:
        """The file is complete: its digest in hex, when the rest is read."""
        self._complete.set()
        await anyio.to_thread.run_sync(self._thread.join, abandon_on_cancel=True)
        return self._sum.hexdigest()

    def _follow(self) -> None:
        complete = False
        while not complete:
            complete = self._complete.wait(LOOK_EVERY_S)
            try:
                with self._path.open("rb") as file:
                    self._read(file)
            except OSError:
                continue  # not there yet, or begun anew just now

    def _read(self, file: IO[bytes]) -> None:
        found = os.fstat(file.fileno())
        if found.st_ino != self._inode or found.st_size < self._done:
            self._inode, self._done, self._sum = found.st_ino, 0, hashlib.sha256()
            self._synced = 0
        file.seek(self._done)
        while not self._abandoned and (chunk := file.read(CHUNK_BYTES)):
            self._sum.update(chunk)
            self._done += len(chunk)
            if self._done - self._synced > SYNC_BYTES:
                self._synced = self._done
                with suppress(OSError):  # a system that syncs what is open for writing alone
                    os.fsync(file.fileno())


def digest_of(path: Path) -> str:
    """The SHA-256 of a whole file, in hex; seconds for each gigabyte."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
