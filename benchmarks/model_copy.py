"""How fast a model goes from hive to hive, and what a kill in the middle costs.

``python benchmarks/model_copy.py`` (root, Linux) builds a colony on test hosts: a queen and
two hives that joined her, all speaking TLS. At each speed of the line a file is copied with
``model_copy``, and just before it plain TCP carries as many bytes between the same two
hosts: that is what the line gives. Wanted: the copy, from its first byte to the
model in the catalogue (digest checked), at 80 % of that. Then, on the 1 Gbit/s line, the hive that
receives is killed half-way, and later the one that sends: the copy ends all the same, and
no byte that had arrived is sent again. Leaves with 1 when something is missed.

``--loopback`` needs no root: two hives of one machine, without TLS.
"""

import argparse
import hashlib
import json
import os
import platform
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec

from rbee.contracts.jobs import DONE, JobEvent
from rbee.foundation.sse import EventReader
from rbee.testing.colony import Colony
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes
from rbee.testing.hosts import Host, Lan, missing
from rbee.testing.hosts.colony import KEY, HostColony
from rbee.testing.waiting import until_now

SHARE_MIN: Final = 0.8
RATES_MBIT: Final = (500.0, 1000.0, 2500.0)  # the goal is for these; without a limit the CPU is it
KILLS_AT_MBIT: Final = 1000.0
MODEL: Final = "big"
WITHIN_S: Final = 600.0
RESULTS: Final = Path(__file__).parent / "results"
_CHUNK: Final = 1 << 20

Network = Callable[[], AbstractContextManager[None]]
"""Where requests of this process come from."""

RECEIVE: Final = """
import socket, sys
s = socket.create_server(("", 5001)); print("listening", flush=True); c, _ = s.accept()
b = bytearray(1 << 20)
while c.recv_into(b): pass
"""
SEND: Final = """
import socket, sys, time
n = int(sys.argv[2]); b = bytes(1 << 20); s = socket.create_connection((sys.argv[1], 5001))
t = time.monotonic()
for _ in range(n >> 20): s.sendall(b)
s.shutdown(1); s.recv(1); print(time.monotonic() - t)
"""


class Side:
    """One hive, wherever it runs: its models folder, and how to kill and start it."""

    def __init__(
        self, name: str, models: Path, kill: Callable[[], None], start: Callable[[], object]
    ) -> None:
        self.name = name
        self.folder = models / MODEL
        self.part = models / f"{MODEL}.part" / f"{MODEL}.gguf"
        self.kill = kill
        self.start = start

    def arrived(self) -> int:
        """Bytes of an unfinished copy on its disk."""
        return self.part.stat().st_size if self.part.exists() else 0


class Copy:
    """A ``model_copy`` in a thread."""

    def __init__(self, url: str, network: Network) -> None:
        self.events: list[JobEvent] = []
        self._url = url
        self._network = network
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        body = {"operation": "model_copy", "model": MODEL, "from_hive": "giver", "to_hive": "taker"}
        key = {"authorization": f"Bearer {KEY}"}
        with (
            self._network(),
            httpx2.Client(
                base_url=self._url, headers=key, timeout=WITHIN_S, trust_env=False
            ) as client,
        ):
            accepted = client.post("/v1/jobs", json=body).raise_for_status().json()
            reader = EventReader()
            with client.stream("GET", accepted["sse_url"]) as answer:
                for chunk in answer.iter_raw():
                    for event in reader.feed(chunk):
                        if event.data != DONE:
                            self.events.append(msgspec.json.decode(event.data, type=JobEvent))

    def finish(self) -> dict[str, Any]:
        """What it took; fails when the copy did."""
        self._thread.join(WITHIN_S)
        said = "\n".join(event.message for event in self.events)
        if not self.events or self.events[-1].action != "model_copy_complete":
            raise SystemExit(f"the copy failed:\n{said}")
        began = next(event.ts for event in self.events if "Copying it from" in event.message)
        way = next(event.message for event in self.events if "Copying it from" in event.message)
        return {"took_s": self.events[-1].ts - began, "way": way, "events": len(self.events)}


def model_file(target: Path, size_mb: int) -> str:
    """Write a model of this size; its digest."""
    header = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (1024, 256 * size_mb), size_bytes=0),))
    whole = len(header) + size_mb * _CHUNK
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".writing").open("wb") as file:
        left = whole
        block = header
        while left:
            block = block[:left]
            file.write(block)
            digest.update(block)
            left -= len(block)
            block = os.urandom(_CHUNK)
    target.with_suffix(".writing").rename(target)
    return digest.hexdigest()


def raw_mb_s(giver: Host, taker: Host, size_mb: int) -> float:
    """MB/s of plain TCP between two hosts: memory to memory."""
    log = taker.folder / f"raw-{time.monotonic_ns()}.log"
    listener = taker.start(["python3", "-c", RECEIVE], log=log.name)
    until_now(lambda: "listening" in log.read_text(), within_s=10)
    done = giver.run(["python3", "-c", SEND, taker.address, str(size_mb << 20)])
    listener.wait(10)
    return (size_mb << 20) / 1e6 / float(done.stdout)


def raw_loopback_mb_s(size_mb: int) -> float:
    """The same over loopback, in two threads."""
    server = socket.create_server(("127.0.0.1", 0))

    def send() -> None:
        line, _ = server.accept()
        block = bytes(_CHUNK)
        for _ in range(size_mb):
            line.sendall(block)
        line.close()

    sender = threading.Thread(target=send)
    sender.start()
    buffer, began = bytearray(_CHUNK), time.monotonic()
    with socket.create_connection(server.getsockname()[:2]) as line:
        while line.recv_into(buffer):
            pass
    sender.join()
    return (size_mb << 20) / 1e6 / (time.monotonic() - began)


def forget(taker: Side, url: str, network: Network) -> None:
    """Delete the copy, and wait until the queen knows it gone."""
    with (
        network(),
        httpx2.Client(
            base_url=url, headers={"authorization": f"Bearer {KEY}"}, trust_env=False
        ) as client,
    ):
        body = {"operation": "model_delete", "model": MODEL, "hive_id": "taker"}
        client.post("/v1/jobs", json=body).raise_for_status()
        until_now(lambda: not taker.folder.exists(), within_s=30)
        time.sleep(1.5)  # a beat


def measure(
    url: str, network: Network, taker: Side, line_mb_s: float, size_mb: int, name: str
) -> dict[str, Any]:
    """One copy at one speed."""
    took = Copy(url, network).finish()
    speed = (size_mb << 20) / 1e6 / took["took_s"]
    row = {"line": name, "line_mb_s": round(line_mb_s, 1), "copy_mb_s": round(speed, 1)}
    row |= {
        "share": round(speed / line_mb_s, 3),
        "took_s": round(took["took_s"], 2),
        "way": took["way"],
    }
    print(json.dumps(row), flush=True)
    forget(taker, url, network)
    return row


def kills(url: str, network: Network, giver: Side, taker: Side, size_mb: int) -> dict[str, Any]:
    """Kill the receiver at about a third, the sender at about two thirds."""
    copy = Copy(url, network)
    size = size_mb << 20
    until_now(lambda: taker.arrived() > size // 3, within_s=WITHIN_S)
    taker.kill()
    first = taker.arrived()
    taker.start()
    until_now(lambda: taker.arrived() > max(2 * size // 3, first), within_s=WITHIN_S)
    giver.kill()
    time.sleep(0.5)
    second = taker.arrived()
    giver.start()
    took = copy.finish()
    kept = [event.message for event in copy.events if "Going on after" in event.message]
    row = {"receiver_killed_at": first, "sender_killed_at": second, "kept": kept}
    row["took_s"] = round(took["took_s"], 2)
    print(json.dumps(row), flush=True)
    return row


@contextmanager
def on_hosts(folder: Path) -> Generator[tuple[Lan, HostColony, Side, Side]]:
    """A queen, a hive that gives and one that takes, each on a host of its own."""
    with Lan(folder) as lan:
        colony = HostColony(lan)
        sides: list[Side] = []
        for name in ("giver", "taker"):
            daemon = colony.hive(name, key=KEY, bind="0.0.0.0")  # noqa: S104  a host of its own
            models = daemon.host.home / ".cache" / "rbee" / "models"
            sides.append(Side(name, models, daemon.kill, lambda one=daemon: one.start(wait=False)))
        colony.wait_up()
        yield lan, colony, sides[0], sides[1]


def run_on_hosts(size_mb: int, rates: Sequence[float]) -> dict[str, Any]:
    """All speeds, and the kills."""
    with (
        tempfile.TemporaryDirectory() as folder,
        on_hosts(Path(folder)) as (lan, colony, giver, taker),
    ):
        digest = model_file(giver.folder / f"{MODEL}.gguf", size_mb)
        time.sleep(2.0)
        url, network = "http://127.0.0.1:7833", colony.queen.host.network
        hosts = colony.hives["giver"].host, colony.hives["taker"].host
        rows: list[dict[str, Any]] = []
        for mbit in rates:
            with lan.rate(mbit, hosts[0]):
                line = raw_mb_s(*hosts, size_mb)
                rows.append(measure(url, network, taker, line, size_mb, f"{mbit:.0f} Mbit/s"))
        line = raw_mb_s(*hosts, size_mb)
        rows.append(measure(url, network, taker, line, size_mb, "no limit"))
        with lan.rate(KILLS_AT_MBIT, hosts[0]):
            cut = kills(url, network, giver, taker, size_mb)
        copied = hashlib.sha256((taker.folder / f"{MODEL}.gguf").read_bytes()).hexdigest()
        return {"copies": rows, "kills": {**cut, "digest_right": copied == digest}}


def run_on_loopback(size_mb: int) -> dict[str, Any]:
    """One speed: this machine's."""
    with tempfile.TemporaryDirectory() as folder, Colony(Path(folder), key=KEY) as colony:
        queen = colony.queen()
        sides: list[Side] = []
        for name in ("giver", "taker"):
            daemon = colony.hive(name)
            models = Path(daemon.env["RBEE_CACHE_DIR"]) / "models"
            sides.append(Side(name, models, daemon.kill, lambda one=daemon: one.start(wait=False)))
        giver, taker = sides
        digest = model_file(giver.folder / f"{MODEL}.gguf", size_mb)
        time.sleep(2.0)
        line = raw_loopback_mb_s(size_mb)
        rows = [measure(queen.url, nullcontext, taker, line, size_mb, "loopback")]
        cut = kills(queen.url, nullcontext, giver, taker, size_mb)
        copied = hashlib.sha256((taker.folder / f"{MODEL}.gguf").read_bytes()).hexdigest()
        return {"copies": rows, "kills": {**cut, "digest_right": copied == digest}}


def main() -> int:
    """Measure; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mb", type=int, default=1024, help="MiB of the model")
    parser.add_argument("--loopback", action="store_true", help="one machine, no root")
    parser.add_argument("--rates", type=float, nargs="*", default=RATES_MBIT, help="Mbit/s")
    asked = parser.parse_args()
    if not asked.loopback and (lack := missing()) is not None:
        raise SystemExit(f"no test hosts here: {lack}; try --loopback")
    if asked.loopback:
        found = run_on_loopback(asked.size_mb)
    else:
        found = run_on_hosts(asked.size_mb, asked.rates)
    found |= {"size_mb": asked.size_mb, "cores": os.cpu_count(), "machine": platform.machine()}
    found["measured_at"] = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "model_copy.json").write_text(json.dumps(found, indent=1) + "\n")
    limited = [row for row in found["copies"] if "Mbit" in row["line"]]
    missed = [row["line"] for row in limited if row["share"] < SHARE_MIN]
    print(f"missed: {missed or 'nothing'}; digest right: {found['kills']['digest_right']}")
    return 1 if missed or not found["kills"]["digest_right"] else 0


if __name__ == "__main__":
    sys.exit(main())
