"""One key with nine tenths of the load: how long does it make another key wait?

A real queen and the scripted engine with a few slots, clients in a closed loop. Three
crowds are measured, taking turns: ``equal`` (both keys have as many clients),
``crowded`` (the heavy key has nine times as many), and ``one line`` (the same crowd
under one key, which is first come, first served). Printed is the mean wait of the
light key's clients, as ``X-Rbee-Queue-Ms`` tells it. Ends with 1 when ``crowded`` is
more than a tenth above ``equal``.

    .venv/bin/python benchmarks/fairness.py [--rounds 3] [--seconds 5]
"""

import argparse
import asyncio
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from rig import BenchWorker, running_queen

from rbee.testing.workers import running_worker
from rbee.worker.engines.script import Script

SLOTS = 4
LIGHT_CLIENTS = 8  # two for each slot, so that the light key alone keeps its half in use
HEAVY_CLIENTS = 9 * LIGHT_CLIENTS
TOKENS, TOKEN_S = 5, 0.005  # an answer holds its slot for about 25 ms
WARM_UP_S = 1.0  # until everybody waits as long as he will
SHARE_MAX = 1.10  # issue 4: no more than a tenth over an equal share
COLONY_KEY = "made-up-colony-key"


class Crowd(NamedTuple):
    """Clients by the key that they use; only ``light``'s are measured."""

    name: str
    light: tuple[str, int]
    heavy: tuple[str, int]


CROWDS = (
    Crowd("equal", ("light", LIGHT_CLIENTS), ("heavy", LIGHT_CLIENTS)),
    Crowd("crowded", ("light", LIGHT_CLIENTS), ("heavy", HEAVY_CLIENTS)),
    Crowd("one line", ("heavy", LIGHT_CLIENTS), ("heavy", HEAVY_CLIENTS)),
)


def main() -> int:
    """Measure and print; 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    asked = parser.parse_args()
    script = Script(tokens=TOKENS, delay_first_s=TOKEN_S, delay_token_s=TOKEN_S, slots=SLOTS)
    waits: dict[str, list[float]] = {crowd.name: [] for crowd in CROWDS}
    with tempfile.TemporaryDirectory(prefix="rbee-bench-") as folder:
        home = Path(folder)
        _write_keys(home / "config", "light", "heavy")
        with running_worker(home / "worker", script=script, slots=SLOTS) as worker:
            worker.wait_ready()
            told = BenchWorker(worker.port, worker.key, worker.process.pid, "starter", slots=SLOTS)
            with running_queen(home, [told], key=COLONY_KEY) as queen:
                for _ in range(asked.rounds):
                    for crowd in CROWDS:
                        waits[crowd.name] += asyncio.run(_played(crowd, queen.port, asked.seconds))
    print(f"{'crowd':<10} {'answers':>8} {'mean wait of the light clients':>32}")
    for name, found in waits.items():
        print(f"{name:<10} {len(found):>8} {fmean(found):>29.0f} ms")
    ratio = fmean(waits["crowded"]) / fmean(waits["equal"])
    print(f"crowded / equal: {ratio:.3f} (goal: at most {SHARE_MAX})")
    return 0 if ratio <= SHARE_MAX else 1


def _write_keys(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True)
    blocks = (
        f'[[queen.keys]]\nname = "{name}"\nsha256 = "{sha256(name.encode()).hexdigest()}"\n'
        for name in names
    )
    (folder / "config.toml").write_text("\n".join(blocks), encoding="utf-8")


async def _played(crowd: Crowd, port: int, seconds: float) -> list[float]:
    """The waits of the light clients' answers in milliseconds, after the warm-up."""
    began = time.monotonic()
    waits: list[float] = []
    (light, light_count), (heavy, heavy_count) = crowd.light, crowd.heavy
    async with asyncio.TaskGroup() as clients:
        for _ in range(light_count):
            clients.create_task(_client(port, light, began + WARM_UP_S + seconds, waits, began))
        for _ in range(heavy_count):
            clients.create_task(_client(port, heavy, began + WARM_UP_S + seconds, [], began))
    return waits


async def _client(port: int, key: str, until: float, waits: list[float], began: float) -> None:
    body = b'{"model":"starter","prompt":"hi"}'
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while time.monotonic() < until:
            writer.write(head + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not answer.startswith(b"http/1.1 200"):
                raise RuntimeError(answer.decode())
            await reader.readexactly(int(_header(answer, b"content-length")))
            if time.monotonic() - began > WARM_UP_S:
                waits.append(float(_header(answer, b"x-rbee-queue-ms")))
    finally:
        writer.close()


def _header(head: bytes, name: bytes) -> bytes:
    return head.partition(b"\r\n" + name + b": ")[2].partition(b"\r\n")[0]


if __name__ == "__main__":
    sys.exit(main())
