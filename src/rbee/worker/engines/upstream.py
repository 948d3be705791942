"""Somebody else's OpenAI-compatible server, or a command that becomes one.

``api/relay`` owns our port and asks the server behind it: one at a URL that the
operator gave (Ollama, LM Studio, SGLang, …), or one that is started here with
``{port}`` in its command. The rules: only this one server is ever asked, never
a redirect's target and never an address that hands out a machine's credentials;
its key comes from a file and goes nowhere else.
"""

import asyncio
import ipaddress
import os
import socket
import sys
from typing import Final, NoReturn
from urllib.parse import urlsplit

import httpx2
import msgspec

from rbee.contracts.exits import WorkerExit, explain_exit
from rbee.errors import CorruptModel, EngineError, EngineUnusable, InvalidRequest
from rbee.worker.leaving import leave
from rbee.worker.settings import WorkerSettings

CONNECT_S: Final = 5.0  # the same machine or the same network
SILENT_S: Final = 600.0  # a long prompt on a slow CPU; the hive and the queen have their own limits
CHECK_S: Final = 5.0  # a list of models is ready at once
LOOK_EVERY_S: Final = 0.1  # while a child loads
_PORT_PLACE: Final = "{port}"
_OK: Final = 200
_NAMES_SHOWN_MAX: Final = 10  # one readable line


class _Row(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Row]


class Upstream:
    """The server behind the relay. ``model`` is what it calls our model."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Read the key file and check the URL; nothing is asked yet.

        Raises:
            InvalidRequest: the URL cannot be used, or the key file cannot be read.
        """
        self._settings = settings
        self.model = settings.upstream_model or settings.alias
        self._own_port = _free_port() if settings.child is not None else 0
        url = settings.upstream or f"http://{settings.host}:{self._own_port}"
        self.shown = url
        if settings.upstream is not None:
            check_address(url)
        headers = {"authorization": f"Bearer {key}"} if (key := _key(settings)) else {}
        self.client = httpx2.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=httpx2.Timeout(SILENT_S, connect=CONNECT_S),
            follow_redirects=False,
            verify=url.startswith("https:"),  # reading the public roots takes 40 ms
            trust_env=False,  # neither a proxy nor a .netrc has a say in it
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=settings.slots),
        )

    async def become_ready(self) -> None:
        """Return when the server serves our model.

        Raises:
            EngineError: it does not answer, or refuses our key.
            EngineUnusable: the command cannot be started.
            CorruptModel: it has no such model; says which it has.
        """
        if self._settings.child is None:
            await self._find_model()
            return
        child = await self._start(self._settings.child)
        while child.returncode is None and not await self._healthy():  # noqa: ASYNC110  HTTP
            await asyncio.sleep(LOOK_EVERY_S)
        if child.returncode is not None:
            _leave_as(child.returncode, WorkerExit.LOAD_FAILED)
        self._watch = asyncio.create_task(_leave_with(child))

    async def _start(self, command: tuple[str, ...]) -> asyncio.subprocess.Process:
        argv = [word.replace(_PORT_PLACE, str(self._own_port)) for word in command]
        try:
            return await asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.DEVNULL, env={**os.environ}
            )
        except OSError as error:
            raise EngineUnusable(f"{argv[0]} cannot be started: {error.strerror}.") from None

    async def _healthy(self) -> bool:
        try:
            answer = await self.client.get(self._settings.health, timeout=CHECK_S)
        except httpx2.HTTPError:
            return False
        return answer.status_code == _OK

    async def _find_model(self) -> None:
        try:
            answer = await self.client.get("/v1/models", timeout=CHECK_S)
        except httpx2.HTTPError as error:
            raise EngineError(
                f"The server at {self.shown} does not answer: {type(error).__name__}.",
                remedy="Start it, or check its address.",
            ) from None
        if answer.status_code in {401, 403}:
            raise EngineError(
                f"The server at {self.shown} refuses our key ({answer.status_code}).",
                remedy="Put its key into a file of mode 0600 and name it in [[hive.upstreams]].",
            )
        try:
            names = [row.id for row in msgspec.json.decode(answer.content, type=_Models).data]
        except msgspec.MsgspecError:
            raise EngineError(
                f"The server at {self.shown} has no list of models: it answers "
                f"{answer.status_code} to /v1/models, and not as the OpenAI API does.",
                remedy="Give the address in front of its /v1.",
            ) from None
        if self.model not in names:
            has = ", ".join(names[:_NAMES_SHOWN_MAX]) or "none"
            raise CorruptModel(
                f"The server at {self.shown} has no model {self.model!r}; it has: {has}.",
                remedy="Name one of them, or load it there first.",
            )


def check_address(url: str) -> None:
    """Refuse what is no plain http(s) server: other schemes, and link-local addresses.

    At link-local addresses clouds hand a machine its credentials.

    Raises:
        InvalidRequest: says what is wrong.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise InvalidRequest("An upstream wants http://HOST:PORT or https://HOST:PORT.")
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return  # the request itself will say that nobody is there
    for *_, address in found:
        ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
        if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
            raise InvalidRequest(f"The address {ip} of {parts.hostname} is no server's.")


def _key(settings: WorkerSettings) -> str | None:
    path = settings.upstream_key_file
    if path is None:
        return None
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The upstream's key file {path} cannot be read: {error}.") from None


def _free_port() -> int:
    """A loopback port for a child. Another program may take it first: then the child says so."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _leave_with(child: asyncio.subprocess.Process) -> None:
    _leave_as(await child.wait(), WorkerExit.CRASHED)


def _leave_as(status: int, ours: WorkerExit) -> NoReturn:
    """End as the child ended. Its own last line stays the last of the log where it had one."""
    if status < 0:
        sys.stderr.write(f"rbee worker: The command ended: {explain_exit(status)}.\n")
    elif status == 0:
        sys.stderr.write("rbee worker: The command ended by itself, with status 0.\n")
    leave(ours)
