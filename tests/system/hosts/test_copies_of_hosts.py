"""Models between machines: over TLS, around a NAT, and past a line that breaks in the middle."""

import hashlib
import os
import threading
from pathlib import Path

import httpx2
import msgspec
import pytest

from rbee.contracts.jobs import DONE, JobEvent
from rbee.foundation.sse import EventReader
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes
from rbee.testing.hosts import Daemon, Lan
from rbee.testing.hosts.colony import KEY, PORT, HostColony
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

WITHIN_S = 90.0
MB = 1_000_000
SLOW = "10"  # MB/s: 24 MB can be cut in the middle


def big(megabytes: int) -> bytes:
    """A model file of some size, with bytes that differ along it."""
    head = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (1024, 256 * megabytes)),))
    noise = os.urandom(1 << 20) * megabytes
    return head[:4096] + noise[: len(head) - 4096]


def models_of(hive: Daemon) -> Path:
    return hive.host.home / ".cache" / "rbee" / "models"


def put(colony: HostColony, hive: Daemon, content: bytes) -> None:
    """Lay a model into a hive's folder; return when the queen knows it."""
    folder = models_of(hive) / "big"
    folder.mkdir(parents=True)
    (folder / "part").write_bytes(content)
    (folder / "part").rename(folder / "big.gguf")

    def known() -> bool:
        rows = colony.queen.host.ask(f"http://127.0.0.1:{PORT}/v1/models", key=KEY).json()["data"]
        return any(row["id"] == "big" for row in rows)

    until_now(known, within_s=WITHIN_S)


def arrived(hive: Daemon) -> int:
    file = models_of(hive) / "big.part" / "big.gguf"
    return file.stat().st_size if file.exists() else 0


def digest(hive: Daemon) -> str:
    return hashlib.sha256((models_of(hive) / "big" / "big.gguf").read_bytes()).hexdigest()


class Copy:
    """A ``model_copy`` in a thread, ordered on the queen's machine."""

    def __init__(self, colony: HostColony, **operation: str) -> None:
        self.events: list[JobEvent] = []
        self._operation = {"operation": "model_copy", "model": "big", **operation}
        self._colony = colony
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        reader, key = EventReader(), {"authorization": f"Bearer {KEY}"}
        with (
            self._colony.queen.host.network(),
            httpx2.Client(
                base_url=f"http://127.0.0.1:{PORT}", headers=key, timeout=WITHIN_S, trust_env=False
            ) as client,
        ):
            job = client.post("/v1/jobs", json=self._operation).raise_for_status().json()
            with client.stream("GET", job["sse_url"]) as answer:
                for chunk in answer.iter_raw():
                    for event in reader.feed(chunk):
                        if event.data != DONE:
                            self.events.append(msgspec.json.decode(event.data, type=JobEvent))

    def finish(self) -> str:
        """What was said; it has to have ended well."""
        self._thread.join(WITHIN_S)
        assert self.events, "nothing was said"
        assert self.events[-1].action == "model_copy_complete", self.said
        return self.said

    @property
    def said(self) -> str:
        return "\n".join(event.message for event in self.events)


def test_over_tls_and_past_a_broken_line(lan: Lan) -> None:
    colony = HostColony(lan)
    settings = {"bind": "0.0.0.0", "upload_rate_max_mb_s": SLOW}  # noqa: S104  a host of its own
    giver = colony.hive("giver", key=KEY, **settings)
    taker = colony.hive("taker", key=KEY, bind="0.0.0.0")  # noqa: S104  a host of its own
    colony.wait_up()
    content = big(24)
    put(colony, giver, content)
    copy = Copy(colony, from_hive="giver", to_hive="taker")
    until_now(lambda: arrived(taker) > 6 * MB, within_s=WITHIN_S)
    assert copy.said.endswith("MB/s.") or "from the hive giver." in copy.said
    with lan.cut(giver.host, taker.host):
        said = copy.finish()
    assert "Copying it from the hive giver." in said
    assert "Copying it from the hive giver through the queen." in said
    assert digest(taker) == hashlib.sha256(content).hexdigest()


def test_around_a_nat(lan: Lan) -> None:
    colony = HostColony(lan)
    near = colony.hive("near", key=KEY, bind="0.0.0.0")  # noqa: S104  a host of its own
    far = colony.hive("far", behind="home")
    last = colony.hive("last", behind="office")
    colony.wait_up()
    content = big(4)
    put(colony, far, content)
    said = Copy(colony, from_hive="far", to_hive="near").finish()
    assert "Copying it from the hive far through the queen." in said
    assert digest(near) == hashlib.sha256(content).hexdigest()
    said = Copy(colony, from_hive="near", to_hive="last").finish()
    assert "Copying it from the hive near." in said  # out of a NAT one sees the network
    assert digest(last) == hashlib.sha256(content).hexdigest()
