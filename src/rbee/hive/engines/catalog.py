"""Which engines there are on this machine, whether they work, and which one a spawn gets.

An engine is tried in a process of its own at the hive's start, because one that
was built for another CPU kills the process that loads it: that must become
"unusable: reason", never a dead hive. A success is remembered per version.
Comes from ``operations`` (spawn) and goes to ``workers/supervisor``.
"""

import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
import msgspec

from rbee.contracts.exits import explain_exit
from rbee.contracts.hives import DeviceType, EngineInfo
from rbee.errors import EngineUnusable, InvalidRequest
from rbee.foundation import logs
from rbee.foundation.files import read_struct, write_struct
from rbee.hive.devices.choice import DEVICE_KINDS
from rbee.hive.engines.engine import Engine
from rbee.hive.engines.scripted import NAME as SCRIPTED
from rbee.hive.engines.scripted import Scripted, is_scripted_model
from rbee.hive.engines.xllamacpp import XLlamaCpp

PROBE_S: Final = 30.0  # loading a large library from a cold disk; after that it hangs
_REASON_LENGTH_MAX: Final = 300  # one readable line
AUTO: Final = "auto"

_log = logs.get(__name__)


class _Proven(msgspec.Struct):
    """``engines.json``: engines that were seen to work, by name, version and machine."""

    engines: list[str] = msgspec.field(default_factory=list[str])


class Engines:
    """The engines of this hive; ``probe`` first."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = {engine.name: engine for engine in engines}
        self._reasons: dict[str, str | None] = {}

    async def probe(self, memory: Path) -> None:
        """Try every engine; ``memory`` is the file that remembers successes."""
        proven = read_struct(memory, _Proven) or _Proven()
        for engine in self._engines.values():
            self._reasons[engine.name] = await _reason_against(engine, proven.engines)
            if self._reasons[engine.name]:
                _log.warning("engine unusable", name=engine.name, reason=self._reasons[engine.name])
        works = [_fingerprint(e) for e in self._engines.values() if self._reasons[e.name] is None]
        if works != proven.engines:
            try:
                write_struct(memory, _Proven(engines=works))
            except OSError as error:
                _log.warning("cannot remember the engines", reason=error.strerror)

    def infos(self) -> list[EngineInfo]:
        """All engines, usable or not, for ``/v1/capabilities``."""
        return [
            EngineInfo(
                name=engine.name,
                usable=self._reasons.get(engine.name) is None,
                version=engine.version(),
                reason=self._reasons.get(engine.name),
            )
            for engine in self._engines.values()
        ]

    def get(self, name: str) -> Engine | None:
        """An engine by name, usable or not."""
        return self._engines.get(name)

    def select(self, wanted: str, model: str) -> Engine:
        """The engine for a spawn. ``wanted`` is ``auto``, a kind of device or a name.

        Raises:
            InvalidRequest: nobody knows that word; names what there is.
            EngineUnusable: it is known and cannot be used here; says why.
        """
        word = wanted.strip().lower() or AUTO
        if is_scripted_model(model) and word in {AUTO, "cpu"}:
            word = SCRIPTED
        if word in self._engines:
            return self._usable(self._engines[word])
        if word == AUTO:
            return self._first(None, "any device")
        for kind in DEVICE_KINDS:
            if word == kind:
                return self._first(kind, kind)
        raise InvalidRequest(
            f"Unknown worker {wanted!r} at `$.worker`.",
            remedy=f"Use {AUTO}, a kind of device ({', '.join(DEVICE_KINDS)}) "
            f"or an engine of this hive: {', '.join(self._engines)}.",
            param="$.worker",
        )

    def _usable(self, engine: Engine) -> Engine:
        reason = self._reasons.get(engine.name)
        if reason is not None:
            raise EngineUnusable(
                f"The engine {engine.name} cannot be used here: {reason}.", param="$.worker"
            )
        return engine

    def _first(self, kind: DeviceType | None, words: str) -> Engine:
        fitting = [
            engine
            for engine in self._engines.values()
            if engine.automatic and (kind is None or kind in engine.device_types)
        ]
        for engine in fitting:
            if self._reasons.get(engine.name) is None:
                return engine
        if fitting:
            return self._usable(fitting[0])
        raise EngineUnusable(
            f"No engine of this hive runs on {words}.",
            remedy=f"This hive has: {self._described()}. Use `worker: auto` or another hive.",
            param="$.worker",
        )

    def _described(self) -> str:
        return ", ".join(
            f"{engine.name} ({'/'.join(sorted(engine.device_types))})"
            for engine in self._engines.values()
        )


def make_engines(*, scripted: bool, script: Path | None) -> Engines:
    """The engines that this version knows; the scripted one only when asked for."""
    engines: list[Engine] = [XLlamaCpp()]
    if scripted:
        engines.append(Scripted(script))
    return Engines(engines)


def _fingerprint(engine: Engine) -> str:
    return f"{engine.name} {engine.version()} {sys.executable} {platform.machine()}"


async def _reason_against(engine: Engine, proven: Sequence[str]) -> str | None:
    """Why the engine cannot be used here; None when it can."""
    if engine.version() is None:
        return "it is not installed"
    argv = engine.probe_argv()
    if argv is None or _fingerprint(engine) in proven:
        return None
    try:
        with anyio.fail_after(PROBE_S):
            tried = await anyio.run_process(argv, check=False, stdin=subprocess.DEVNULL)
    except TimeoutError:
        return f"it did not load within {PROBE_S:g} s"
    except OSError as error:
        return f"it cannot be started: {error.strerror}"
    if tried.returncode == 0:
        return None
    said = tried.stderr.decode(errors="replace").strip().splitlines()
    return (said[-1] if said else explain_exit(tried.returncode))[:_REASON_LENGTH_MAX]
