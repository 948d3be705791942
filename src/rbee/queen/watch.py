"""Time and silence: the loop that lets the liveness table work.

Twice a second the registry is swept. Workers whose hive has missed beats are
asked directly, so that a hive's restart costs no request: they stay in use while
they answer, and leave at once when nobody listens on their port any more. A worker on
another machine is asked by the way that its requests go (``answers``); what does not
come back from there may be the network's fault, so it only stays unknown.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import httpx2

from rbee.queen.registry.colony import SWEEP_EVERY_S, Colony
from rbee.queen.registry.workers import RoutableWorker

PROBE_S: Final = 1.0  # a worker that needs longer to say "ok" is in no state to answer well
PROBES_AT_ONCE: Final = 32  # a lost rack must not cost the queen a thousand sockets

_STATUS_OK = 200


class Watch:
    """Sweeps and probes; ``run`` never returns. ``http`` swaps the wire to workers.

    ``answers`` asks a worker on another machine; without it those are asked at their address.
    """

    def __init__(
        self,
        colony: Colony,
        *,
        answers: Callable[[RoutableWorker], Awaitable[bool]] | None = None,
        http: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._colony = colony
        self._answers = answers
        self._http = http
        self._room = anyio.CapacityLimiter(PROBES_AT_ONCE)
        self._asking: set[str] = set()

    async def run(self) -> None:
        """Sweep for ever."""
        async with (
            httpx2.AsyncClient(
                timeout=PROBE_S, trust_env=False, verify=False, transport=self._http
            ) as http,
            anyio.create_task_group() as tasks,
        ):
            while True:
                now = anyio.current_time()
                self._colony.sweep(now)
                for worker in self._colony.to_probe(now):
                    if worker.worker_id not in self._asking:
                        self._asking.add(worker.worker_id)
                        if worker.local or self._answers is None:
                            tasks.start_soon(self._probe, http, worker)
                        else:
                            tasks.start_soon(self._ask, self._answers, worker)
                await anyio.sleep(SWEEP_EVERY_S)

    async def _probe(self, http: httpx2.AsyncClient, worker: RoutableWorker) -> None:
        host = f"[{worker.address}]" if ":" in worker.address else worker.address
        try:
            async with self._room:
                response = await http.get(f"http://{host}:{worker.port}/health")
            if response.status_code == _STATUS_OK:
                self._colony.answered(worker.worker_id, anyio.current_time())
        except (httpx2.ConnectTimeout, httpx2.ReadTimeout, httpx2.PoolTimeout):
            pass  # silence is not death
        except httpx2.HTTPError:
            self._colony.mark_dead(worker.worker_id, worker.generation)
        finally:
            self._asking.discard(worker.worker_id)

    async def _ask(
        self, answers: Callable[[RoutableWorker], Awaitable[bool]], worker: RoutableWorker
    ) -> None:
        try:
            async with self._room:
                if await answers(worker):
                    self._colony.answered(worker.worker_id, anyio.current_time())
        finally:
            self._asking.discard(worker.worker_id)
