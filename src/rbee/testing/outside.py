"""A llama.cpp server that is none of ours: started by hand, without a line of rbee in it.

The real thing behind "any OpenAI-compatible URL": its own process, its own key,
its own name for the model.
"""

import secrets
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx2
import msgspec

from rbee.testing.waiting import until_now
from rbee.testing.workers import free_port

_BY_HAND = """
import sys, time, xllamacpp
p = xllamacpp.CommonParams()
p.model.path, p.model_alias, p.port, p.api_keys = sys.argv[1], {sys.argv[2]}, int(sys.argv[3]), [sys.argv[4]]
p.hostnames, p.n_ctx, p.n_parallel, p.fit_params, p.ui = ["127.0.0.1"], 1024, 2, False, False
server = xllamacpp.Server(p)
time.sleep(3600)
"""
_READY_WITHIN_S = 60.0  # a second usually; two busy cores need more


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is, what it calls its model, and the key that it wants."""

    url: str
    model: str
    key: str


@contextmanager
def outside_server(model: Path, name: str, log: Path) -> Generator[Outside]:
    """Start it, wait until it answers, and end it after the block."""
    port, key = free_port(), secrets.token_hex(16)
    argv = [sys.executable, "-c", _BY_HAND, str(model), name, str(port), key]
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def answers() -> bool:
        try:
            return httpx2.get(f"{url}/health", timeout=2).status_code == HTTPStatus.OK
        except httpx2.TransportError:
            return False

    try:
        until_now(answers, within_s=_READY_WITHIN_S)
        yield Outside(url=url, model=name, key=key)
    finally:
        process.kill()
        process.wait()
