"""A stub package index on loopback: one project, its wheel, PEP 503 and PEP 691 pages.

``wheel_with`` makes a wheel around any file, so that a test of the starter needs
93 MB of nothing. Point ``PIP_INDEX_URL`` at ``index_url``.
"""

import base64
import hashlib
import io
import json
import zipfile
from http import HTTPStatus
from typing import Final

from rbee.testing.stub_server import Answer, Faults, Seen, StubServer

_JSON_TYPE: Final = "application/vnd.pypi.simple.v1+json"


def wheel_with(module: str, version: str, file: str, content: bytes) -> bytes:
    """A wheel that holds ``file`` in the package ``module``."""
    out = io.BytesIO()
    info = f"{module}-{version}.dist-info"
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{module}/__init__.py", "raise ImportError('never imported')\n")
        archive.writestr(f"{module}/{file}", content)
        archive.writestr(f"{info}/METADATA", f"Name: {module}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return out.getvalue()


class StubIndex(StubServer):
    """The index of one project.

    ``credentials`` (``user:password``) are asked for when set; ``html`` answers
    PEP 503 pages instead of JSON; ``sha256`` overrides the wheel's true digest
    in the pages (an empty one leaves it out).
    """

    def __init__(
        self,
        project: str,
        version: str,
        wheel: bytes,
        *,
        credentials: str | None = None,
        html: bool = False,
        sha256: str | None = None,
    ) -> None:
        super().__init__()
        self.faults = Faults()
        self.wheel_name = f"{project.replace('-', '_')}-{version}-py3-none-any.whl"
        self._project = project
        self._wheel = wheel
        self._credentials = credentials
        self._html = html
        self._sha256 = hashlib.sha256(wheel).hexdigest() if sha256 is None else sha256

    @property
    def index_url(self) -> str:
        """What pip's ``index-url`` would be, with the credentials if there are any."""
        if self._credentials is None:
            return f"{self.url}/simple"
        return f"{self.url.replace('//', f'//{self._credentials}@')}/simple"

    def answer(self, request: Seen) -> Answer:
        """The project's page and its wheel."""
        if self._credentials is not None and not self._known(request):
            return Answer(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Basic"})
        if request.path == f"/simple/{self._project}/":
            return self._page()
        if request.path == f"/files/{self.wheel_name}":
            return Answer(HTTPStatus.OK, {}, self._wheel, self.faults)
        return Answer(HTTPStatus.NOT_FOUND)

    def _page(self) -> Answer:
        url = f"../../files/{self.wheel_name}"
        if self._html:
            digest = f"#sha256={self._sha256}" if self._sha256 else ""
            page = f'<!DOCTYPE html><a href="{url}{digest}">{self.wheel_name}</a>'
            return Answer(HTTPStatus.OK, {"Content-Type": "text/html"}, page.encode())
        hashes = {"sha256": self._sha256} if self._sha256 else {}
        files = [{"filename": self.wheel_name, "url": url, "hashes": hashes}]
        page = json.dumps({"meta": {"api-version": "1.0"}, "name": self._project, "files": files})
        return Answer(HTTPStatus.OK, {"Content-Type": _JSON_TYPE}, page.encode())

    def _known(self, request: Seen) -> bool:
        wanted = base64.b64encode((self._credentials or "").encode()).decode()
        return request.headers.get("authorization") == f"Basic {wanted}"
