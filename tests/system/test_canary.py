"""No prompt and no secret is left behind: a colony is used in all ways, then searched.

Secrets are canaries: words that stand nowhere else. The one place where a prompt may be
is the store of jobs (README: it keeps what ``POST /v1/jobs`` was asked until it expires).
What an engine's log may quote of a wrong grammar or schema stands in docs/security.md.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import psutil
import pytest

from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

KEY = "canary-key-9f1c6a52d7e84b30"
TOKEN = "hf_canaryTokenOfTheHub41f7"
PROMPT = "canary-prompt-quite-unheard-of-77"
SPOKEN = "canary-of-a-job-that-is-kept-31"
MODEL = "starter"
STORE = "rbee.db"
UP_WITHIN_S = 60.0  # the starter loads in a second; two busy cores need more


class Used(NamedTuple):
    colony: Colony
    queen: DaemonUnderTest
    hive: DaemonUnderTest

    @property
    def root(self) -> Path:
        return self.colony.root

    @property
    def daemons(self) -> tuple[DaemonUnderTest, DaemonUnderTest]:
        return self.queen, self.hive


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory, starter_path: Path) -> Iterator[Used]:
    """A colony with the real engine that has answered, refused, failed and been left."""
    with Colony(tmp_path_factory.mktemp("canary"), scripted=False, key=KEY) as colony:
        queen = colony.queen(log_level="debug")
        hive = colony.hive(start=False, log_level="debug")
        hive.env["HF_TOKEN"] = TOKEN
        models = Path(hive.env["RBEE_CACHE_DIR"]) / "models"
        shutil.copytree(
            starter_path.parent, models / starter_path.parent.name, copy_function=os.link
        )
        hive.start()
        with client_of(queen) as client:
            use(client)
        yield Used(colony, queen, hive)


def client_of(daemon: DaemonUnderTest) -> httpx2.Client:
    return httpx2.Client(
        base_url=daemon.url, headers={"authorization": f"Bearer {KEY}"}, timeout=UP_WITHIN_S
    )


def use(client: httpx2.Client) -> None:
    until_now(lambda: client.get("/v1/models").json()["data"], within_s=UP_WITHIN_S)
    chat = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 4}
    assert client.post("/v1/chat/completions", json=chat).status_code == 200
    assert client.post("/v1/chat/completions", json={**chat, "stream": True}).status_code == 200
    endless = {**chat, "stream": True, "max_tokens": 2000, "ignore_eos": True}
    with client.stream("POST", "/v1/chat/completions", json=endless) as answer:
        next(answer.iter_bytes())  # and leave in the middle
    plain = {"model": MODEL, "prompt": PROMPT, "max_tokens": 4}
    assert client.post("/v1/completions", json=plain).status_code == 200
    for wrong in (
        {**chat, "model": f"no-such-model-{PROMPT}"[:40]},
        {**chat, "n_discard": -1},
        {**chat, "messages": [{"role": PROMPT, "content": {"x": PROMPT}}]},
        {**chat, "messages": [{"role": "user", "content": [{"image_url": f"http://{PROMPT}/"}]}]},
    ):
        assert client.post("/v1/chat/completions", json=wrong).status_code >= 400
    assert client.post("/v1/chat/completions", content=PROMPT).status_code == 400
    operation = {"operation": "infer", "model": MODEL, "prompt": SPOKEN, "max_tokens": 4}
    accepted = client.post("/v1/jobs", json=operation).json()
    assert "[DONE]" in client.get(accepted["sse_url"]).text
    refused = client.get("/v1/info", headers={"authorization": f"Bearer {KEY}-wrong"})
    assert refused.status_code == 401
    assert client.get(f"/v1/models?key={KEY}&prompt={PROMPT}").status_code == 200


def files_with(used: Used, word: str) -> list[str]:
    return [
        str(path.relative_to(used.root))
        for path in used.root.rglob("*")
        if path.is_file() and path.suffix != ".gguf" and word.encode() in path.read_bytes()
    ]


def test_no_file_holds_a_prompt(used: Used) -> None:
    assert files_with(used, PROMPT) == []


def test_a_kept_job_stands_in_the_store_alone(used: Used) -> None:
    assert {Path(name).name.removesuffix("-wal") for name in files_with(used, SPOKEN)} <= {STORE}


@pytest.mark.parametrize("secret", [KEY, TOKEN])
def test_no_file_holds_a_key(used: Used, secret: str) -> None:
    assert files_with(used, secret) == []


@pytest.mark.parametrize("word", [KEY, TOKEN, PROMPT, SPOKEN])
def test_no_command_line_holds_one(used: Used, word: str) -> None:
    words = [" ".join(process.cmdline()) for process in family(used)]
    assert len(words) >= 4  # queen, hive, shim, worker
    assert not any(word in line for line in words)


def test_workers_get_none_in_their_environment(used: Used) -> None:
    workers = used.colony.worker_processes()
    assert workers
    for worker in workers:
        assert not {KEY, TOKEN} & set(worker.environ().values())


def test_nobody_else_is_told(used: Used) -> None:
    for daemon in used.daemons:
        with client_of(daemon) as client:
            told = [client.get("/metrics").text, client.get("/v1/jobs").text]
            accepted = client.post("/v1/jobs", json={"operation": "status"})
            if accepted.status_code == 200:
                told.append(client.get(accepted.json()["sse_url"]).text)
            told.append(client.get("/v1/info").text)
        for word in (KEY, TOKEN, PROMPT, SPOKEN):
            assert not any(word in text for text in told)


def family(used: Used) -> list[psutil.Process]:
    found = {process.pid: process for process in used.colony.worker_processes()}
    for daemon in used.daemons:
        process = psutil.Process(daemon.pid)
        found |= {one.pid: one for one in (process, *process.children(recursive=True))}
    return list(found.values())
