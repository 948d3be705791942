"""``rbee model download``: progress, Ctrl+C on the server too, and on from where it was."""

import json
import signal
from pathlib import Path

import httpx2
import pytest

from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes
from rbee.testing.hub import StubFile, StubHub, StubRepository
from rbee.testing.operator import Operator
from rbee.testing.stub_server import Faults
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

MIB = 1024 * 1024
CONTENT = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (1024, 1024)),))
MODEL_ID = "org/m:m-Q4_0.gguf"


def test_a_download_by_hand_is_cancelled_and_goes_on(tmp_path: Path) -> None:
    file = StubFile(CONTENT, faults=Faults(hold_after=2 * MIB))
    with (
        StubHub({"org/m": StubRepository({"m-Q4_0.gguf": file})}) as hub,
        Operator(tmp_path / "home") as operator,
    ):
        operator.env["HF_ENDPOINT"] = hub.url
        assert operator.rbee("hive", "start").returncode == 0
        part = tmp_path / "home/cache/models/org--m--m-Q4_0.gguf.part/m-Q4_0.gguf"

        first = operator.begin("model", "download", "org/m")
        until_now(lambda: part.exists() and part.stat().st_size == 2 * MIB)
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=10)
        assert first.returncode == 130
        assert "the same command goes on from there" in said
        jobs = httpx2.get(f"http://localhost:{operator.hive_port}/v1/jobs").json()["jobs"]
        assert [job["status"] for job in jobs] == ["cancelled"]

        hub.release()
        second = operator.rbee("model", "download", "org/m")
        assert second.returncode == 0, second.stderr
        assert "downloading org/m" in second.stderr
        assert f"{MODEL_ID} is here" in second.stderr
        assert hub.seen("GET", "/resolve/")[-1].headers["range"] == f"bytes={2 * MIB}-"

        (found,) = json.loads(operator.rbee("model", "list", "--json").stdout)
        assert (found["id"], found["status"]) == (MODEL_ID, "available")
        assert "org/m" in operator.rbee("model", "get", "org/m").stdout
        assert operator.rbee("model", "delete", "org/m").returncode == 0
        assert json.loads(operator.rbee("model", "list", "--json").stdout) == []
