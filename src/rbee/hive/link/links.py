"""The hive's link as its app sees it: both lanes, and what serves their streams.

``main`` is kept up for as long as the hive lives; ``bulk`` is dialled when the queen wants
to move model bytes, and closed when nobody uses it any more.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from rbee.contracts.ids import HiveId, WorkerId
from rbee.foundation.http.tls import QUEEN, identity_context
from rbee.hive.epochs import Epochs
from rbee.hive.link.serving import MakeHttp, Place, Streams
from rbee.hive.link.uplink import Uplink
from rbee.hive.workers.roster import Roster


class Links:
    """The link of one hive to its queen."""

    def __init__(
        self,
        queen_url: str,
        *,
        hive_id: HiveId,
        key: str | None,
        identity: Path,
        epochs: Epochs,
        http: MakeHttp,
        roster: Roster,
    ) -> None:
        """``identity`` is the folder of this hive's certificate, filled now or later."""
        streams = Streams(http, worker_places(roster))
        context = _context(queen_url, identity)
        self.main, self.bulk = (
            Uplink(
                queen_url,
                lane,
                hive_id=hive_id,
                key=key,
                context=context,
                accept=streams.accept,
                welcomed=epochs.check,
            )
            for lane in ("main", "bulk")
        )
        self.main.wants_bulk = self.bulk.want

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        async with anyio.create_task_group() as lanes:
            lanes.start_soon(self.main.run)
            lanes.start_soon(self.bulk.run_wanted)


def worker_places(roster: Roster) -> Callable[[str], Place | None]:
    """Where a worker listens on this machine, by its id."""

    def find(worker_id: str) -> Place | None:
        worker = roster.by_id.get(WorkerId(worker_id))
        return None if worker is None else (worker.state.host, worker.state.port)

    return find


def _context(queen_url: str, identity: Path) -> Callable[[], ssl.SSLContext | None]:
    """What is shown and expected at an https queen, read anew with each attempt."""
    if urlsplit(queen_url).scheme != "https":
        return lambda: None
    return lambda: identity_context(identity, expects=QUEEN)
