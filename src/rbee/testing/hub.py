"""A stub hub on loopback: repositories, their listings, their files, their refusals.

It answers what ``huggingface_hub`` and a download ask: ``/api/models`` (a search),
``/api/models/{id}``, its
``revision`` and ``tree``, and ``/{id}/resolve/{revision}/{file}``. Point
``HF_ENDPOINT`` (or ``HubSettings.endpoint``) at ``url``.
"""

import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

import msgspec

from rbee.testing.stub_server import Answer, Faults, Seen, StubServer

COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"


class StubFile(msgspec.Struct):
    """A file; ``sha256`` overrides the true digest in the listing, to serve a wrong one."""

    content: bytes
    sha256: str | None = None
    faults: Faults = msgspec.field(default_factory=Faults)

    def digest(self) -> str:
        """The digest that the hub names."""
        return self.sha256 or hashlib.sha256(self.content).hexdigest()


class StubRepository(msgspec.Struct):
    """A repository. ``gated``: its files need a token; ``hidden``: even its listing does."""

    files: dict[str, StubFile]
    gated: bool = False
    hidden: bool = False
    downloads: int = 0
    likes: int = 0


class StubHub(StubServer):
    """The hub. ``token`` is the one it knows; ``storage`` gets the redirects for files.

    With ``storage`` (another ``StubServer``, as hubs keep big files elsewhere) a
    file's answer is a redirect to it, so that a test can see whether a token
    follows where it must not.
    """

    def __init__(
        self,
        repositories: Mapping[str, StubRepository],
        *,
        token: str | None = None,
        storage: "StubStorage | None" = None,
    ) -> None:
        super().__init__()
        self.repositories = dict(repositories)
        self._token = token
        self._storage = storage

    def answer(self, request: Seen) -> Answer:
        """Listings and files, as the hub answers them."""
        if request.path == "/api/models":
            return self._found(parse_qs(request.query))
        if request.path.startswith("/api/models/"):
            return self._listing(request)
        repo_id, found, rest = request.path.lstrip("/").partition("/resolve/")
        repository = self._named(repo_id)
        if not found or repository is None:
            return _refused(HTTPStatus.NOT_FOUND, "RepoNotFound")
        if repository.gated and not self._known(request):
            return _refused(HTTPStatus.UNAUTHORIZED, "GatedRepo")
        return self._file(repository, rest.partition("/")[2])

    def _found(self, asked: dict[str, list[str]]) -> Answer:
        """The repositories whose name holds every word, with a file of the format asked for."""
        words = " ".join(asked.get("search", [])).casefold().split()
        ending = f".{asked.get('filter', [''])[0]}"
        rows = [
            {"id": name, "downloads": found.downloads, "likes": found.likes}
            for name, found in self.repositories.items()
            if all(word in name.casefold() for word in words)
            and any(path.endswith(ending) for path in found.files)
        ]
        rows.sort(key=lambda row: -int(row["downloads"]))
        return _json(rows[: int(asked.get("limit", ["1000"])[0])])

    def _listing(self, request: Seen) -> Answer:
        repo_id = "/".join(request.path.split("/")[3:5])
        repository = self._named(repo_id)
        if repository is None:
            return _refused(HTTPStatus.NOT_FOUND, "RepoNotFound")
        if repository.hidden and not self._known(request):
            return _refused(HTTPStatus.UNAUTHORIZED, "GatedRepo")
        if "/tree/" in request.path:
            return _json([_entry(path, file) for path, file in repository.files.items()])
        canonical = next(name for name in self.repositories if name.lower() == repo_id.lower())
        siblings = [
            {
                "rfilename": path,
                "size": len(file.content),
                "lfs": {"size": len(file.content), "sha256": file.digest(), "pointerSize": 134},
            }
            for path, file in repository.files.items()
        ]
        return _json(
            {
                "id": canonical,
                "sha": COMMIT,
                "gated": "manual" if repository.gated else False,
                "private": False,
                "siblings": siblings,
            }
        )

    def _file(self, repository: StubRepository, path: str) -> Answer:
        file = repository.files.get(path)
        if file is None:
            return _refused(HTTPStatus.NOT_FOUND, "EntryNotFound")
        headers = {
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{file.digest()}"',
            "X-Linked-Etag": f'"{file.digest()}"',
            "X-Linked-Size": str(len(file.content)),
        }
        if self._storage is not None:
            location = self._storage.keep(file)
            return Answer(HTTPStatus.FOUND, {**headers, "Location": location})
        return Answer(HTTPStatus.OK, headers, file.content, file.faults)

    def _named(self, repo_id: str) -> StubRepository | None:
        for name, repository in self.repositories.items():
            if name.lower() == repo_id.lower():
                return repository
        return None

    def _known(self, request: Seen) -> bool:
        sent = request.headers.get("authorization", "")
        return self._token is not None and sent == f"Bearer {self._token}"


class StubStorage(StubServer):
    """The other host where a hub keeps its big files, addressed by digest."""

    def __init__(self) -> None:
        super().__init__()
        self._files: dict[str, StubFile] = {}

    def keep(self, file: StubFile) -> str:
        """Serve the file; the URL to redirect to (of another host than the hub's)."""
        self._files[f"/blobs/{file.digest()}"] = file
        return f"{self.url.replace('127.0.0.1', 'localhost')}/blobs/{file.digest()}"

    def answer(self, request: Seen) -> Answer:
        """A file by its digest."""
        file = self._files.get(request.path)
        if file is None:
            return Answer(HTTPStatus.NOT_FOUND)
        return Answer(HTTPStatus.OK, {}, file.content, file.faults)


def _entry(path: str, file: StubFile) -> dict[str, object]:
    lfs = {"oid": file.digest(), "size": len(file.content), "pointerSize": 134}
    return {"type": "file", "path": path, "size": len(file.content), "oid": COMMIT, "lfs": lfs}


def _json(value: object) -> Answer:
    return Answer(HTTPStatus.OK, {"Content-Type": "application/json"}, json.dumps(value).encode())


def _refused(status: int, code: str) -> Answer:
    return Answer(status, {"X-Error-Code": code, "X-Error-Message": code}, b"{}")
