"""What only a hive can say, read through its queen: over a hive's link, streamed as it comes."""

import time
from pathlib import Path

import httpx2
import pytest

from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes
from rbee.testing.hub import StubFile, StubHub, StubRepository
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

MODEL = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (64, 64)),))
ASK = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}


def hive_of(queen: DaemonUnderTest) -> str:
    (row,) = httpx2.get(f"{queen.url}/v1/hives").json()["hives"]
    hive_id: str = row["hive_id"]
    return hive_id


def worker_of(queen: DaemonUnderTest, hive: str) -> str:
    job = httpx2.post(
        f"{queen.url}/v1/jobs", json={"operation": "worker_process_list", "hive_id": hive}
    ).json()
    text = httpx2.get(f"{queen.url}{job['sse_url']}", timeout=10).text
    return text.split('"worker_id":"')[1].split('"')[0]


def test_a_hive_without_a_port_is_read_through_the_queen(tmp_path: Path) -> None:
    repository = StubRepository({"M-Q4_K_M.gguf": StubFile(MODEL)}, downloads=7)
    with StubHub({"org/m": repository}) as hub, Colony(tmp_path) as colony:
        queen = colony.queen()
        hive = colony.hive(start=False, outbound_only="1")
        hive.env["HF_ENDPOINT"] = hub.url
        hive.start(wait=False)
        until_now(lambda: "hive linked" in queen.said)
        until_now(lambda: bool(httpx2.get(f"{queen.url}/v1/hives").json()["hives"]))
        doors = f"{queen.url}/v1/hives/{hive_of(queen)}"
        assert httpx2.get(f"{doors}/capabilities?refresh=1").json()["devices"][0]["id"] == "CPU-0"
        assert httpx2.post(f"{doors}/engines/probe", timeout=60).json()["engines"]
        assert httpx2.get(f"{doors}/info").json()["service"] == "hive"
        found = httpx2.get(f"{doors}/models/search?q=m&fit=1", timeout=20).json()["models"]
        assert [(one["id"], one["downloads"]) for one in found] == [("org/m", 7)]
        assert found[0]["files"][0]["fits"] == "yes"
        offer = httpx2.get(f"{doors}/models/offer?model=org/m", timeout=20).json()
        assert offer["size_bytes"] == len(MODEL)

        refused = httpx2.get(f"{doors}/models/offer?model=org/nothing", timeout=20)
        assert (refused.status_code, refused.json()["code"]) == (404, "model_not_found")
        assert httpx2.get(f"{queen.url}/v1/hives/nobody/info").json()["code"] == "hive_not_found"
        assert httpx2.get(f"{doors}/shutdown").status_code == 404, "no other door leads there"


def test_a_workers_log_is_followed_from_where_its_tail_ends(tmp_path: Path) -> None:
    with Colony(tmp_path) as colony:
        queen = colony.queen()
        hive = colony.hive()
        until_now(lambda: bool(httpx2.get(f"{queen.url}/v1/hives").json()["hives"]))
        asked = httpx2.post(f"{queen.url}/v1/chat/completions", json=ASK, timeout=30)
        assert asked.status_code == 200
        hive_id = hive_of(queen)
        worker = worker_of(queen, hive_id)
        log = hive.data / "hive" / "workers" / worker / "worker.log"
        door = f"{queen.url}/v1/hives/{hive_id}/workers/{worker}/logs"
        tail = httpx2.get(f"{door}?lines=1000")
        offset = int(tail.headers["x-rbee-log-offset"])
        assert "--- generation 1 ---" in tail.text
        with httpx2.stream("GET", f"{door}?follow=1&offset={offset}", timeout=10) as answer:
            lines = answer.iter_lines()
            began = time.monotonic()
            with log.open("a") as file:
                file.write("a new line\n")
            first = next(line for line in lines if line.startswith("id:"))
            said = next(lines)
            assert time.monotonic() - began < 5
        assert said == 'data: {"line":"a new line"}'
        with log.open("a") as file:
            file.write("another\n")
        seen = {"last-event-id": first.removeprefix("id: ")}
        with httpx2.stream("GET", f"{door}?follow=1", headers=seen, timeout=10) as answer:
            said = next(line for line in answer.iter_lines() if line.startswith("data:"))
        assert said == 'data: {"line":"another"}'
