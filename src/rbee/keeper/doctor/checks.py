"""The doctor's judgement: facts in, findings out. Pure.

The rules: a finding that is not ``ok`` says what to do; ``fail`` means that
something which was asked for cannot work, ``warn`` that it may not work soon or
that nothing is wrong with a daemon that simply does not run.
"""

from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from rbee import __version__
from rbee.contracts.exits import explain_exit
from rbee.contracts.hives import EngineInfo
from rbee.foundation.announcements import Room
from rbee.keeper.units import size_text

Result = Literal["ok", "warn", "fail"]

FREE_FAIL_BYTES = 500_000_000  # the starter and its temporary copy do not fit below this
FREE_WARN_BYTES = 10_000_000_000  # two usual models of 7B parameters, quantized

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report, and one object of ``rbee doctor --json``."""

    check: str
    result: Result
    message: str
    remedy: str | None = None


class EngineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a trial load of the engine in a process of its own showed.

    ``exit_status`` is subprocess's return code, null when it took too long;
    ``avx2`` is null where the question does not arise (no x86) or nobody knows.
    """

    version: str | None
    exit_status: int | None
    said: str = ""
    avx2: bool | None = None


class PortFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Who listens on a daemon's port: nobody (``free``), our room, or ``owner``."""

    room: Room
    port: int
    free: bool
    ours: bool = False
    owner: str | None = None


class FolderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that rbee writes to, or would once it is made."""

    name: str
    path: str
    writable: bool
    free_bytes: int | None


class RoomFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A daemon, or why it is not reached. ``alive`` when its process was seen.

    ``doorless``: a hive that listens for nobody (`outbound_only`).
    """

    room: Room
    url: str
    named: bool
    alive: bool = False
    version: str | None = None
    hive_id: str | None = None
    queen_url: str | None = None
    error: str | None = None
    wants_key: bool = False
    doorless: bool = False

    @property
    def reached(self) -> bool:
        """Whether it answered who it is."""
        return self.version is not None


def check_engine(facts: EngineFacts) -> Finding:
    """Can llama.cpp run here?"""
    if facts.avx2 is False:
        return Finding(
            check="engine",
            result="fail",
            message="This CPU has no AVX2, which the engine (xllamacpp) was built for.",
            remedy="Use a newer machine as hive, or build xllamacpp for this CPU from its source.",
        )
    if facts.exit_status == 0:
        return Finding(
            check="engine", result="ok", message=f"llama.cpp (xllamacpp {facts.version}) runs here."
        )
    why = "it hung" if facts.exit_status is None else explain_exit(facts.exit_status)
    said = f": {facts.said}" if facts.said else f" ({why})"
    return Finding(
        check="engine",
        result="fail",
        message=f"The engine (xllamacpp) cannot be loaded{said}.",
        remedy="Install rbee again (`pip install --force-reinstall rbee`) for this Python "
        "and this machine.",
    )


def check_engines(engines: Sequence[EngineInfo] | None) -> Finding | None:
    """What can the hive run with? None when it is not reached: that is another finding."""
    if engines is None:
        return None
    usable = [engine.name for engine in engines if engine.usable]
    rest = "".join(f" {e.name}: {e.reason}." for e in engines if not e.usable and e.reason)
    if not usable:
        return Finding(
            check="engines",
            result="fail",
            message=f"The hive has no engine that it can use.{rest}",
            remedy="Mend one of them, then `rbee engine probe`.",
        )
    others = f" Not usable:{rest}" if rest else ""
    return Finding(
        check="engines", result="ok", message=f"The hive can use {', '.join(usable)}.{others}"
    )


def check_port(facts: PortFacts) -> Finding:
    """Is the port free, or ours?"""
    name = f"port {facts.port} ({facts.room})"
    if facts.ours and not facts.port:
        return Finding(check=f"port ({facts.room})", result="ok", message="Our hive has none.")
    if facts.ours:
        return Finding(check=name, result="ok", message=f"Our {facts.room} listens on it.")
    if facts.free:
        return Finding(check=name, result="ok", message="Free.")
    by = f" by {facts.owner}" if facts.owner else " by a program of another user"
    return Finding(
        check=name,
        result="fail",
        message=f"Taken{by}.",
        remedy=f"Stop that program, or set another port: RBEE_{facts.room.upper()}_PORT.",
    )


def check_folder(facts: FolderFacts) -> Finding:
    """Can we write there, and is there room?"""
    name = f"{facts.name} folder"
    if not facts.writable:
        variable = "RBEE_CACHE_DIR" if facts.name == "models" else "RBEE_DATA_DIR"
        return Finding(
            check=name,
            result="fail",
            message=f"{facts.path} cannot be written.",
            remedy=f"Correct its permissions, or choose another place with {variable}.",
        )
    message = f"{facts.path}: {size_text(facts.free_bytes)} free."
    if facts.free_bytes is not None and facts.free_bytes < FREE_WARN_BYTES:
        return Finding(
            check=name,
            result="fail" if facts.free_bytes < FREE_FAIL_BYTES else "warn",
            message=message,
            remedy="Free some space: `rbee model list`, then `rbee model delete ID`.",
        )
    return Finding(check=name, result="ok", message=message)


def check_room(facts: RoomFacts) -> Finding:
    """Does the daemon run, answer, and have our version?"""
    if facts.doorless:
        message = "Runs, and listens for nobody: all goes over the link to its queen."
        return Finding(check=facts.room, result="ok", message=message)
    return _check_reached(facts) if facts.reached else _check_silent(facts)


def _check_reached(facts: RoomFacts) -> Finding:
    if facts.version != __version__:
        return Finding(
            check=facts.room,
            result="warn",
            message=f"{facts.url} is version {facts.version}, this program is {__version__}.",
            remedy="Install the same version on both; `rbee down`, then `rbee up`, "
            "restarts what runs here.",
        )
    return Finding(check=facts.room, result="ok", message=f"Runs at {facts.url}.")


def _check_silent(facts: RoomFacts) -> Finding:
    if facts.wants_key:
        return Finding(
            check=facts.room,
            result="fail",
            message=f"Runs at {facts.url} and refuses this command: {facts.error}",
            remedy=f"`rbee login {facts.url}` asks for a key and keeps it; or set RBEE_API_KEY.",
        )
    if facts.alive:
        return Finding(
            check=facts.room,
            result="fail",
            message=f"Its process lives but does not answer: {facts.error}",
            remedy=f"`rbee logs {facts.room}` shows what it does; `rbee {facts.room} stop` ends it.",
        )
    if facts.named:
        return Finding(
            check=facts.room,
            result="fail",
            message=facts.error or f"{facts.url} does not answer.",
            remedy="Check the address, the firewall between, and `rbee "
            f"{facts.room} status` on that machine.",
        )
    return Finding(
        check=facts.room,
        result="warn",
        message="Does not run on this machine.",
        remedy=f"`rbee up` starts a colony; `rbee {facts.room} start` the {facts.room} alone.",
    )


def check_join(queen: RoomFacts, hive: RoomFacts, hive_ids: list[str] | None) -> Finding | None:
    """Are they joined to each other? None when one of them is missing.

    ``hive_ids`` are the hives that the queen knows, null when she did not say.
    """
    if not hive.reached:
        return None
    told = hive.queen_url
    if told is not None and _is_local(told) and not _is_local(hive.url):
        return Finding(
            check="join",
            result="fail",
            message=f"The hive at {hive.url} is on another machine and was told that its queen is "
            f"at {told}, which there means itself.",
            remedy="Start it with the queen's address as that machine sees it: "
            "`rbee hive start --queen http://QUEEN:7833`.",
        )
    if not queen.reached:
        return None
    if hive_ids is None or hive.hive_id in hive_ids:
        return Finding(check="join", result="ok", message=f"Hive {hive.hive_id} has joined.")
    return Finding(
        check="join",
        result="fail",
        message=f"Hive {hive.hive_id} has not joined the queen at {queen.url}"
        + (f"; it was told {told}." if told else "."),
        remedy="Is that the same queen, and does the key match? `rbee logs hive` says why "
        "it cannot join.",
    )


def _is_local(url: str) -> bool:
    return (urlsplit(url).hostname or "") in _LOOPBACK
