"""Models from hive to hive, on real hives: copied, cut in the middle, gone on with, fetched once."""

import hashlib
import os
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from rbee.contracts.jobs import DONE
from rbee.foundation.sse import EventReader
from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes
from rbee.testing.hub import StubFile, StubHub, StubRepository
from rbee.testing.stub_server import Faults
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

KEY = "copies-of-models"
MB = 1_000_000
WITHIN_S = 90.0
SLOW = "12"  # MB/s: a copy of 24 MB can be cut in its middle


def big(megabytes: int) -> bytes:
    """A model file of some size, with bytes that differ along it."""
    head = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (1024, 256 * megabytes)),))
    noise = os.urandom(1 << 20) * megabytes
    return head[:4096] + noise[: len(head) - 4096]


def put(hive: DaemonUnderTest, content: bytes, name: str = "big") -> None:
    """A model that a person laid into the hive's folder."""
    folder = models_of(hive) / name
    folder.mkdir(parents=True)
    (folder / f"{name}.gguf").write_bytes(content)


def models_of(hive: DaemonUnderTest) -> Path:
    return Path(hive.env["RBEE_CACHE_DIR"]) / "models"


def arrived(hive: DaemonUnderTest, name: str = "big") -> int:
    """How many bytes of an unfinished copy are on a hive's disk."""
    file = models_of(hive) / f"{name}.part" / f"{name}.gguf"
    return file.stat().st_size if file.exists() else 0


class Running:
    """An operation in a thread; ``events`` grows."""

    def __init__(self, daemon: DaemonUnderTest, **operation: object) -> None:
        self.events: list[dict[str, Any]] = []
        self._daemon = daemon
        self._operation = operation
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with httpx2.Client(
            base_url=self._daemon.url, headers={"authorization": f"Bearer {KEY}"}, timeout=WITHIN_S
        ) as client:
            accepted = client.post("/v1/jobs", json=self._operation)
            assert accepted.status_code == 200, accepted.text
            reader = EventReader()
            with client.stream("GET", accepted.json()["sse_url"]) as answer:
                for chunk in answer.iter_raw():
                    for event in reader.feed(chunk):
                        if event.data != DONE:
                            self.events.append(msgspec.json.decode(event.data))

    def ended(self) -> list[dict[str, Any]]:
        """All events, when it is over."""
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive(), self.said
        return self.events

    @property
    def said(self) -> str:
        return "\n".join(event["message"] for event in self.events)

    @property
    def actions(self) -> list[str]:
        return [event["action"] for event in self.events]


@pytest.fixture
def colony(tmp_path: Path) -> Generator[Colony]:
    with Colony(tmp_path, key=KEY) as found:
        yield found


def known(queen: DaemonUnderTest, model: str, hives: int) -> None:
    """Wait until the queen knows ``model`` from so many hives."""

    def said() -> bool:
        answer = httpx2.get(f"{queen.url}/v1/models", headers={"authorization": f"Bearer {KEY}"})
        rows = [row for row in answer.json()["data"] if row["id"] == model]
        return bool(rows) and len(rows[0]["rbee"]["hives"]) == hives

    until_now(said, within_s=WITHIN_S)


def seen_hives(queen: DaemonUnderTest, count: int) -> None:
    def said() -> bool:
        events = Running(queen, operation="status").ended()
        rows = next(event["data"] for event in events if event["action"] == "status_hives")
        return sum(row["state"] == "fresh" for row in rows) == count

    until_now(said, within_s=WITHIN_S)


def digest(hive: DaemonUnderTest, name: str = "big") -> str:
    file = models_of(hive) / name / f"{name}.gguf"
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_model_is_copied_and_read_with_a_ticket_alone(colony: Colony) -> None:
    content = big(4)
    queen = colony.queen()
    alpha, beta = colony.hive("alpha", start=False), colony.hive("beta", start=False)
    put(alpha, content)
    alpha.start(wait=False)
    beta.start(wait=False)
    known(queen, "big", 1)
    seen_hives(queen, 2)

    copy = Running(queen, operation="model_copy", model="big", to_hive="beta")
    assert copy.ended()[-1]["action"] == "model_copy_complete", copy.said
    assert "Copying it from the hive alpha." in copy.said
    assert digest(beta) == hashlib.sha256(content).hexdigest()
    known(queen, "big", 2)

    name = hashlib.sha256(content).hexdigest()
    url = f"{alpha.url}/v1/models/files/{name}"
    key = {"authorization": f"Bearer {KEY}"}
    made = httpx2.post(
        f"{alpha.url}/v1/models/tickets", json={"model": "big", "reader": "beta"}, headers=key
    ).json()
    assert (made["sha256"], made["size_bytes"]) == (name, len(content))
    ticket = {"x-rbee-ticket": made["ticket"]}
    assert httpx2.get(url).status_code == 401
    assert httpx2.get(url, headers={"x-rbee-ticket": made["ticket"] + "0"}).status_code == 403
    assert httpx2.get(f"{alpha.url}/v1/models/files/{'0' * 64}", headers=ticket).status_code == 403
    assert httpx2.get(f"{beta.url}/v1/models/files/{name}", headers=ticket).status_code == 403
    assert httpx2.get(f"{alpha.url}/v1/info", headers=ticket).status_code == 401
    part = httpx2.get(url, headers={**ticket, "range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, content[1000:2000])
    assert httpx2.get(url, headers={**ticket, "range": "bytes=999999999-"}).status_code == 416
    ask = {"hive_id": "beta", "model": "big"}
    assert httpx2.post(f"{queen.url}/v1/hive/models/seek", json=ask).status_code == 401
    through = f"{queen.url}/v1/hives/alpha/models/files/{name}"
    assert httpx2.get(through, headers=ticket).status_code == 401
    assert httpx2.get(through, headers={**ticket, **key}).content == content


def test_a_copy_survives_the_end_of_either_hive(colony: Colony) -> None:
    content = big(24)
    queen = colony.queen()
    alpha = colony.hive("alpha", start=False, upload_rate_max_mb_s=SLOW)
    beta = colony.hive("beta", start=False)
    put(alpha, content)
    alpha.start(wait=False)
    beta.start(wait=False)
    known(queen, "big", 1)
    seen_hives(queen, 2)

    copy = Running(queen, operation="model_copy", model="big", from_hive="alpha", to_hive="beta")
    until_now(lambda: arrived(beta) > 6 * MB, within_s=WITHIN_S)
    beta.kill()
    left = arrived(beta)
    beta.start(wait=False)
    until_now(lambda: "Going on after" in copy.said, within_s=WITHIN_S)
    assert arrived(beta) >= left

    until_now(lambda: arrived(beta) > 14 * MB, within_s=WITHIN_S)
    alpha.kill()
    left = arrived(beta)
    alpha.start(wait=False)
    assert copy.ended()[-1]["action"] == "model_copy_complete", copy.said
    sizes = [
        e["data"]["bytes"]
        for e in copy.events
        if e["action"] == "model_download_progress"
        and e["type"] == "progress"
        and e["data"]["phase"] == "download"
    ]
    assert min(size for size in sizes[-3:]) >= left
    assert digest(beta) == hashlib.sha256(content).hexdigest()


def test_another_hive_gives_the_rest(colony: Colony) -> None:
    content = big(24)
    queen = colony.queen()
    alpha = colony.hive("alpha", start=False, upload_rate_max_mb_s=SLOW)
    beta, gamma = colony.hive("beta", start=False), colony.hive("gamma", start=False)
    for hive in (alpha, gamma):
        put(hive, content)
    for hive in (alpha, beta, gamma):
        hive.start(wait=False)
    known(queen, "big", 2)
    seen_hives(queen, 3)
    for hive in (alpha, gamma):  # so that the queen knows both digests
        httpx2.post(
            f"{hive.url}/v1/models/tickets",
            json={"model": "big", "reader": "beta"},
            headers={"authorization": f"Bearer {KEY}"},
        )
    copy = Running(queen, operation="model_copy", model="big", from_hive="alpha", to_hive="beta")
    until_now(lambda: arrived(beta) > 6 * MB, within_s=WITHIN_S)
    alpha.kill()
    assert copy.ended()[-1]["action"] == "model_copy_complete", copy.said
    assert "from the hive gamma" in copy.said
    assert digest(beta) == hashlib.sha256(content).hexdigest()


def test_a_hive_without_a_port_gives_through_the_queen(colony: Colony) -> None:
    content = big(4)
    queen = colony.queen()
    alpha = colony.hive("alpha", start=False, outbound_only="1")
    beta = colony.hive("beta", start=False, outbound_only="1")
    put(alpha, content)
    alpha.start(wait=False)
    beta.start(wait=False)
    known(queen, "big", 1)
    seen_hives(queen, 2)
    copy = Running(queen, operation="model_copy", model="big", to_hive="beta")
    assert copy.ended()[-1]["action"] == "model_copy_complete", copy.said
    assert "through the queen" in copy.said
    assert digest(beta) == hashlib.sha256(content).hexdigest()


def test_the_internet_is_asked_once(colony: Colony, monkeypatch: pytest.MonkeyPatch) -> None:
    content = big(4)
    file = StubFile(content, faults=Faults(hold_after=2 * MB))
    with StubHub({"org/m": StubRepository({"m-Q4_0.gguf": file})}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        queen = colony.queen()
        hives = [colony.hive(name, start=False) for name in ("alpha", "beta", "gamma")]
        for hive in hives:
            hive.start(wait=False)
        seen_hives(queen, 3)
        plan = httpx2.get(
            f"{queen.url}/v1/plan",
            params={"model": "org/m"},
            headers={"authorization": f"Bearer {KEY}"},
            timeout=WITHIN_S,
        )
        assert {row["download_bytes"] for row in plan.json()["options"]} == {len(content)}
        asked = len(hub.seen("GET", "/resolve/"))  # the header, for the plan
        loads = [
            Running(queen, operation="model_download", model="org/m", hive_id=name)
            for name in ("alpha", "beta", "gamma")
        ]
        until_now(
            lambda: sum("downloads it already" in load.said for load in loads) == 2,
            within_s=WITHIN_S,
        )
        hub.release()
        for load in loads:
            assert "model_download_complete" in {e["action"] for e in load.ended()}, load.said
        assert len(hub.seen("GET", "/resolve/")) == asked + 1
    assert sum("Copying it from the hive" in load.said for load in loads) == 2
    for hive in hives:
        found = models_of(hive) / "org--m--m-Q4_0.gguf" / "m-Q4_0.gguf"
        assert found.read_bytes() == content


def test_a_request_starts_a_worker_where_the_model_is_not(
    colony: Colony, starter_path: Path
) -> None:
    queen = colony.queen()
    alpha = colony.hive("alpha", start=False, memory_max_mb="64")  # has it, and no room for it
    beta = colony.hive("beta", start=False)
    put(alpha, starter_path.read_bytes(), "mine")
    alpha.start(wait=False)
    beta.start(wait=False)
    known(queen, "mine", 1)
    seen_hives(queen, 2)
    key = {"authorization": f"Bearer {KEY}"}
    httpx2.post(
        f"{alpha.url}/v1/models/tickets",
        json={"model": "mine", "reader": "beta"},
        headers=key,
        timeout=WITHIN_S,
    ).raise_for_status()  # a digest makes it one that others may have
    until_now(lambda: given(queen), within_s=WITHIN_S)
    answer = httpx2.post(
        f"{queen.url}/v1/chat/completions",
        json={
            "model": "mine",
            "messages": [{"role": "user", "content": "Say hi"}],
            "max_tokens": 4,
        },
        headers=key,
        timeout=WITHIN_S,
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-rbee-hive"] == "beta"
    assert digest(beta, "mine") == hashlib.sha256(starter_path.read_bytes()).hexdigest()


def given(queen: DaemonUnderTest) -> bool:
    """Whether the plan for the model names beta, which has it not yet."""
    plan = httpx2.get(
        f"{queen.url}/v1/plan",
        params={"model": "mine"},
        headers={"authorization": f"Bearer {KEY}"},
    ).json()
    return plan.get("hive_id") == "beta"
