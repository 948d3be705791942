"""Real worker processes for tests: started, watched and surely ended.

No hive takes part: the process is the one that a hive would start, with the
same command line. Its key is made up for each process.
"""

import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx2
import msgspec

from rbee.worker.engines.script import Script
from rbee.worker.settings import EngineName, Task

READY_WITHIN_S = 60.0  # the starter loads in a second; a loaded machine of two cores needs more
_LOOK_EVERY_S = 0.02  # a fraction of the fastest start (0.2 s)
_END_WITHIN_S = 10.0  # a worker leaves at once; this is where a test gives up and kills it
_CALL_S = 60.0  # longer than any answer that a test asks for


class WorkerUnderTest:
    """A started process and how to talk to it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, key: str, log: Path) -> None:
        self.process = process
        self.port = port
        self.key = key
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    @property
    def stderr(self) -> str:
        """All that it has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def client(self, *, key: str | None = None) -> httpx2.Client:
        """A client with the worker's key (or another), one connection per request.

        Connections are not reused: llama.cpp's server closes some of them after
        an answer without saying so.
        """
        return httpx2.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.key if key is None else key}"},
            limits=httpx2.Limits(max_keepalive_connections=0),
            timeout=_CALL_S,
        )

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> float:
        """Wait until ``/health`` says 200; the answer is the time it took.

        Raises:
            AssertionError: the process ended, or time ran out.
        """
        started_s = time.monotonic()
        with self.client() as client:
            while time.monotonic() - started_s < within_s:
                if self.process.poll() is not None:
                    raise AssertionError(f"the worker ended: {self.stderr}")
                try:
                    if client.get("/health").status_code == HTTPStatus.OK:
                        return time.monotonic() - started_s
                except httpx2.TransportError:
                    pass  # not bound yet
                time.sleep(_LOOK_EVERY_S)
        raise AssertionError(f"the worker was not ready after {within_s} s: {self.stderr}")

    def wait_end(self, within_s: float = _END_WITHIN_S) -> int:
        """Wait for the exit status."""
        return self.process.wait(within_s)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_worker(
    directory: Path,
    *,
    engine: EngineName = "scripted",
    model: Path | None = None,
    script: Script | None = None,
    alias: str = "starter",
    context: int = 2_048,
    slots: int = 2,
    task: Task = "generate",
    batch: int | None = None,
    port: int | None = None,
    more: Sequence[str] = (),
) -> Generator[WorkerUnderTest]:
    """Start a worker in ``directory`` (its private one) and end it after the block.

    ``more`` are further words of its command line. It is not ready yet: call ``wait_ready``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    key = secrets.token_hex(16)
    key_file = directory / "key"
    key_file.write_text(key, encoding="ascii")
    chosen = free_port() if port is None else port
    argv = [sys.executable, "-m", "rbee.worker", "--engine", engine, "--alias", alias]
    argv += ["--model", str(model or directory / "no-model"), "--key-file", str(key_file)]
    argv += ["--host", "127.0.0.1", "--port", str(chosen), "--task", task]
    argv += ["--context", str(context), "--slots", str(slots)]
    if batch is not None:
        argv += ["--batch", str(batch)]
    if script is not None:
        script_file = directory / "script.json"
        script_file.write_bytes(msgspec.json.encode(script))
        argv += ["--script", str(script_file)]
    argv += more
    log = directory / "stderr.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr
        )
    try:
        yield WorkerUnderTest(process, chosen, key, log)
    finally:
        process.kill()
        process.wait(_END_WITHIN_S)
