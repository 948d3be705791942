"""Every published request, as it stands, against a running colony.

curl sends what docs/wire.md prints, only the ports are this test's own. The
large models come from a stub hub whose files hold the starter's bytes, so that
the real engine answers under their names.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rbee.contracts.aliases import resolve_alias
from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.hub import StubFile, StubHub, StubRepository
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

WITHIN_S = 90.0  # a download over loopback, a load, an answer; two busy cores
HEADER = ["-H", "Content-Type: application/json"]
NAMES = ("llama-3-8b", "meta-llama/Llama-3.2-1B")


@pytest.fixture(scope="module")
def colony(
    tmp_path_factory: pytest.TempPathFactory, starter_path: Path
) -> Iterator[tuple[DaemonUnderTest, DaemonUnderTest]]:
    content = starter_path.read_bytes()
    repositories = {
        source.repo: StubRepository(files={"model-Q4_K_M.gguf": StubFile(content)})
        for source in map(resolve_alias, NAMES)
        if source is not None
    }
    with (
        StubHub(repositories) as hub,
        pytest.MonkeyPatch.context() as patch,
        Colony(tmp_path_factory.mktemp("published"), scripted=False) as made,
    ):
        patch.setenv("HF_ENDPOINT", hub.url)
        queen, hive = made.queen(), made.hive(context_length="1024")
        until_now(lambda: "linked" in hive.said)
        yield queen, hive


def curl(server: DaemonUnderTest, *words: str) -> list[dict[str, Any]]:
    """POST /v1/jobs with curl, then read the job's stream with curl, to ``[DONE]``."""
    program = shutil.which("curl")
    assert program is not None, "the published requests are curl's: install it"
    url = f"http://localhost:{server.port}"
    accepted = run(program, "-X", "POST", f"{url}/v1/jobs", *words)
    answer = json.loads(accepted)
    assert set(answer) >= {"job_id", "sse_url"}, accepted
    lines = run(program, "-N", url + answer["sse_url"]).splitlines()
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    return [json.loads(line) for line in data[:-1]]


def run(program: str, *words: str) -> str:
    finished = subprocess.run(
        [program, "-s", "--max-time", str(WITHIN_S), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout


def actions(events: list[dict[str, Any]]) -> list[str]:
    return [event["action"] for event in events]


def test_status(colony: tuple[DaemonUnderTest, DaemonUnderTest]) -> None:
    queen, _ = colony
    events = curl(queen, *HEADER, "-d", '{"operation": "status"}')
    assert actions(events)[0] == "status_start"
    assert actions(events)[-1] == "status_complete"
    assert {"status_hives", "status_workers"} <= set(actions(events))


@pytest.mark.parametrize(
    "words",
    [
        [
            *HEADER,
            "-d",
            '{ "operation": "infer", "model": "llama-3-8b", "prompt": "Hello!", "max_tokens": 50}',
        ],
        ["-d", '{"operation": "infer", "model": "llama-3-8b", "prompt": "Hello!"}'],
    ],
    ids=["json", "form header"],
)
def test_infer(colony: tuple[DaemonUnderTest, DaemonUnderTest], words: list[str]) -> None:
    queen, _ = colony
    events = curl(queen, *words)
    assert actions(events)[0] == "infer_start"
    assert actions(events)[-1] == "infer_complete", events[-1]
    text = "".join(event["message"] for event in events if event["type"] == "token")
    assert text.strip()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_download_spawn_and_lists(colony: tuple[DaemonUnderTest, DaemonUnderTest]) -> None:
    _, hive = colony
    download = '{ "operation": "model_download", "hive_id": "localhost", "model": "meta-llama/Llama-3.2-1B"}'
    events = curl(hive, *HEADER, "-d", download)
    assert actions(events)[0] == "model_download_start"
    assert actions(events)[-1] == "model_download_complete"
    assert any("→" in event["message"] for event in events), "the mapping to a GGUF is shown"

    cpu = (
        '{ "operation": "worker_spawn", "hive_id": "localhost", '
        '"model": "meta-llama/Llama-3.2-1B", "worker": "cpu", "device": 0}'
    )
    plain = '{"operation": "worker_spawn", "hive_id": "localhost", "model": "llama-3-8b"}'
    for words in ([*HEADER, "-d", cpu], ["-d", plain]):
        events = curl(hive, *words)
        assert actions(events)[-1] == "worker_spawn_complete", events[-1]
        assert events[-1]["data"]["port"] >= 1024

    listing = '{ "operation": "worker_process_list", "hive_id": "localhost"}'
    entries = curl(hive, *HEADER, "-d", listing)
    assert actions(entries).count("worker_proc_list_entry") >= 2

    models = curl(hive, *HEADER, "-d", '{ "operation": "model_list", "hive_id": "localhost"}')
    rows = [event["data"] for event in models if event["action"] == "model_list_entry"]
    known = {name for row in rows for name in [row["id"], *row["aliases"]]}
    assert set(NAMES) <= known
    workers = [e["data"] for e in entries if e["action"] == "worker_proc_list_entry"]
    for worker in workers:
        stop = {"operation": "worker_process_delete", "worker_id": worker["worker_id"]}
        ended = curl(hive, "-d", json.dumps(stop))
        assert actions(ended)[-1] == "worker_proc_del_ok"


def test_real_embeddings_come_through_the_queen(
    colony: tuple[DaemonUnderTest, DaemonUnderTest],
) -> None:
    queen, hive = colony
    spawn = {"operation": "worker_spawn", "model": "llama-3-8b", "task": "embeddings"}
    events = curl(hive, "-d", json.dumps(spawn))
    worker_id = events[-1]["data"]["worker_id"]
    try:
        # The queen hears of the worker with its hive's next beat.
        until_now(lambda: embed(queen, "queen bee").status_code == 200, within_s=WITHIN_S)
        vector = embed(queen, "queen bee").json()["data"][0]["embedding"]
        assert abs(sum(x * x for x in vector) - 1) < 0.01
    finally:
        curl(hive, "-d", json.dumps({"operation": "worker_process_delete", "worker_id": worker_id}))


def embed(queen: DaemonUnderTest, text: str) -> httpx2.Response:
    body = {"model": "llama-3-8b", "input": text}
    return httpx2.post(f"{queen.url}/v1/embeddings", json=body, timeout=WITHIN_S)
