"""A machine that runs commands: the seam between the plan and where it is carried out.

``LocalHost`` is this machine, ``ssh.SshHost`` another one. Commands are lines for
``/bin/sh`` and never hold a secret: those go through stdin. The rule: a command
that fails is a value (``Done``), only a lost machine is an exception.
"""

import asyncio
import shlex
from collections.abc import AsyncIterator
from typing import Final, Protocol

import msgspec

COMMAND_S: Final = 60.0  # most take milliseconds; a sleeping disk or a busy little board, seconds
SAID_BYTES_MAX: Final = 4 * 1024 * 1024  # of one command's output: ours say some lines
CHUNK_BYTES: Final = 256 * 1024  # of an upload at once: a good part of a connection's window


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended: its exit status and what it said."""

    status: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.status == 0

    @property
    def last_words(self) -> str:
        """Its last two lines, for a message; errors first."""
        lines = [line.strip() for line in (self.err.strip() or self.out.strip()).splitlines()]
        return " ".join(lines[-2:]) or f"status {self.status}"


class Host(Protocol):
    """Where a plan is carried out. ``name`` is for people, as they wrote it."""

    name: str

    async def run(
        self, command: str, stdin: AsyncIterator[bytes] | bytes = b"", *, within_s: float = ...
    ) -> Done:
        """Run one line of ``sh`` with ``stdin``.

        Raises:
            HostUnreachable: the machine was lost, or took longer than ``within_s``.
        """
        ...


class LocalHost:
    """This machine."""

    name = "this machine"

    async def run(
        self,
        command: str,
        stdin: AsyncIterator[bytes] | bytes = b"",
        *,
        within_s: float = COMMAND_S,
    ) -> Done:
        """As ``Host.run``; what takes too long is killed and told as a failure."""
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(within_s):
                out, err = await _talk(child, stdin)
        except TimeoutError:
            return Done(status=124, out="", err=f"it took longer than {within_s:.0f} s")
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return Done(status=child.returncode or 0, out=out, err=err)


async def _talk(
    child: asyncio.subprocess.Process, stdin: AsyncIterator[bytes] | bytes
) -> tuple[str, str]:
    """Feed and read at once: a command may speak before it has read everything."""
    assert child.stdin is not None  # noqa: S101  a pipe was asked for
    assert child.stdout is not None  # noqa: S101  a pipe was asked for
    assert child.stderr is not None  # noqa: S101  a pipe was asked for

    async def feed(into: asyncio.StreamWriter) -> None:
        try:
            async for chunk in chunks(stdin):
                into.write(chunk)
                await into.drain()
        except (BrokenPipeError, ConnectionResetError):
            return  # it does not want more: its exit status says why
        finally:
            into.close()

    _, out, err = await asyncio.gather(feed(child.stdin), child.stdout.read(), child.stderr.read())
    await child.wait()
    return text(out), text(err)


async def chunks(stdin: AsyncIterator[bytes] | bytes) -> AsyncIterator[bytes]:
    """What is to be sent, in pieces."""
    if isinstance(stdin, bytes):
        if stdin:
            yield stdin
        return
    async for chunk in stdin:
        yield chunk


def text(said: bytes | str | None) -> str:
    """A command's output as text, its end when it is far too long."""
    if said is None:
        return ""
    whole = said if isinstance(said, str) else said.decode("utf-8", errors="replace")
    return whole[-SAID_BYTES_MAX:]


def shell_line(command: str) -> str:
    """The command for any login shell (fish and csh read other languages than ``sh``)."""
    return f"exec /bin/sh -c {shlex.quote(command)}"
