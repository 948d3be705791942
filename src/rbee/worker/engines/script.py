"""What the scripted engine is told to do, and to do wrong.

A worker's script comes from a JSON file (``--script``); one request may override
it with ``[[script {"delay_token_s": 0.05}]]`` anywhere in its prompt. A fault at
token N strikes instead of that token, and only in a request that sent the token
before it or that begins the answer: who continues a broken answer from N is
spared, so a drill can break a stream once and see it healed.
"""

import re
from enum import Enum
from pathlib import Path
from typing import TypeAlias

import msgspec

from rbee.contracts.exits import WorkerExit
from rbee.errors import InvalidRequest

_OVERRIDE = re.compile(r"\[\[script\s+(\{.*?\})\s*\]\]", re.DOTALL)


class Fault(Enum):
    """What can go wrong instead of a token."""

    CRASH = "crash"
    """The process dies between two events."""
    HANG = "hang"
    """Nothing comes any more, not even a ping; the slot stays taken."""
    GARBAGE = "garbage"
    """An event that is no JSON comes before the token."""


class Cut(msgspec.Struct, frozen=True):
    """The process dies inside the token's HTTP chunk (its header included).

    So many bytes of the chunk were written; None is half of it.
    """

    at_byte: int | None = None


Trouble: TypeAlias = Fault | Cut


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One worker's behaviour, or one request's.

    ``tokens`` is the answer's whole length; ``delay_first_s`` comes before the
    first token and ``delay_token_s`` before every other; ``load_s`` is answered
    with 503, ``never_ready`` for ever. ``exit_while_loading`` is the status to
    leave with at the end of the load. ``crash_at_token`` 0 dies before the
    answer's head. ``half_chunk_bytes`` says where inside its chunk the event of
    ``half_chunk_at_token`` is cut. ``slots`` overrides ``--slots``. ``dimensions`` is the length
    of an embedding. ``eat_mb`` MiB of memory are taken for good as an answer begins.
    """

    tokens: int = 24
    delay_first_s: float = 0.0
    delay_token_s: float = 0.0
    load_s: float = 0.0
    never_ready: bool = False
    exit_while_loading: WorkerExit | None = None
    crash_at_token: int | None = None
    hang_at_token: int | None = None
    garbage_at_token: int | None = None
    half_chunk_at_token: int | None = None
    half_chunk_bytes: int | None = None
    seed: int = 0
    slots: int | None = None
    dimensions: int = 64
    eat_mb: int = 0

    def fault_at(self, number: int, *, first: int) -> Trouble | None:
        """The fault that strikes at token ``number`` of a request that began at ``first``."""
        if number == first and number > 1:
            return None
        for planned, fault in (
            (self.crash_at_token, Fault.CRASH),
            (self.hang_at_token, Fault.HANG),
            (self.garbage_at_token, Fault.GARBAGE),
            (self.half_chunk_at_token, Cut(self.half_chunk_bytes)),
        ):
            if planned == number:
                return fault
        return None


def read_script(path: Path | None) -> Script:
    """Read a worker's script; without a file, one that does everything right.

    Raises:
        InvalidRequest: the file cannot be read or a field is wrong.
    """
    if path is None:
        return Script()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Script)
    except OSError as error:
        raise InvalidRequest(
            f"The script {path} cannot be read: {error.strerror}.", param="--script"
        ) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The script {path} is wrong: {error}.", param="--script") from None


def script_for(prompt: str, script: Script) -> Script:
    """The script of one request: the worker's, with the prompt's override on top.

    Raises:
        InvalidRequest: the override is no JSON object or a field is wrong.
    """
    found = _OVERRIDE.search(prompt)
    if found is None:
        return script
    try:
        override = msgspec.json.decode(found[1], type=dict[str, object])
        return msgspec.convert(msgspec.structs.asdict(script) | override, type=Script)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The [[script …]] in the prompt is wrong: {error}.") from None
