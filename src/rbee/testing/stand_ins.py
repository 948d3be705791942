"""Programs that stand in for engines which cannot be installed everywhere.

``install`` writes an executable that behaves like the named program: it takes
the flags that our adapters pass and speaks the face that they read. What answers
behind it is ours: the real llama.cpp (``llama-server``) or the scripted engine
(``vllm``, ``plain``). So an adapter is tested to the letter of its own command
line, and not against the program itself; docs/engines.md says which was which.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rbee.worker.api.answers import Refusal
from rbee.worker.api.app import WorkerApi
from rbee.worker.api.exchange import Exchange
from rbee.worker.api.listener import serve_on
from rbee.worker.engines import xllamacpp
from rbee.worker.engines.script import Script
from rbee.worker.engines.scripted import ScriptedEngine
from rbee.worker.preflight import listen
from rbee.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

_NO_KEY: Final = "nobody-asks-for-this-one"
_VLLM_NAMES: Final = (
    (b"llamacpp:requests_processing ", b'vllm:num_requests_running{engine="0"} '),
    (b"llamacpp:requests_deferred ", b'vllm:num_requests_waiting{engine="0"} '),
    (b"llamacpp:tokens_predicted_total ", b'vllm:generation_tokens_total{engine="0"} '),
)


def install(program: str, path: Path) -> Path:
    """Write an executable at ``path`` that is ``program``; gives ``path`` back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"#!{sys.executable}\nimport sys\nfrom rbee.testing.stand_ins import main\n"
        f"main({program!r}, sys.argv[1:])\n",
        encoding="utf-8",
    )
    path.chmod(0o755)
    return path


def main(program: str, argv: list[str]) -> None:
    """Be ``program``."""
    {"llama-server": _llama_server, "vllm": _vllm, "plain": _plain}[program](argv)


def _llama_server(argv: list[str]) -> None:
    if "--version" in argv:
        sys.stderr.write("version: 6800 (stand-in)\n")
        return
    if "--list-devices" in argv:
        sys.stdout.write("Available devices:\n")
        return
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for flag in ("--model", "--alias", "--host", "--api-key-file"):
        parser.add_argument(flag, required=True)
    for flag in ("--port", "--ctx-size", "--parallel", "--n-predict", "--cache-ram"):
        parser.add_argument(flag, required=True, type=int)
    parser.add_argument("--threads", "--n-gpu-layers", type=int)
    parser.add_argument("--slot-save-path")
    for flag in ("--kv-unified", "--metrics", "--slots", "--offline"):
        parser.add_argument(flag, required=True, action="store_true")
    found = parser.parse_args(argv)
    settings = WorkerSettings(
        engine="xllamacpp",
        model=Path(found.model),
        alias=found.alias,
        host=found.host,
        port=found.port,
        key_file=Path(found.api_key_file),
        context_tokens=found.ctx_size,
        slots=found.parallel,
    )
    xllamacpp.serve(settings)


def _vllm(argv: list[str]) -> None:
    if argv == ["--version"]:
        sys.stdout.write("0.0.0+stand.in\n")
        return
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("serve", choices=["serve"])
    parser.add_argument("model", type=Path)
    for flag in ("--served-model-name", "--host"):
        parser.add_argument(flag, required=True)
    for flag in ("--port", "--max-model-len", "--max-num-seqs"):
        parser.add_argument(flag, required=True, type=int)
    found = parser.parse_args(argv)
    settings = WorkerSettings(
        engine="scripted",
        model=found.model,
        alias=found.served_model_name,
        host=found.host,
        port=found.port,
        key_file=Path(),
        context_tokens=found.max_model_len,
        slots=found.max_num_seqs,
    )
    asyncio.run(_serve(settings, _VllmFace(settings, os.environ["VLLM_API_KEY"])))


def _plain(argv: list[str]) -> None:
    """A small OpenAI server that wants no key: ``plain --port N --model NAME``."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--model", required=True)
    found = parser.parse_args(argv)
    if found.model.endswith("wrong-model"):
        sys.exit(f"plain: no model at {found.model}")
    settings = WorkerSettings(
        engine="scripted",
        model=Path(found.model),
        alias=found.model,
        host="127.0.0.1",
        port=found.port,
        key_file=Path(),
        context_tokens=2_048,
        slots=4,
    )
    asyncio.run(_serve(settings, _Keyless(settings)))


async def _serve(settings: WorkerSettings, face: "_Face") -> None:
    listener = listen(settings.host, settings.port)
    async with asyncio.TaskGroup() as group:
        group.create_task(face.engine.load())
        await serve_on(listener, face)


class _Face:
    """The scripted engine behind other manners than llama.cpp's."""

    def __init__(self, settings: WorkerSettings, key: str) -> None:
        self.engine = ScriptedEngine(settings, Script())
        self.api = WorkerApi(self.engine, key)
        self.key = key

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one HTTP request."""
        await self.api(scope, receive, send)

    def keyed(self, scope: "Scope") -> "Scope":
        """The request as if its caller had sent the key."""
        headers = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
        return {**scope, "headers": [*headers, (b"authorization", f"Bearer {self.key}".encode())]}


class _Keyless(_Face):
    def __init__(self, settings: WorkerSettings) -> None:
        super().__init__(settings, _NO_KEY)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer anyone, and tell nothing of slots and metrics."""
        if scope["path"] in {"/slots", "/metrics", "/props"}:
            refusal = Refusal(404, "Not Found", "not_found_error")
            await Exchange(scope, receive, send).json(refusal.status, refusal.body)
            return
        await self.api(self.keyed(scope), receive, send)


class _VllmFace(_Face):
    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """VLLM's paths: the key guards /v1 alone, metrics have its names, no slots."""
        path: str = scope["path"]
        if path in {"/slots", "/props"}:
            await Exchange(scope, receive, send).json(404, {"detail": "Not Found"})
        elif path == "/metrics":
            await self.api(self.keyed(scope), receive, _renaming(send))
        else:
            await self.api(scope, receive, send)


def _renaming(send: "Send") -> "Send":
    async def renamed(message: "Message") -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message["headers"] if pair[0] != b"content-length"]
            message = {**message, "headers": kept}
        elif "body" in message:
            body: bytes = message["body"]
            for name, theirs in _VLLM_NAMES:
                body = body.replace(name, theirs)
            message = {**message, "body": body}
        await send(message)

    return renamed
