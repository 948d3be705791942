"""What a key does to the colony: stop or restart a worker, cancel a request.

Everything goes to the queen, who passes it on to the hive.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from rbee.client.queen import QueenClient
from rbee.client.state import StateTables
from rbee.contracts.jobs import HiveOperation, WorkerProcessDelete, WorkerRestart
from rbee.errors import InvalidRequest
from rbee.keeper.hive_door import Door
from rbee.keeper.screen import Live

Act: TypeAlias = Callable[[], Awaitable[str]]
"""Does something to the colony and says what was done."""


async def stop_worker(client: QueenClient, tables: StateTables, worker_id: str) -> str:
    """Stop it when its requests are done; gives what to say.

    Raises:
        RbeeError: it is gone, or its hive does not answer.
    """
    await _run(client, tables, worker_id, WorkerProcessDelete(worker_id=worker_id))
    return f"{worker_id} is stopped."


async def restart_worker(client: QueenClient, tables: StateTables, worker_id: str) -> str:
    """End its process and start it again, with the same id; gives what to say.

    Raises:
        RbeeError: it is gone, or does not start again.
    """
    await _run(client, tables, worker_id, WorkerRestart(worker_id=worker_id))
    return f"{worker_id} is ready again."


async def cancel_request(client: QueenClient, request_id: str) -> str:
    """Take a request from the queue or from its worker; gives what to say.

    Raises:
        RbeeError: it is over, or may not be cancelled.
    """
    await client.cancel_request(request_id)
    return f"{request_id} is cancelled."


async def _run(
    client: QueenClient, tables: StateTables, worker_id: str, operation: HiveOperation
) -> None:
    worker = tables["workers"].get(worker_id)
    if worker is None:
        raise InvalidRequest(f"{worker_id} is gone.")
    await Door(client.jobs, worker["hive_id"]).run(operation, Live(quiet=True))
