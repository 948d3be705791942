"""Which engines there are on this machine, whether they work, and which one a spawn gets.

An engine is tried in a process of its own, because one that was built for another
CPU kills the process that loads it: that must become "unusable: reason", never a
dead hive. All are tried at once and beside the hive's start, which waits for none
of them; a spawn waits for the trial that runs. A success is remembered per version.
Comes from ``operations`` (spawn) and goes to ``workers/supervisor``.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.abc
import msgspec

from rbee.contracts.exits import explain_exit
from rbee.contracts.hives import DeviceType, EngineInfo
from rbee.errors import BadSettings, EngineUnusable, InvalidRequest
from rbee.foundation import logs
from rbee.foundation.files import read_struct, write_struct
from rbee.hive.devices.choice import DEVICE_KINDS
from rbee.hive.engine_settings import CommandSettings, UpstreamSettings
from rbee.hive.engines.command import Command
from rbee.hive.engines.engine import Engine
from rbee.hive.engines.llama_server import LlamaServer
from rbee.hive.engines.openai_url import OpenAIUrl
from rbee.hive.engines.scripted import NAME as SCRIPTED
from rbee.hive.engines.scripted import Scripted, is_scripted_model
from rbee.hive.engines.vllm import Vllm
from rbee.hive.engines.xllamacpp import GPU_BUILDS, XLlamaCpp

PROBE_S: Final = 60.0  # torch from a cold disk takes most of a minute; after that it hangs
_REASON_LENGTH_MAX: Final = 300  # one readable line
AUTO: Final = "auto"

_log = logs.get(__name__)


class _Proven(msgspec.Struct):
    """``engines.json``: engines that were seen to work, by name, version and machine."""

    engines: list[str] = msgspec.field(default_factory=list[str])


class Engines:
    """The engines of this hive. Until ``probe`` has ended they count as usable."""

    def __init__(self, engines: Sequence[Engine], upstreams: OpenAIUrl | None = None) -> None:
        """``upstreams`` is the one of ``engines`` that URLs and their names go to."""
        self._engines = {engine.name: engine for engine in engines}
        self._upstreams = upstreams
        self._reasons: dict[str, str | None] = {}
        self._trial: anyio.Event | None = None
        self.revision = 0
        """Another number means that ``infos`` may tell something new."""

    async def probe(
        self,
        memory: Path,
        *,
        afresh: bool = False,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Try every engine, all at once; ``memory`` is the file that remembers successes.

        ``afresh`` tries the remembered ones too. A second call waits for the first.
        """
        while self._trial is not None:
            await self._trial.wait()
        self._trial = trial = anyio.Event()
        task_status.started()
        try:
            proven = [] if afresh else (read_struct(memory, _Proven) or _Proven()).engines
            async with anyio.create_task_group() as group:
                for engine in self._engines.values():
                    group.start_soon(self._try, engine, proven)
            self._remember(memory, proven)
        finally:
            self._trial = None
            self.revision += 1
            trial.set()

    async def tried(self) -> None:
        """Wait for the trial that runs, if one does."""
        if self._trial is not None:
            await self._trial.wait()

    async def _try(self, engine: Engine, proven: Sequence[str]) -> None:
        reason = self._reasons[engine.name] = await _reason_against(engine, proven)
        if reason is not None and engine.missing() is None:
            _log.warning("engine unusable", name=engine.name, reason=reason)

    def _remember(self, memory: Path, proven: Sequence[str]) -> None:
        works = [
            _fingerprint(engine)
            for engine in self._engines.values()
            if self._reasons[engine.name] is None and _is_memorable(engine)
        ]
        if works == proven:
            return
        try:
            write_struct(memory, _Proven(engines=works))
        except OSError as error:
            _log.warning("cannot remember the engines", reason=error.strerror)

    def infos(self) -> list[EngineInfo]:
        """All engines, usable or not, for ``/v1/capabilities`` and ``/v1/engines``."""
        return [
            EngineInfo(
                name=engine.name,
                usable=self._reasons.get(engine.name) is None,
                version=engine.version(),
                reason=self._reasons.get(engine.name),
                device_types=sorted(engine.device_types) if engine.automatic else [],
            )
            for engine in self._engines.values()
        ]

    def get(self, name: str) -> Engine | None:
        """An engine by name, usable or not."""
        return self._engines.get(name)

    def server_of(self, worker: str) -> str | None:
        """The server that a spawn's ``worker`` means, when it is a URL or an upstream's name.

        Raises:
            InvalidRequest: it is a URL that cannot be used.
        """
        return self._upstreams.server_of(worker) if self._upstreams is not None else None

    def select(self, wanted: str, model: str, gpus: Collection[DeviceType] = ()) -> Engine:
        """The engine for a spawn. ``wanted`` is ``auto``, a kind of device, a name or a URL.

        ``auto`` prefers an engine that can use one of ``gpus``, the kinds that are here.

        Raises:
            InvalidRequest: nobody knows that word; names what there is.
            EngineUnusable: it is known and cannot be used here; says why.
        """
        word = wanted.strip().lower() or AUTO
        if is_scripted_model(model) and word in {AUTO, "cpu"}:
            word = SCRIPTED
        if self._upstreams is not None and self.server_of(wanted) is not None:
            return self._upstreams
        if word in self._engines:
            return self._named(self._engines[word])
        if word == AUTO:
            return self._for_a_gpu(gpus) or self._first(None, "any device")
        for kind in DEVICE_KINDS:
            if word == kind:
                return self._first(kind, kind)
        raise InvalidRequest(
            f"Unknown worker {wanted!r} at `$.worker`.",
            remedy=f"Use {AUTO}, a kind of device ({', '.join(DEVICE_KINDS)}), the URL of an "
            f"OpenAI-compatible server, or an engine of this hive: {', '.join(self._engines)}.",
            param="$.worker",
        )

    def _named(self, engine: Engine) -> Engine:
        if engine is self._upstreams:
            raise InvalidRequest(
                f"{engine.name} wants to know which server, at `$.worker`.",
                remedy="Give its URL, or its name from [[hive.upstreams]].",
                param="$.worker",
            )
        return self._usable(engine)

    def _usable(self, engine: Engine) -> Engine:
        reason = self._reasons.get(engine.name)
        if reason is not None:
            raise EngineUnusable(
                f"The engine {engine.name} cannot be used here: {reason}.", param="$.worker"
            )
        return engine

    def _for_a_gpu(self, gpus: Collection[DeviceType]) -> Engine | None:
        """The first that is chosen by itself and can use one of these kinds."""
        return next(
            (
                engine
                for engine in self._engines.values()
                if engine.automatic
                and not engine.device_types.isdisjoint(gpus)
                and self._reasons.get(engine.name) is None
                and engine.missing() is None
            ),
            None,
        )

    def _first(self, kind: DeviceType | None, words: str) -> Engine:
        fitting = [
            engine
            for engine in self._engines.values()
            if engine.automatic and (kind is None or kind in engine.device_types)
        ]
        there = [engine for engine in fitting if engine.missing() is None]
        for engine in there:
            if self._reasons.get(engine.name) is None:
                return engine
        if there:
            return self._usable(there[0])
        ways = "".join(f" {engine.name}: {engine.missing()}." for engine in fitting)
        raise EngineUnusable(
            f"No engine of this hive runs on {words}.",
            remedy=f"This hive has: {self._described()}.{ways} "
            "Or use `worker: auto` or another hive.",
            param="$.worker",
        )

    def _described(self) -> str:
        there = [engine for engine in self._engines.values() if engine.missing() is None]
        return ", ".join(
            f"{engine.name} ({'/'.join(sorted(engine.device_types))})" for engine in there
        )


def make_engines(
    *,
    scripted: bool,
    script: Path | None,
    llama_server: str | None = None,
    upstreams: Sequence[UpstreamSettings] = (),
    commands: Sequence[CommandSettings] = (),
) -> Engines:
    """The engines that this version knows; the scripted one only when asked for.

    Raises:
        BadSettings: a configured upstream or command cannot be used, or has a name twice.
    """
    try:
        relayed = OpenAIUrl(upstreams)
    except InvalidRequest as error:
        raise BadSettings(f"[[hive.upstreams]]: {error.message}") from None
    engines: list[Engine] = [XLlamaCpp(), LlamaServer(llama_server)]
    engines += [XLlamaCpp(build) for build in GPU_BUILDS]
    engines += [Vllm(), relayed]
    if scripted:
        engines.append(Scripted(script))
    engines += [Command(one) for one in commands]
    names = [engine.name for engine in engines] + [one.name.strip().lower() for one in upstreams]
    taken = {*DEVICE_KINDS, AUTO}
    for name in names:
        if name in taken:
            raise BadSettings(
                f"The name {name!r} in [[hive.commands]] or [[hive.upstreams]] is taken.",
                remedy="Choose another name.",
            )
        taken.add(name)
    return Engines(engines, relayed)


def _fingerprint(engine: Engine) -> str:
    return f"{engine.name} {engine.version()} {sys.executable} {platform.machine()}"


def _is_memorable(engine: Engine) -> bool:
    """Whether its version says all, so that a success need not be repeated."""
    return engine.name == "xllamacpp" and engine.version() is not None


async def _reason_against(engine: Engine, proven: Sequence[str]) -> str | None:
    """Why the engine cannot be used here; None when it can."""
    missing = engine.missing()
    if missing is not None:
        return missing
    if _is_memorable(engine) and _fingerprint(engine) in proven:
        return None
    said: list[str] = []
    env = {**os.environ, **engine.trial_env()}
    try:
        with anyio.fail_after(PROBE_S):
            for argv in engine.trials():
                tried = await anyio.run_process(
                    argv, check=False, stdin=subprocess.DEVNULL, env=env
                )
                if tried.returncode != 0:
                    return _reason_of(tried)
                said.append((tried.stdout + tried.stderr).decode(errors="replace"))
    except TimeoutError:
        return f"it did not load within {PROBE_S:g} s"
    except OSError as error:
        return f"it cannot be started: {error.strerror}"
    engine.learn(said)
    return None


def _reason_of(tried: "subprocess.CompletedProcess[bytes]") -> str:
    """A signal explains itself; otherwise the last line does."""
    if tried.returncode < 0:
        return explain_exit(tried.returncode)
    said = (tried.stdout + tried.stderr).decode(errors="replace").strip().splitlines()
    return (said[-1].strip() if said else explain_exit(tried.returncode))[:_REASON_LENGTH_MAX]
