"""The worker's TLS door in its real place: in the worker's process, or beside a program's."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
from pathlib import Path

import psutil
import pytest

from rbee.contracts.exits import WorkerExit
from rbee.foundation.identity.peers import hive_name
from rbee.foundation.proofs import PROBE_ALPN, TRAFFIC_ALPN, make_nonce, proves, question
from rbee.testing import stand_ins
from rbee.testing.identities import Identities, client_context
from rbee.testing.waiting import until_now
from rbee.testing.workers import WorkerUnderTest, free_port, running_worker

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.name == "nt", reason="a second address without setup is Linux's own"),
]

DOOR = "127.0.0.2"  # Linux: another address of this machine, as its one on a network is
QUICK_S = 10.0


class Place:
    """An identity, and the words of a worker that opens a door with it."""

    def __init__(self, tmp_path: Path) -> None:
        self.colony = Identities(tmp_path / "colony")
        self.identity = self.colony.hive("hive-1")
        self.queen = self.colony.queen()
        self.port = free_port()
        self.words = ["--tls-host", DOOR, "--tls-port", str(self.port)]
        self.words += ["--identity", str(self.identity)]

    def context(self, alpn: str) -> ssl.SSLContext:
        return client_context(self.queen, self.colony.authority.pem, alpn)

    def ask(self, alpn: str, sent: bytes) -> bytes:
        """Say something through the door and read to the end."""
        with (
            socket.create_connection((DOOR, self.port), timeout=QUICK_S) as raw,
            self.context(alpn).wrap_socket(raw, server_hostname=hive_name("hive-1")) as tls,
        ):
            tls.sendall(sent)
            parts: list[bytes] = []
            with contextlib.suppress(OSError):
                while part := tls.recv(65_536):
                    parts.append(part)
            return b"".join(parts)

    def chat(self, worker: WorkerUnderTest) -> str:
        """One small answer of the model, through the door."""
        body = json.dumps({"prompt": "hello", "max_tokens": 4, "model": "starter"}).encode()
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {worker.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        return self.ask(TRAFFIC_ALPN, head.encode() + body).decode()

    def proves(self, worker: WorkerUnderTest) -> bool:
        nonce = make_nonce()
        return proves(worker.key, nonce, self.ask(PROBE_ALPN, question(nonce)))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_an_engine_of_ours_has_the_door_in_its_own_process(place: Place, tmp_path: Path) -> None:
    with running_worker(tmp_path / "w", port=place.port, more=place.words) as worker:
        worker.wait_ready()
        assert psutil.Process(worker.process.pid).children() == []
        assert place.proves(worker)
        answer = place.chat(worker)
        assert " 200 " in answer
        assert "text_completion" in answer


def test_llama_cpp_answers_through_the_door(
    place: Place, tmp_path: Path, starter_path: Path
) -> None:
    with running_worker(
        tmp_path / "w", engine="xllamacpp", model=starter_path, port=place.port, more=place.words
    ) as worker:
        worker.wait_ready()
        assert place.proves(worker)
        assert " 200 " in place.chat(worker)


def test_an_engine_that_is_a_program_has_it_beside_and_both_end_together(
    place: Place, tmp_path: Path
) -> None:
    program = stand_ins.install("vllm", tmp_path / "bin" / "vllm")
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}", encoding="utf-8")
    words = [*place.words, "--binary", str(program)]
    with running_worker(
        tmp_path / "w", engine="vllm", model=model, port=place.port, more=words
    ) as worker:
        worker.wait_ready()
        assert place.proves(worker)
        assert " 200 " in place.chat(worker)
        (beside,) = psutil.Process(worker.process.pid).children()
        assert worker.key not in " ".join(beside.cmdline())
        worker.process.send_signal(signal.SIGKILL)
        worker.wait_end()
        until_now(lambda: not beside.is_running())
        assert not asyncio.run(answers(place.port))


async def answers(port: int) -> bool:
    """Whether anybody listens at the door's port."""
    try:
        _, writer = await asyncio.open_connection(DOOR, port)
    except OSError:
        return False
    writer.close()
    return True


def test_a_taken_door_and_a_broken_identity_are_told_as_such(place: Place, tmp_path: Path) -> None:
    with (
        socket.create_server((DOOR, place.port)),
        running_worker(tmp_path / "w", port=place.port, more=place.words) as worker,
    ):
        assert worker.wait_end() == WorkerExit.PORT_TAKEN
    (place.identity / "cert.pem").write_bytes(b"nothing")
    with running_worker(tmp_path / "v", port=place.port, more=place.words) as worker:
        assert worker.wait_end() == WorkerExit.BAD_ARGUMENTS
        assert "join the colony again" in worker.stderr
