"""Whose process answers on a port: a 200 is no proof, not even with our model's name."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from rbee.hive.workers.probe import Probe, Target, Whose
from rbee.testing.listening import listening

pytestmark = pytest.mark.anyio

KEY = "a-made-up-key"
Status = Callable[[str, str], int]
"""The status of an answer, by path and bearer."""


@asynccontextmanager
async def somebody(model: str, status: Status) -> AsyncGenerator[Probe]:
    """A server that lists ``model``, and the probe of it."""
    body = json.dumps({"data": [{"id": model}]}).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        bearer = next((x for x in head.split("\r\n") if x.lower().startswith("authorization")), "")
        code = status(head.split()[1], bearer.rpartition(" ")[2])
        writer.write(f"HTTP/1.1 {code} X\r\nConnection: close\r\n".encode())
        writer.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async with listening(serve) as port:
        probe = Probe(Target(host="127.0.0.1", port=port, key=KEY, model="m", task="generate"))
        try:
            yield probe
        finally:
            await probe.aclose()


def careful(path: str, bearer: str) -> int:
    return 200 if path in {"/health", "/v1/models"} or bearer == KEY else 401


@pytest.mark.parametrize(
    ("model", "status", "whose"),
    [
        ("m", careful, Whose.OURS),
        ("other", careful, Whose.STRANGER),
        ("m", lambda _path, _bearer: 200, Whose.STRANGER),
        ("m", lambda path, _bearer: 200 if path == "/v1/models" else 401, Whose.STRANGER),
        ("m", lambda path, _bearer: 200 if path == "/v1/models" else 503, Whose.SILENT),
    ],
)
async def test_only_our_key_and_our_models_name_are_ours(
    model: str, status: Status, whose: Whose
) -> None:
    async with somebody(model, status) as probe:
        assert await probe.whose() is whose


async def test_a_healthy_stranger_is_never_ready() -> None:
    async with somebody("m", lambda _path, _bearer: 200) as probe:
        with pytest.raises(TimeoutError), anyio.fail_after(0.3):
            await probe.wait_ready()
