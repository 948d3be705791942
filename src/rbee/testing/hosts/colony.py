"""A colony on test hosts: a queen, hives that joined her with tokens, a laptop that asks.

Everything is done as people do it: the queen listens on her host's address and makes her CA,
each hive gets a token and joins over TLS, the laptop trusts the CA and nothing else.
"""

import asyncio
import json
import shutil
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import httpx2
import msgspec

from rbee.client.queen import QueenClient
from rbee.contracts.jobs import Status
from rbee.contracts.joining import ColonyCa, NewJoinToken
from rbee.contracts.status import HiveRow, WorkerRow
from rbee.foundation.http.tls import colony_context
from rbee.testing.hosts.daemons import Daemon
from rbee.testing.hosts.lan import Lan
from rbee.testing.waiting import until_now
from rbee.worker.engines.scripted_text import answer_after, render_chat

KEY: Final = "the-operator-of-the-test-hosts-0123456789"
PORT: Final = 7833  # wire.md
UP_WITHIN_S: Final = 30.0  # a second or two usually; two busy cores need more
ANSWER_WITHIN_S: Final = 60.0  # longer than any answer that a test asks for, with its cold start
TOKENS_MAX: Final = 5000  # the scripted engine ends by its script; others by a test's own limit
_TOKENS: Final = 24  # what the scripted engine says where nobody asks for more


class Glance(NamedTuple):
    """What the queen knows at one moment."""

    hives: dict[str, HiveRow]
    workers: list[WorkerRow]

    def up(self) -> set[str]:
        """The hives that she takes to be well."""
        return {hive_id for hive_id, row in self.hives.items() if row.state == "fresh"}

    def of(self, hive_id: str) -> list[WorkerRow]:
        """The workers of one hive."""
        return [row for row in self.workers if row.hive_id == hive_id]


class Talk:
    """One streamed answer, read in a thread of its own from a host's network."""

    def __init__(
        self, colony: "HostColony", model: str, prompt: str, *, tokens: int = TOKENS_MAX
    ) -> None:
        self.prompt = prompt
        self.pieces: list[tuple[float, str]] = []
        self.error: str | None = None
        self.done = False
        self._tokens = tokens
        self._thread = threading.Thread(target=self._read, args=(colony, model), daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """What has been said so far."""
        return "".join(piece for _, piece in self.pieces)

    def finish(self, within_s: float = ANSWER_WITHIN_S) -> str:
        """Wait for its end; gives the whole text.

        Raises:
            AssertionError: it broke, or goes on for longer.
        """
        self._thread.join(within_s)
        if not self.done:
            raise AssertionError(f"the stream broke after {len(self.pieces)} pieces: {self.error}")
        return self.text

    def _read(self, colony: "HostColony", model: str) -> None:
        body = _chat(model, self.prompt, stream=True, tokens=self._tokens)
        try:
            with (
                colony.laptop.network(),
                colony.http() as http,
                http.stream("POST", "/v1/chat/completions", json=body) as answer,
            ):
                if not answer.is_success:
                    self.error = f"{answer.status_code} {answer.read().decode()}"
                    return
                for event in _events(answer):
                    if event == "[DONE]":
                        self.done = True
                        return
                    self._take(json.loads(event))
        except (httpx2.HTTPError, ssl.SSLError) as error:
            self.error = repr(error)

    def _take(self, event: dict[str, Any]) -> None:
        if "error" in event:
            self.error = str(event["error"])
            return
        for choice in event["choices"]:
            if text := choice["delta"].get("content"):
                self.pieces.append((time.monotonic(), text))


class HostColony:
    """A queen on a host of its own, and whatever hives a test adds."""

    def __init__(self, lan: Lan, **settings: str | int) -> None:
        self.lan = lan
        self.laptop = lan.host("laptop")
        host = lan.host("queen")
        chosen: dict[str, str | int] = {"bind": "0.0.0.0", **settings}  # noqa: S104  a host of its own
        self.queen = Daemon(host, "queen", key=KEY, settings=chosen).start()
        self.url = f"https://{host.address}:{PORT}"
        self.hives: dict[str, Daemon] = {}
        self.ca = lan.folder / "ca.pem"
        """The colony's CA, asked for on the queen's own machine."""
        answer = host.ask(f"http://127.0.0.1:{PORT}/v1/hive/ca").raise_for_status()
        colony_ca = msgspec.json.decode(answer.content, type=ColonyCa)
        self.ca.write_text(colony_ca.certificate, encoding="utf-8")

    def token(self, *hive_ids: str) -> str:
        """A new join token, from the queen's own machine."""
        answer = self.queen.host.ask(
            f"http://127.0.0.1:{PORT}/v1/join-tokens",
            method="POST",
            key=KEY,
            body={"hive_ids": list(hive_ids)},
        )
        return msgspec.json.decode(answer.raise_for_status().content, type=NewJoinToken).token

    def hive(
        self,
        name: str,
        *,
        behind: str | None = None,
        key: str | None = None,
        model: Path | None = None,
        **settings: str | int,
    ) -> Daemon:
        """A new host with a hive that has joined; it has a model ``scripted-<name>`` of its own.

        ``behind`` a NAT it is outbound-only. ``model`` is a model's folder, which it gets.
        """
        host = self.lan.host(name, behind=behind)
        if model is not None:
            shutil.copytree(model, host.home / ".cache" / "rbee" / "models" / model.name)
        words = ["hive", "join", self.url, "--token", "-"]
        host.rbee(*words, input=self.token() + "\n")
        chosen: dict[str, str | int] = {
            "hive_id": name,
            "scripted_engine": 1,
            "scripted_models": f"scripted-{name}",
        }
        if behind is not None:
            chosen["outbound_only"] = 1
        daemon = Daemon(host, "hive", key=key, settings=chosen | settings).start(wait=False)
        self.hives[name] = daemon
        return daemon

    def wait_up(self, *names: str, within_s: float = UP_WITHIN_S) -> Self:
        """Return when the queen takes these hives (none named: all) to be well.

        Raises:
            AssertionError: she does not; with the logs.
        """
        wanted = set(names or self.hives)
        try:
            until_now(lambda: wanted <= self.glance().up(), within_s=within_s)
        except TimeoutError:
            logs = "\n".join(d.said[-3000:] for d in (self.queen, *self.hives.values()))
            raise AssertionError(f"not up: {wanted - self.glance().up()}\n{logs}") from None
        return self

    def glance(self) -> Glance:
        """What the queen knows now, asked on her own machine."""

        async def ask() -> Glance:
            async with QueenClient(f"http://127.0.0.1:{PORT}", key=KEY) as client:
                events = await client.jobs.collect(Status())
            found = {event.action: event.data for event in events}
            hives = msgspec.convert(found.get("status_hives", []), list[HiveRow])
            workers = msgspec.convert(found.get("status_workers", []), list[WorkerRow])
            return Glance({row.hive_id: row for row in hives}, workers)

        with self.queen.host.network():
            return asyncio.run(ask())

    def http(self, *, key: str | None = KEY, expects: str = "rbee://queen") -> httpx2.Client:
        """A client that trusts this colony's CA alone; use it inside a host's ``network()``."""
        return httpx2.Client(
            base_url=self.url,
            verify=colony_context(self.ca, expects=expects),
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            timeout=ANSWER_WITHIN_S,
            trust_env=False,
        )

    def say(self, model: str, prompt: str = "hello", *, tokens: int = 64) -> str:
        """One answer for the laptop, in one piece, of so many tokens at most.

        Raises:
            httpx2.HTTPStatusError: it was refused.
        """
        body = _chat(model, prompt, stream=False, tokens=tokens)
        with self.laptop.network(), self.http() as http:
            answer = http.post("/v1/chat/completions", json=body)
        said: Mapping[str, Any] = answer.raise_for_status().json()
        return said["choices"][0]["message"]["content"]

    def talk(self, model: str, *, tokens: int, every_s: float, say: str = "hello") -> Talk:
        """Begin a streamed answer of the scripted engine: so many tokens, so far apart."""
        script = f'[[script {{"tokens": {tokens}, "delay_token_s": {every_s}}}]]'
        return Talk(self, model, f"{say} {script}")

    def workers(self) -> dict[str, set[int]]:
        """The engines' processes on every hive's host."""
        return {name: set(hive.workers()) for name, hive in self.hives.items()}


def expected(prompt: str, tokens: int = _TOKENS) -> str:
    """The scripted engine's whole answer: what arrives if nothing is lost and nothing doubled."""
    return answer_after(render_chat([("user", prompt)]), total=tokens)


def _chat(model: str, prompt: str, *, stream: bool, tokens: int = TOKENS_MAX) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": model, "messages": messages, "stream": stream, "max_tokens": tokens}


def _events(answer: httpx2.Response) -> Iterator[str]:
    for line in answer.iter_lines():
        if line.startswith("data: "):
            yield line.removeprefix("data: ")
