"""Look at a worker from outside, by HTTP: is it ours, is it ready, how is it.

A worker is never asked to report itself. Ready means that it generated one
token, with our key, under our model's name: a dead engine and another program
on the port both answered 200 to ``/health`` when that was tried. No answer is
"unknown", never "dead": only the end of its process is that.
"""

from enum import Enum, auto
from typing import Final

import anyio
import httpx2
import msgspec

from rbee.hive.engines.engine import LLAMACPP_FACE, Engine, Face, Task
from rbee.hive.engines.reading import Reading
from rbee.hive.workers.loopback import Loopback

LOOK_FAST_S: Final = 0.02  # while a small model loads: half a second in all
LOOK_SLOW_S: Final = 0.25  # after that nobody notices a quarter of a second
FAST_FOR_S: Final = 5.0  # what loads longer is waited for with less hurry
ANSWER_S: Final = 2.0  # /health and /models are answered by another thread than tokens
TOKEN_S: Final = 60.0  # the first token of a large model on a slow CPU, caches cold
READ_S: Final = 5.0  # slots and metrics wait for the batch at hand: seconds of a long prompt
_OK: Final = 200
_LOADING: Final = 503
_NO_SUCH_ROUTE: Final = frozenset({404, 405, 501})  # of servers that only chat
_CONNECTIONS_MAX: Final = 4  # slots and metrics of one worker, and a probe beside them


class _ModelRow(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_ModelRow]


class Whose(Enum):
    """Whose process answers on a port."""

    OURS = auto()
    """Our key and our model's name."""
    STRANGER = auto()
    """Somebody else's."""
    SILENT = auto()
    """Nobody answers, or not yet."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The worker to look at."""

    host: str
    port: int
    key: str
    model: str
    task: Task
    face: Face = LLAMACPP_FACE


class Probe:
    """The looks at one worker. Close it with ``aclose``."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._kept = Loopback(target.host, target.port, target.key)
        self._client = httpx2.AsyncClient(
            base_url=f"http://{target.host}:{target.port}",
            headers={"authorization": f"Bearer {target.key}"},
            timeout=ANSWER_S,
            limits=httpx2.Limits(
                max_connections=_CONNECTIONS_MAX, max_keepalive_connections=_CONNECTIONS_MAX
            ),
            trust_env=False,  # a proxy for the internet must not see loopback
            verify=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        self._kept.close()
        await self._client.aclose()

    async def wait_ready(self) -> None:
        """Return when it has generated a token. The caller sets the time limit."""
        began = anyio.current_time()
        while True:
            if await self._healthy() and await self.whose() is Whose.OURS and await self._speaks():
                return
            fast = anyio.current_time() - began < FAST_FOR_S
            await anyio.sleep(LOOK_FAST_S if fast else LOOK_SLOW_S)

    async def whose(self) -> Whose:
        """Whether the process on the port has our model's name and takes our key."""
        try:
            listed = await self._client.get("/v1/models")
            keyed = await self._client.get(self._target.face.keyed_path)
            open_ = await self._client.get(  # one that answers anybody is not ours
                self._target.face.keyed_path, headers={"authorization": ""}
            )
            names = {row.id for row in msgspec.json.decode(listed.content, type=_Models).data}
        except (httpx2.ConnectError, httpx2.TimeoutException):
            return Whose.SILENT
        except (httpx2.HTTPError, msgspec.MsgspecError):
            return Whose.STRANGER
        if self._target.model in names and keyed.status_code == _OK != open_.status_code:
            return Whose.OURS
        loading = keyed.status_code == _LOADING
        return Whose.SILENT if loading else Whose.STRANGER

    async def read(self, engine: Engine) -> Reading:
        """Metrics and slots now; null where it did not answer.

        In this order: a request that ends in between is then missed for one look, and not
        counted twice (``token_rate``).
        """
        metrics = await self._get(engine.face.metrics_path)
        slots = await self._get(engine.face.slots_path)
        return engine.read(slots, None if metrics is None else metrics.decode(errors="replace"))

    async def slots(self, engine: Engine) -> Reading:
        """Slots alone, for a drain; an engine without them tells it in its metrics."""
        if engine.face.slots_path is None:
            return await self.read(engine)
        return engine.read(await self._get(engine.face.slots_path), None)

    async def _get(self, path: str | None) -> bytes | None:
        if path is None:
            return None
        answer = await self._kept.get(path, within_s=READ_S)
        return answer.body if answer is not None and answer.status == _OK else None

    async def _healthy(self) -> bool:
        answer = await self._kept.get("/health", within_s=ANSWER_S)
        return answer is not None and answer.status == _OK

    async def _speaks(self) -> bool:
        """One token, one embedding or one score is really computed."""
        if self._target.task == "embeddings":
            return await self._post("/v1/embeddings", {"input": "Hi"}) == _OK
        if self._target.task == "rerank":
            pair: dict[str, object] = {"query": "Hi", "documents": ["Hi"]}
            return await self._post("/v1/rerank", pair) == _OK
        short: dict[str, object] = {"max_tokens": 1, "temperature": 0}
        status = await self._post("/v1/completions", {"prompt": "Hi", **short})
        if status in _NO_SUCH_ROUTE:
            turns = [{"role": "user", "content": "Hi"}]
            status = await self._post("/v1/chat/completions", {"messages": turns, **short})
        return status == _OK

    async def _post(self, path: str, body: dict[str, object]) -> int | None:
        """The status of an answer that was computed; None without one."""
        try:
            answer = await self._client.post(
                path, json={"model": self._target.model, **body}, timeout=TOKEN_S
            )
        except httpx2.HTTPError:
            return None
        return answer.status_code
