"""Whose log is meant, and the way to it: a file of this machine, else through the queen.

The rule: what lies here is read here, also when nothing runs; what was named by a queen or
a hive elsewhere is asked of the queen, who has a log of her own and reaches those of hives.
"""

from contextlib import aclosing
from pathlib import Path

from rbee.client.logs import (
    QUEEN_LOG_PATH,
    followed,
    hive_log_path,
    last_lines,
    worker_log_path,
)
from rbee.client.queen import QueenClient
from rbee.contracts.ids import LOCAL_HIVE_NAMES
from rbee.errors import Conflict, HiveNotFound, NotFound, RbeeError, WorkerNotFound
from rbee.keeper.clients import queen_client
from rbee.keeper.glance import Glance, ask_glance
from rbee.keeper.log_files import daemon_log, show_log, worker_log
from rbee.keeper.screen import out


async def show_logs(
    who: str, *, lines: int, follow: bool, hive_id: str | None, queen: str | None
) -> None:
    """Print the last lines of ``queen``, ``hive`` or a worker; with ``follow`` go on.

    Raises:
        NotFound: nobody has such a log.
        RbeeError: the queen does not answer, or keeps it to herself.
    """
    if queen is None and hive_id is None:
        try:
            await show_log(_file(who), lines=lines, follow=follow)
        except NotFound as missing:
            if not await _shown_by_queen(who, lines=lines, follow=follow):
                raise missing from None
        return
    async with queen_client(queen) as client:
        await _show(client, await _path(client, who, hive_id), lines=lines, follow=follow)


def _file(who: str) -> Path:
    return daemon_log(who) if who == "queen" or who == "hive" else worker_log(who)  # noqa: PLR1714  narrows the type


async def _shown_by_queen(who: str, *, lines: int, follow: bool) -> bool:
    """Whether a queen that answers has it: one that runs in the foreground, or elsewhere."""
    async with queen_client(None) as client:
        try:
            path = await _path(client, who, None)
        except RbeeError:
            return False
        await _show(client, path, lines=lines, follow=follow)
    return True


async def _path(client: QueenClient, who: str, hive_id: str | None) -> str:
    """The route of a log.

    Raises:
        HiveNotFound, WorkerNotFound: she knows none of this name.
        Conflict: there are several hives, and none was named.
    """
    if who == "queen":
        return QUEEN_LOG_PATH
    glance = await ask_glance(client)
    if who == "hive":
        return hive_log_path(_hive(glance, hive_id))
    return worker_log_path(*_worker(glance, who))


def _hive(glance: Glance, hive_id: str | None) -> str:
    known = [hive.hive_id for hive in glance.hives]
    here = [hive.hive_id for hive in glance.hives if hive.local]
    if hive_id is not None and hive_id not in LOCAL_HIVE_NAMES:
        if hive_id in known:
            return hive_id
        raise HiveNotFound(f"No hive {hive_id!r} has joined this queen.")
    if len(here or known) == 1:
        return (here or known)[0]
    if not known:
        raise HiveNotFound("No hive has joined this queen.")
    raise Conflict(
        f"The colony has {len(known)} hives.",
        remedy=f"Say which one: `rbee logs hive --hive-id ID` ({', '.join(known[:5])}).",
    )


def _worker(glance: Glance, begun: str) -> tuple[str, str]:
    ids = {row.worker.worker_id: row.hive_id for row in glance.workers}
    found = [begun] if begun in ids else [one for one in ids if one.startswith(begun)]
    if len(found) == 1:
        return ids[found[0]], found[0]
    if found:
        raise WorkerNotFound(f"Several workers begin with {begun!r}: {', '.join(found)}.")
    raise WorkerNotFound(f"No worker {begun!r} runs in this colony.")


async def _show(client: QueenClient, path: str, *, lines: int, follow: bool) -> None:
    if not follow:
        out(await last_lines(client.transport, path, lines), end="")
        return
    async with aclosing(followed(client.transport, path, lines)) as source:
        async for line in source:
            out(line)
