"""A queen whom others can reach: her certificates, her addresses, her announcement.

``app`` runs it beside the server; a queen on loopback has none of it.
"""

from typing import Final

import anyio
import anyio.to_thread

from rbee.errors import StorageError
from rbee.foundation import logs
from rbee.foundation.source_address import SOMEWHERE, source_towards
from rbee.queen.joining.announce import announce
from rbee.queen.joining.office import Office
from rbee.queen.joining.reach import urls

FRESHEN_EVERY_S: Final = 3600.0  # her own certificates live for a month

_log = logs.get(__name__)


async def be_present(
    office: Office,
    hosts: frozenset[str],
    port: int,
    announced: bool,
) -> None:
    """Keep all of it up until cancelled. ``hosts`` are the names and addresses of her server.

    Raises:
        StorageError: her certificates cannot be made at the start.
    """
    office.freshen(hosts)
    first = source_towards(SOMEWHERE)
    office.urls = urls(hosts, port, first)
    async with anyio.create_task_group() as tasks:
        if announced:
            tasks.start_soon(announce, hosts, port, office.authority.fingerprint, first)
        while True:
            await anyio.sleep(FRESHEN_EVERY_S)
            try:
                await anyio.to_thread.run_sync(office.freshen, hosts)
            except StorageError as error:  # there are three weeks to repair it
                _log.warning("certificates not renewed", reason=error.message)
