"""A library engine in this process: built, loaded and served on its port.

From ``app``, which chose it; the port's requests go to ``app.WorkerApi``. The
socket is bound before the load, so that a caller meets 503 and not a closed port.
"""

import asyncio
import socket

from rbee.worker.api.app import WorkerApi
from rbee.worker.api.listener import serve_on
from rbee.worker.engines.script import read_script
from rbee.worker.engines.scripted import ScriptedEngine
from rbee.worker.preflight import listen
from rbee.worker.settings import WorkerSettings, read_key


def serve(settings: WorkerSettings) -> None:
    """Play the settings' script until a signal ends the process.

    The model's file is not read: a script needs none.

    Raises:
        InvalidRequest: the key file, the script or the address is wrong.
        PortTaken: somebody else listens on the port.
    """
    key = read_key(settings.key_file)
    engine = ScriptedEngine(settings, read_script(settings.script))
    listener = listen(settings.host, settings.port)
    asyncio.run(_serve(listener, engine, key))


async def _serve(listener: socket.socket, engine: ScriptedEngine, key: str) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(engine.load())
        await serve_on(listener, WorkerApi(engine, key))
