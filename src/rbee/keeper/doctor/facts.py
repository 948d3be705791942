"""The doctor's eyes: every look at the machine and the network that ``checks`` judges."""

import asyncio
import os
import platform
import shutil
import sys
from pathlib import Path

import anyio

from rbee.client.hive import HiveClient
from rbee.client.queen import QueenClient
from rbee.contracts.hives import EngineInfo
from rbee.errors import InvalidApiKey, RbeeError
from rbee.foundation import paths
from rbee.foundation.announcements import Room, find_announced
from rbee.foundation.processes import port_owner
from rbee.foundation.trust import key_for
from rbee.keeper.addresses import address_of, port_of
from rbee.keeper.daemons import INFO_WAIT_S, PROBE_WAIT_S, ask_info
from rbee.keeper.doctor.checks import EngineFacts, FolderFacts, PortFacts, RoomFacts
from rbee.keeper.glance import ask_glance

ENGINE_WAIT_S = 30.0  # loading the library takes under a second; a cold network disk 10
_CONNECT_WAIT_S = 1.0  # loopback answers at once or not at all
_SAID_MAX = 300  # the last line of an import error, not its traceback

# A process of its own: on a CPU that the library was not built for, loading it kills the process.
_TRIAL = (
    "import importlib.metadata as m, xllamacpp; "
    "xllamacpp.get_device_info(); print(m.version('xllamacpp'))"
)


async def look_at_engine() -> EngineFacts:
    """Load the engine in a process of its own."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _TRIAL,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    avx2 = has_avx2()
    try:
        with anyio.fail_after(ENGINE_WAIT_S):
            output, errors = await child.communicate()
    except TimeoutError:
        return EngineFacts(version=None, exit_status=None, avx2=avx2)
    finally:
        if child.returncode is None:
            child.kill()
    lines = errors.decode("utf-8", errors="replace").strip().splitlines()
    return EngineFacts(
        version=output.decode("utf-8", errors="replace").strip() or None,
        exit_status=child.returncode,
        said=lines[-1][:_SAID_MAX] if lines and child.returncode else "",
        avx2=avx2,
    )


def has_avx2() -> bool | None:
    """Whether this x86 CPU has AVX2; None elsewhere, and where the system does not say."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return None
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return " avx2" in text


async def look_at_port(room: Room) -> PortFacts:
    """Who listens on the port that the room is configured for."""
    announced = find_announced(room)
    port = announced.port if announced else port_of(room)
    if announced is not None and not port:
        return PortFacts(room=room, port=port, free=False, ours=True)
    if not await _listens(port):
        return PortFacts(room=room, port=port, free=True)
    if announced is not None:
        return PortFacts(room=room, port=port, free=False, ours=True)
    try:
        await ask_info(room, f"http://localhost:{port}", wait_s=PROBE_WAIT_S)
    except RbeeError:
        return PortFacts(room=room, port=port, free=False, owner=port_owner(port))
    return PortFacts(room=room, port=port, free=False, ours=True)


def look_at_folder(name: str, path: Path) -> FolderFacts:
    """A folder as it is; one that does not exist yet is judged by where it would be made."""
    existing = path
    while not existing.exists() and existing.parent != existing:
        existing = existing.parent
    try:
        free_bytes = shutil.disk_usage(existing).free
    except OSError:
        free_bytes = None
    return FolderFacts(
        name=name,
        path=str(path),
        writable=existing.is_dir() and os.access(existing, os.W_OK | os.X_OK),
        free_bytes=free_bytes,
    )


def look_at_folders() -> list[FolderFacts]:
    """The folders that grow: models, and the daemons' state."""
    return [
        look_at_folder("models", paths.models_dir()),
        look_at_folder("data", paths.data_dir()),
    ]


async def look_at_room(room: Room, flag: str | None) -> RoomFacts:
    """A daemon: the one that was named, or this machine's."""
    address = address_of(room, flag)
    announced = None if address.named else find_announced(room)
    alive = announced is not None
    if announced is not None and not announced.port:
        return RoomFacts(room=room, url=address.url, named=False, alive=True, doorless=True)
    wait_s = INFO_WAIT_S if address.named or alive else PROBE_WAIT_S
    try:
        info = await ask_info(room, address.url, wait_s=wait_s)
    except RbeeError as error:
        return RoomFacts(
            room=room,
            url=address.url,
            named=address.named,
            alive=alive,
            error=error.message,
            wants_key=isinstance(error, InvalidApiKey),
        )
    return RoomFacts(
        room=room,
        url=address.url,
        named=address.named,
        alive=alive,
        version=info.version,
        hive_id=info.hive_id,
        queen_url=info.queen_url,
    )


async def look_at_hive_ids(queen: RoomFacts) -> list[str] | None:
    """The hives that the queen knows; None when she does not say."""
    if not queen.reached:
        return None
    async with QueenClient(queen.url, key=key_for(queen.url)) as client:
        try:
            return [hive.hive_id for hive in (await ask_glance(client)).fresh_hives]
        except RbeeError:
            return None


async def look_at_engines(hive: RoomFacts) -> list[EngineInfo] | None:
    """What the hive's own trials of its engines showed; None when it does not say."""
    if not hive.reached:
        return None
    async with HiveClient(hive.url, key=key_for(hive.url)) as client:
        try:
            return (await client.engines()).engines
        except RbeeError:
            return None


async def _listens(port: int) -> bool:
    for host in ("127.0.0.1", "::1"):
        with anyio.move_on_after(_CONNECT_WAIT_S):
            try:
                stream = await anyio.connect_tcp(host, port)
            except OSError:
                continue
            await stream.aclose()
            return True
    return False
