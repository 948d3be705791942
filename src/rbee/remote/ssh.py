"""Another machine, over SSH: the operator's own keys, agent and ~/.ssh/config.

asyncssh does the talking. The rules: only keys and agents are offered, never a
password; every hop of a ProxyJump is held to known_hosts as strictly as the goal
(``trust``); at most eight sessions run on one machine at once; what goes wrong is
told in the operator's words, with what to do.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias, cast

import asyncssh
import msgspec
from asyncssh import SSHClientConnection, SSHClientConnectionOptions, SSHClientProcess

from rbee.errors import InvalidRequest
from rbee.remote.host import COMMAND_S, Done, chunks, shell_line, text
from rbee.remote.troubles import HostNotTrusted, HostUnreachable, LoginRefused
from rbee.remote.trust import (
    SSH_PORT,
    OwnKey,
    Trust,
    accept,
    changed,
    entry_name,
    known_hosts_files,
    read_known,
    write_down,
)

SESSIONS_MAX: Final = 8  # sshd allows ten (MaxSessions); the operator's own windows need some
CONNECT_S: Final = 20.0  # a far machine takes one; name servers that do not answer, ten
_ALIVE_EVERY_S: Final = 10  # a machine that was unplugged is noticed after three of these
_ALIVE_MISSED_MAX: Final = 3  # one lost packet is no lost machine
_OPEN_TRIES: Final = 10  # a server that counts ended sessions has counted again after one or two
_OPEN_AGAIN_S: Final = 0.05  # it takes one turn of its loop
_USUAL_KEYS: Final = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
_Construct: TypeAlias = Callable[..., Awaitable[SSHClientConnectionOptions]]


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """``[user@]host[:port]``; what is null comes from ~/.ssh/config."""

    host: str
    user: str | None = None
    port: int | None = None


def read_login(wish: str) -> Login:
    """Read what was typed for ``--host``. IPv6 with a port stands in brackets.

    Raises:
        InvalidRequest: it is no such name.
    """
    user, _, rest = wish.strip().rpartition("@")
    host, port = rest, ""
    if rest.startswith("["):
        host, _, port = rest[1:].partition("]")
        port = port.removeprefix(":")
    elif rest.count(":") == 1:
        host, _, port = rest.partition(":")
    plain = host and not host.startswith("-") and not any(c.isspace() or c == "/" for c in host)
    if not plain or (port and not port.isdecimal()):
        raise InvalidRequest(
            f"{wish!r} is no machine.",
            remedy="Write it like gaming-pc, me@gaming-pc or me@192.168.1.7:2222.",
            param="--host",
        )
    return Login(host=host, user=user or None, port=int(port) if port else None)


class SshHost:
    """A machine that was logged in to. Use as an async context manager."""

    def __init__(self, name: str, path: list[SSHClientConnection]) -> None:
        self.name = name
        self._path = path
        self._free = asyncio.Semaphore(SESSIONS_MAX)

    async def __aenter__(self) -> Self:
        """Give back itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Log out, and out of the machines on the way."""
        await _close(self._path)

    async def run(
        self,
        command: str,
        stdin: AsyncIterator[bytes] | bytes = b"",
        *,
        within_s: float = COMMAND_S,
    ) -> Done:
        """As ``Host.run``."""
        try:
            async with self._free, asyncio.timeout(within_s):
                return await self._run(shell_line(command), stdin)
        except TimeoutError:
            return Done(status=124, out="", err=f"it took longer than {within_s:.0f} s")
        except (asyncssh.Error, OSError) as error:
            raise HostUnreachable(
                f"The connection to {self.name} was lost: {_words(error)}.",
                remedy="Look at the machine and try again: what was done so far is kept.",
            ) from None

    async def _run(self, line: str, stdin: AsyncIterator[bytes] | bytes) -> Done:
        process = await self._session(line)

        async def feed() -> None:
            try:
                async for chunk in chunks(stdin):
                    process.stdin.write(chunk)
                    await process.stdin.drain()
                process.stdin.write_eof()
            except (BrokenPipeError, ConnectionResetError):
                return  # it does not want more: its exit status says why

        try:
            _, out, err = await asyncio.gather(feed(), process.stdout.read(), process.stderr.read())
            await process.wait_closed()
        finally:
            process.close()
        status = process.returncode
        return Done(status=-1 if status is None else status, out=text(out), err=text(err))

    async def _session(self, line: str) -> SSHClientProcess[bytes]:
        """A session of its own; the server may count one that has ended for a moment longer."""
        for left in reversed(range(_OPEN_TRIES)):
            try:
                return await self._path[-1].create_process(line, encoding=None, request_pty=False)
            except asyncssh.ChannelOpenError:
                if left == 0:
                    raise
            await asyncio.sleep(_OPEN_AGAIN_S)
        raise AssertionError  # the last try returns or raises


async def log_in(wish: str, trust: Trust, own: OwnKey | None = None) -> SshHost:
    """Log in to a machine, over the machines on the way to it.

    With ``own`` only that key is offered, and neither ~/.ssh nor an agent is looked at:
    that is a program's own way in, not a person's.

    Raises:
        InvalidRequest: ``wish`` is no machine's name, or ~/.ssh/config cannot be read.
        HostUnreachable: its name is unknown, or it does not answer.
        HostNotTrusted: its key is new and not accepted, or has changed.
        LoginRefused: it takes none of our keys.
    """
    path: list[SSHClientConnection] = []
    try:
        await _open(read_login(wish), trust, path, via=None, own=own)
    except BaseException:
        await _close(path)
        raise
    return SshHost(wish, path)


async def _open(
    login: Login,
    trust: Trust,
    path: list[SSHClientConnection],
    via: SSHClientConnection | None,
    own: OwnKey | None = None,
) -> None:
    """Connect to ``login``, at first to those before it; all of them are added to ``path``."""
    options = await _options(login, direct=via is not None, own=own)
    if via is None and isinstance(options.tunnel, str) and options.tunnel != "none":
        for hop in options.tunnel.split(","):
            await _open(read_login(hop), trust, path, via=path[-1] if path else None)
        via = path[-1]
    try:
        async with asyncio.timeout(CONNECT_S):
            known = await _known_keys(login, options, trust, via)
            path.append(
                await asyncssh.connect(
                    options=options, host=login.host, tunnel=via, known_hosts=known
                )
            )
    except asyncssh.HostKeyNotVerifiable:
        raise await _changed(login, options, via) from None
    except asyncssh.PermissionDenied:
        raise _refused(login, options, own) from None
    except (asyncssh.Error, OSError) as error:
        raise _unreachable(login, options, error, own) from None


async def _options(login: Login, *, direct: bool, own: OwnKey | None) -> SSHClientConnectionOptions:
    # asyncssh leaves the return type of its constructor open.
    construct = cast("_Construct", SSHClientConnectionOptions.construct)  # pyright: ignore[reportUnknownMemberType]  # as above
    try:
        return await construct(
            host=login.host,
            port=login.port if login.port is not None else (),
            username=login.user if login.user is not None else (),
            **_from_where(own),
            tunnel=None if direct else (),
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_auth=False,
            gss_kex=False,
            connect_timeout=CONNECT_S,
            keepalive_interval=_ALIVE_EVERY_S,
            keepalive_count_max=_ALIVE_MISSED_MAX,
        )
    except (asyncssh.Error, asyncssh.KeyImportError, OSError, ValueError) as error:
        if own is not None:
            raise LoginRefused(
                f"The key {own.file} cannot be used: {_words(error)}.",
                remedy="It has to be a private key without a passphrase that this account may "
                "read: `ssh-keygen -t ed25519 -N '' -f FILE` makes one.",
            ) from None
        raise InvalidRequest(
            f"What ~/.ssh/config says of {login.host} cannot be used: {_words(error)}.",
            remedy=f"`ssh -G {login.host}` shows what ssh makes of it.",
        ) from None


def _from_where(own: OwnKey | None) -> dict[str, object]:
    """Where keys and known hosts come from: a person's ~/.ssh, or a program's own two files."""
    if own is None:
        return {"config": ()}  # the usual file; nobody but OpenSSH reads /etc/ssh/ssh_config
    return {
        "config": None,
        "client_keys": [str(own.file)],
        "agent_path": None,
        "known_hosts": [str(own.known_hosts)],
    }


async def _known_keys(
    login: Login,
    options: SSHClientConnectionOptions,
    trust: Trust,
    via: SSHClientConnection | None,
) -> bytes:
    """What known_hosts says, with the machine's key in it once it was accepted."""
    files = _files(options)
    known = read_known(files)
    name, entry = _names(options)
    matched = asyncssh.match_known_hosts(asyncssh.import_known_hosts(known.decode()), *name)
    if any(matched):
        return known
    key = await asyncssh.get_server_host_key(
        options.host, options.port, tunnel=via, config=None, proxy_command=options.proxy_command
    )
    if key is None:
        raise HostNotTrusted(f"{login.host} shows no key of its own.")
    accept(login.host, key, trust)
    write_down(files[0], entry, key)
    return read_known(files)


def _names(options: SSHClientConnectionOptions) -> tuple[tuple[str, str, int | None], str]:
    """How the machine is looked up, and how it is written down."""
    alias = options.host_key_alias
    port = options.port
    if alias:
        return (alias, "", None), alias
    return (options.host, "", None if port == SSH_PORT else port), entry_name(options.host, port)


def _files(options: SSHClientConnectionOptions) -> list[Path]:
    known = cast("object", options.known_hosts)  # file names here: it was not set by us
    names = cast("list[object]", known) if isinstance(known, list) else []
    return known_hosts_files([str(name) for name in names])


async def _changed(
    login: Login, options: SSHClientConnectionOptions, via: SSHClientConnection | None
) -> HostNotTrusted:
    try:
        async with asyncio.timeout(CONNECT_S):
            key = await asyncssh.get_server_host_key(
                options.host, options.port, tunnel=via, config=None
            )
    except (asyncssh.Error, OSError):
        key = None
    shown = key.get_fingerprint() if key is not None else None
    return changed(login.host, shown, _files(options), _names(options)[1])


def _refused(login: Login, options: SSHClientConnectionOptions, own: OwnKey | None) -> LoginRefused:
    """Say which account was tried with what, and what stops the usual keys."""
    if own is not None:
        return LoginRefused(
            f"{options.username}@{login.host} refused the queen's key {own.file.name}.",
            remedy="Put its public half into ~/.ssh/authorized_keys of that account. Does the "
            "account exist, and is it not locked or expired (`sudo passwd -S`, `chage -l`)?",
        )
    locked = [path for path in _key_files() if _is_locked(path)]
    agent = "an agent" if options.agent_path else "no agent (SSH_AUTH_SOCK)"
    who = f"{options.username}@{login.host}"
    if locked:
        return LoginRefused(
            f"{who} refused every key that could be offered (there was {agent}); "
            f"{locked[0]} has a passphrase and was not.",
            remedy=f"Load it into an agent: `ssh-add {locked[0]}`.",
        )
    return LoginRefused(
        f"{who} refused every key that could be offered (there was {agent}).",
        remedy=f"Put your public key there: `ssh-copy-id {who}`. If it is there: does "
        "the account exist, and is it not locked or expired (`sudo passwd -S`, `chage -l`)?",
    )


def _key_files() -> list[Path]:
    folder = Path("~/.ssh").expanduser()
    return [folder / name for name in _USUAL_KEYS if (folder / name).is_file()]


def _is_locked(path: Path) -> bool:
    try:
        asyncssh.read_private_key(path)
    except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError) as error:
        return "passphrase" in str(error).lower()
    except OSError:
        return False
    return False


def _unreachable(
    login: Login, options: SSHClientConnectionOptions, error: Exception, own: OwnKey | None
) -> HostUnreachable:
    """Say why; of ~/.ssh/config and of ssh itself only to a person, whose they are."""
    where = entry_name(options.host, options.port)
    if isinstance(error, socket.gaierror):
        config = f"name it in ~/.ssh/config (`Host {login.host}` with `HostName ADDRESS`)"
        return HostUnreachable(
            f"There is no machine called {options.host}: the name cannot be resolved.",
            remedy="Check the spelling, or use its IP address."
            if own
            else f"Check the spelling, use its IP address, or {config}.",
        )
    if isinstance(error, ConnectionRefusedError):
        return HostUnreachable(
            f"{where} refuses connections: no SSH server listens there.",
            remedy="Start it on that machine (`sudo systemctl enable --now ssh`), or name the "
            f"port on which it listens: `{login.host}:PORT`.",
        )
    if isinstance(error, TimeoutError):
        around = "" if own else "; a ProxyJump in ~/.ssh/config leads around one"
        return HostUnreachable(
            f"{where} does not answer within {CONNECT_S:.0f} s.",
            remedy=f"Is it on and in this network? A firewall may drop port {options.port}{around}.",
        )
    account = f"{options.username}@{login.host}"
    return HostUnreachable(
        f"SSH to {where} failed: {_words(error)}.",
        remedy=f"Try `ssh -v -p {options.port} {account}` by hand on the queen's machine."
        if own
        else f"Try `ssh -v {login.host}` by hand.",
    )


def _words(error: Exception) -> str:
    said = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return " ".join(str(said).split()).rstrip(".") or type(error).__name__


async def _close(path: list[SSHClientConnection]) -> None:
    """From the goal back to the first hop."""
    for connection in reversed(path):
        connection.close()
        await connection.wait_closed()
    path.clear()
