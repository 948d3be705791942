"""What a hive sends of its files: whole, in part, to few at once, and not what was changed."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from starlette.types import Message

from rbee.errors import CapacityError, CorruptModel, ModelNotFound
from rbee.hive.models.catalog import Catalog
from rbee.hive.sharing.shelf import Shelf
from rbee.hive.sharing.uploads import Uploads
from rbee.testing.gguf import write_gguf
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "mine.gguf")


@pytest.fixture
def content(file: Path) -> bytes:
    return file.read_bytes()


@pytest.fixture
def shelf(tmp_path: Path, file: Path) -> Shelf:
    catalog = Catalog(tmp_path / "models")
    catalog.add_in_place(file, "mine")
    return Shelf(catalog)


class Client:
    """An ASGI server's side: what was sent, and when the reader leaves."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.left = anyio.Event()
        self.hold = anyio.Event()
        self.hold.set()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.hold.wait()
        self.sent.append(message)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    def header(self, name: str) -> str | None:
        found = dict(self.sent[0]["headers"]).get(name.encode())
        return None if found is None else found.decode()


async def asked(uploads: Uploads, digest: str, span: str | None = None, **how: bool) -> Client:
    client = Client()
    await uploads.answer(digest, span, client.receive, client.send, **how)
    return client


def make(shelf: Shelf, uploads_max: int = 4) -> Uploads:
    return Uploads(shelf, uploads_max=uploads_max, rate_max_mb_s=None)


async def test_a_file_has_no_digest_until_it_is_read(shelf: Shelf, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    assert shelf.known("mine") is None
    with pytest.raises(ModelNotFound):
        shelf.by_digest(digest)
    assert shelf.read("mine").sha256 == digest
    found = shelf.known("mine")
    assert found is not None
    assert (found.model.sha256, found.size_bytes) == (digest, len(content))


async def test_whole_and_in_part(shelf: Shelf, content: bytes) -> None:
    digest, uploads = shelf.read("mine").sha256, make(shelf)
    whole = await asked(uploads, digest)
    assert (whole.status, whole.body) == (200, content)
    assert whole.header("etag") == f'"{digest}"'
    part = await asked(uploads, digest, "bytes=100-")
    assert (part.status, part.body) == (206, content[100:])
    assert part.header("content-range") == f"bytes 100-{len(content) - 1}/{len(content)}"
    head = await asked(uploads, digest, head=True)
    assert (head.header("content-length"), head.body) == (str(len(content)), b"")
    beyond = await asked(uploads, digest, f"bytes={len(content)}-")
    assert (beyond.status, beyond.header("content-range")) == (416, f"bytes */{len(content)}")
    assert uploads.running == 0


async def test_no_more_than_so_many_at_once(shelf: Shelf) -> None:
    digest, uploads = shelf.read("mine").sha256, make(shelf, 1)
    slow = Client()
    slow.hold = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(uploads.answer, digest, None, slow.receive, slow.send)
        await until(lambda: uploads.running)
        with pytest.raises(CapacityError):
            await asked(uploads, digest)
        assert (await asked(uploads, digest, head=True)).status == 200
        slow.hold.set()
    assert (await asked(uploads, digest)).status == 200


async def test_a_reader_that_leaves_ends_its_upload(shelf: Shelf) -> None:
    digest, uploads = shelf.read("mine").sha256, make(shelf, 1)
    gone = Client()
    gone.hold = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(uploads.answer, digest, None, gone.receive, gone.send)
        await until(lambda: uploads.running)
        gone.left.set()
    assert uploads.running == 0


def grown(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def touched(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))


@pytest.mark.parametrize("change", [grown, touched, Path.unlink])
async def test_a_file_that_was_changed_is_not_given_as_what_it_was(
    shelf: Shelf, file: Path, change: Callable[[Path], None]
) -> None:
    digest = shelf.read("mine").sha256
    change(file)
    with pytest.raises(ModelNotFound):
        await asked(make(shelf), digest)
    if change is touched:
        assert shelf.known("mine") is None
        assert shelf.read("mine").sha256 != digest
    else:
        with pytest.raises(CorruptModel):
            shelf.known("mine")
