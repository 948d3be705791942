"""A colony to talk to: the one that was named, the one that runs here, or one started now.

``infer``, ``chat`` and ``up`` come through here. The rules: an address that
somebody named is never replaced by a local start; what was started here is
remembered, and only that is stopped at the end.
"""

import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from types import FrameType
from typing import cast

import anyio
import msgspec

from rbee.client.queen import QueenClient
from rbee.errors import HiveUnreachable, StartError
from rbee.foundation import config
from rbee.foundation.announcements import Room, find_announced
from rbee.foundation.trust import key_for
from rbee.keeper import daemons
from rbee.keeper.addresses import Address, address_of, far_colony, port_of
from rbee.keeper.glance import ask_glance
from rbee.keeper.screen import Live, note

JOIN_WAIT_S = 15.0  # a hive joins within a second of its start; a loaded machine takes longer
_LOOK_EVERY_S = 0.05  # joining is part of the first token's delay


class Session(msgspec.Struct, kw_only=True):
    """Where the queen is, and which daemons were started for this command."""

    queen: Address
    started: list[Room]

    def client(self) -> QueenClient:
        """A client for the queen, with the colony's key when there is one."""
        return QueenClient(self.queen.url, key=key_for(self.queen.url))


async def open_session(
    queen_flag: str | None, live: Live, *, queen_flags: Sequence[str] = (), here: bool = False
) -> Session:
    """Find the colony, or start what is missing of it on this machine.

    ``here`` is for this machine's own, whatever ``rbee login`` says. ``queen_flags`` go to ``rbee queen run`` when it has to be started. Leaving
    early stops what was started.

    Raises:
        QueenUnreachable: a queen that was named does not answer.
        StartError: a daemon does not start; its log's words are in the message.
    """
    if here and (far := far_colony()) is not None and find_announced("queen") is None:
        raise StartError(
            f"This machine's hive belongs to the colony at {far}.",
            remedy=f"`rbee login {far}` lets you use that one from here.",
        )
    queen = address_of("queen", queen_flag, login=not here)
    session = Session(queen=queen, started=[])
    if queen.named:
        await _say_skew("queen", queen.url)
        return session
    whole = False
    try:
        missing: list[Room] = [room for room in _ROOMS if await daemons.find(room) is None]
        if missing:
            live.say(f"starting the {' and the '.join(missing)}")
        await _start_missing(missing, queen_flags, session)
        session.queen = address_of("queen", None, login=not here)
        await _say_skew("queen", session.queen.url)
        async with session.client() as client:
            await _wait_joined(client, live)
        whole = True
    finally:
        if not whole:
            await close_session(session)
    return session


async def close_session(session: Session, *, told: bool = False) -> None:
    """Stop what the session started, the hive (with its workers) before the queen.

    A second Ctrl+C does not wait for their end, and leaves none of them behind.
    ``told`` says on stderr what is stopped.
    """
    try:
        with anyio.CancelScope(shield=True):
            if told:
                note(f"stopping the {' and the '.join(sorted(session.started))}")
            for room in ("hive", "queen"):
                if room in session.started:
                    await daemons.stop(room, note)
                    session.started.remove(room)
    except (anyio.get_cancelled_exc_class(), KeyboardInterrupt):
        _leave_at_once(session.started)
        raise


def _leave_at_once(rooms: Sequence[Room]) -> None:
    left = [room for room in rooms if not daemons.interrupt(room)]
    if left:
        note(f"The {' and the '.join(left)} may still run: `rbee down` stops what is left.")
    else:
        note("Not waiting: what was started ends by itself now.")


@asynccontextmanager
async def colony(queen_flag: str | None, live: Live, *, keep: bool) -> AsyncGenerator[Session]:
    """A session that ends with the block; ``keep`` leaves running what it started.

    Raises:
        RbeeError: as ``open_session``.
    """
    stop_like_ctrl_c()
    session = await open_session(queen_flag, live)
    try:
        yield session
    finally:
        if not keep:
            await close_session(session)


def stop_like_ctrl_c() -> None:
    """Let TERM and a closed terminal clean up as Ctrl+C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, interrupt)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, interrupt)


_ROOMS: tuple[Room, ...] = ("queen", "hive")


def queen_for_hive() -> str | None:
    """The queen that a hive started here should join; None leaves it to the hive's settings."""
    if config.one("hive", "queen_url", str, ""):
        return None
    return address_of("queen", None, login=False).url


async def _start_missing(
    missing: Sequence[Room], queen_flags: Sequence[str], session: Session
) -> None:
    """Start side by side where the queen's address is known beforehand, else one by one."""
    if "queen" in missing and (queen_flags or port_of("queen") == 0):
        await _start("queen", queen_flags, session)
        missing = [room for room in missing if room != "queen"]
    queen = queen_for_hive()
    async with _one_error(), anyio.create_task_group() as tasks:
        for room in missing:
            flags = ("--queen", queen) if room == "hive" and queen else ()
            tasks.start_soon(_start, room, flags, session)


async def _start(room: Room, flags: Sequence[str], session: Session) -> None:
    started = await daemons.start(room, flags)
    if started.fresh:
        session.started.append(room)


@asynccontextmanager
async def _one_error() -> AsyncGenerator[None]:
    """Two starts may fail together; the first error is the one to show."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise _first(group) from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    if isinstance(first, BaseExceptionGroup):
        return _first(cast("BaseExceptionGroup[BaseException]", first))
    return first


async def _wait_joined(client: QueenClient, live: Live) -> None:
    """Wait until the queen has a hive; a hive elsewhere is as good as the one here.

    Raises:
        HiveUnreachable: none joined in time.
    """
    with anyio.move_on_after(JOIN_WAIT_S):
        while not (await ask_glance(client)).fresh_hives:
            live.say("waiting for the hive to join")
            await anyio.sleep(_LOOK_EVERY_S)
        return
    here = find_announced("hive")
    raise HiveUnreachable(
        f"No hive has joined the queen at {client.transport.base_url} within {JOIN_WAIT_S:.0f} s"
        f"{'' if here else ', and none runs on this machine'}.",
        remedy="`rbee doctor` looks for the cause; `rbee logs hive` shows what the hive says.",
    )


async def _say_skew(room: Room, url: str) -> None:
    info = await daemons.ask_info(room, url)
    running = daemons.Running(room=room, base_url=url, pid=info.pid, info=info)
    if running.version_skew:
        note(f"note: {running.version_skew}")
