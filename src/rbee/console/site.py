"""Where the built console is, and its files as answers: names, types, caching, gzip.

Looked for in ``RBEE_CONSOLE_DIR`` (for those who work on the console), then beside this
module in ``dist`` (a wheel has it; in a checkout ``make console`` makes it). The rule: only
names that a walk of that folder found are ever opened, so no path of a request reaches the
file system. Blocking; ``door`` calls it in a thread.
"""

import mimetypes
import os
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

DIRECTORY_VARIABLE: Final = "RBEE_CONSOLE_DIR"
BUILT: Final = Path(__file__).parent / "dist"
INDEX: Final = "/index.html"

_HASHED: Final = "/assets/"  # vite puts a hash of the content into these names
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"  # kept, but asked about: the ETag answers in one round trip
_ETAG_CHARACTERS: Final = 20
_ROOT: Final = "<html "

# Named here, because a machine's own table (the Windows registry, /etc/mime.types) may say else.
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}

Room: TypeAlias = Literal["queen", "hive"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One file, ready to be sent. ``body`` is gzip where ``gzipped``."""

    body: bytes
    type: str
    etag: str
    caching: str
    gzipped: bool = False


class Site:
    """The files below one folder, for one room. Made anew in memory when the build changes."""

    def __init__(self, room: Room, directory: Path | None = None) -> None:
        self._room: Room = room
        self._directory = directory or console_dir()
        self._files: dict[str, Path] = {}
        self._built_at_ns = -1

    def answer(self, path: str, *, takes_gzip: bool) -> Answer | None:
        """The file of a request's path; None where the console has none.

        ``/`` is no file: ask for ``INDEX``. Without a build every answer is None.
        """
        self._look()
        found = self._files.get(path)
        if found is None:
            return None
        try:
            return self._index(found) if path == INDEX else _file(path, found, takes_gzip)
        except OSError:  # a build is being replaced under us
            return None

    def _look(self) -> None:
        """Walk the folder again if its ``index.html`` is another than last time."""
        try:
            built_at_ns = (self._directory / INDEX[1:]).stat().st_mtime_ns
        except OSError:
            self._files, self._built_at_ns = {}, -1
            return
        if built_at_ns != self._built_at_ns:
            self._files = dict(_walk(self._directory))
            self._built_at_ns = built_at_ns

    def _index(self, found: Path) -> Answer:
        """The page itself, told whose it is."""
        text = found.read_text(encoding="utf-8")
        body = text.replace(_ROOT, f'{_ROOT}data-room="{self._room}" ', 1).encode()
        return Answer(body=body, type=_TYPES[".html"], etag=_etag(body), caching=_ASK_AGAIN)


def console_dir() -> Path:
    """The folder to serve; it may not exist."""
    return Path(os.environ.get(DIRECTORY_VARIABLE) or BUILT)


def _walk(directory: Path) -> list[tuple[str, Path]]:
    """Every file that may be asked for: no hidden ones, no links out of the folder, no ``.gz``."""
    names = (one.relative_to(directory) for one in directory.rglob("*") if one.is_file())
    return [
        (f"/{name.as_posix()}", directory / name)
        for name in names
        if name.suffix != ".gz"
        and not any(part.startswith(".") for part in name.parts)
        and not (directory / name).is_symlink()
    ]


def _file(path: str, found: Path, takes_gzip: bool) -> Answer:
    packed = found.with_name(f"{found.name}.gz")
    plain = found.read_bytes()
    kind = _TYPES.get(found.suffix) or mimetypes.guess_type(found.name)[0]
    answer = Answer(
        body=plain,
        type=kind or "application/octet-stream",
        etag=_etag(plain),
        caching=_FOR_EVER if path.startswith(_HASHED) else _ASK_AGAIN,
    )
    if takes_gzip and packed.is_file():
        body = packed.read_bytes()
        return msgspec.structs.replace(answer, body=body, etag=_etag(body), gzipped=True)
    return answer


def _etag(body: bytes) -> str:
    return f'"{sha256(body).hexdigest()[:_ETAG_CHARACTERS]}"'
