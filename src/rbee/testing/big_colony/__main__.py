"""``python -m rbee.testing.big_colony``: a queen of one's own, and a played colony on it.

    python -m rbee.testing.big_colony hundred            # 100 hives, 800 GPUs, 1,000 workers
    python -m rbee.testing.big_colony errors --port 18000
    python -m rbee.testing.big_colony any --hives 20 --gpus 4 --workers 6 --clients 12
    python -m rbee.testing.big_colony ten --queen http://127.0.0.1:7833

Without ``--queen`` it starts one in a folder of her own that goes away at the end; she serves
the console where ``RBEE_CONSOLE_DIR`` is set or one was built. The colony's key, where there
is one, is read from ``RBEE_API_KEY``.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

from rbee.testing.big_colony.playing import play
from rbee.testing.big_colony.scenarios import SCENARIOS, HivePlan, any_size
from rbee.testing.colony import Colony, DaemonUnderTest


def main() -> None:
    """Play until Ctrl+C or SIGTERM: the queen of one's own ends either way."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        url = options.queen or stack.enter_context(own_queen(options.port)).url
        plans = _plans(options)
        gpus, workers = sum(one.gpus for one in plans), sum(len(one.workers) for one in plans)
        sys.stdout.write(f"{url}  {len(plans)} hives, {gpus} GPUs, {workers} workers\n")
        sys.stdout.flush()
        key = os.environ.get("RBEE_API_KEY")
        asyncio.run(play(plans, url, key=key, clients=options.clients))


@contextlib.contextmanager
def own_queen(port: int = 0, **settings: str) -> Generator[DaemonUnderTest]:
    """A queen in a process and a folder of her own; ``settings`` become ``RBEE_QUEEN_…``."""
    with tempfile.TemporaryDirectory(prefix="rbee-big-") as folder, Colony(Path(folder)) as colony:
        colony.key = os.environ.get("RBEE_API_KEY")
        queen = colony.queen(start=False, **settings)
        if port:
            queen.port, queen.url = port, f"http://127.0.0.1:{port}"
            queen.env["RBEE_QUEEN_PORT"] = str(port)
        console = os.environ.get("RBEE_CONSOLE_DIR")
        if console:
            queen.env["RBEE_CONSOLE_DIR"] = console
        yield queen.start()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m rbee.testing.big_colony", description=sys.modules[__name__].__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("scenario", nargs="?", default="hundred", choices=[*SCENARIOS, "any"])
    parser.add_argument("--queen", help="play at this queen instead of an own one")
    parser.add_argument("--port", type=int, default=0, help="the own queen's port")
    parser.add_argument("--hives", type=int, default=100)
    parser.add_argument("--gpus", type=int, default=8, help="of each hive")
    parser.add_argument("--workers", type=int, default=10, help="of each hive")
    parser.add_argument("--clients", type=int, default=3, help="that ask things all the time")
    return parser.parse_args()


def _plans(options: argparse.Namespace) -> list[HivePlan]:
    if options.scenario == "any":
        return any_size(options.hives, options.gpus, options.workers)
    return SCENARIOS[options.scenario]()


if __name__ == "__main__":
    main()
