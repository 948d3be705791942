"""The worker's front: settings in, an engine chosen, one exit status out.

The rule: whatever goes wrong leaves as one clear line on stderr and its own
``WorkerExit``, never as a traceback. The hive reads both and tells the user.
"""

import sys
from collections.abc import Sequence
from typing import Final

from rbee.contracts.exits import WorkerExit
from rbee.errors import (
    CorruptModel,
    EngineError,
    EngineUnusable,
    InvalidRequest,
    OutOfMemory,
    PortTaken,
    RbeeError,
)
from rbee.worker.leaving import leave
from rbee.worker.settings import WorkerSettings, parse_arguments

EXIT_BY_ERROR: Final[tuple[tuple[type[RbeeError], WorkerExit], ...]] = (
    (InvalidRequest, WorkerExit.BAD_ARGUMENTS),
    (PortTaken, WorkerExit.PORT_TAKEN),
    (CorruptModel, WorkerExit.BAD_MODEL),
    (EngineUnusable, WorkerExit.ENGINE_UNUSABLE),
    (OutOfMemory, WorkerExit.OUT_OF_MEMORY),
    (EngineError, WorkerExit.LOAD_FAILED),
)
"""First match wins: special classes stand before general ones."""


def exit_status(error: RbeeError) -> WorkerExit:
    """The status that tells the hive of ``error``."""
    for kind, status in EXIT_BY_ERROR:
        if isinstance(error, kind):
            return status
    return WorkerExit.CRASHED


def run(argv: Sequence[str]) -> int:
    """Serve until told to stop; the answer is the process's exit status."""
    try:
        _serve(parse_arguments(argv), list(argv))
    except RbeeError as error:
        _say(f"{error.message} {error.remedy}")
        leave(exit_status(error))
    except KeyboardInterrupt:
        leave(WorkerExit.OK)
    except MemoryError:
        _say(f"{OutOfMemory.__name__}: Python ran out of memory. {OutOfMemory.remedy}")
        leave(WorkerExit.OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 - the process's boundary: one line, no traceback
        _say(f"A fault in the worker: {type(error).__name__}: {error}")
        leave(WorkerExit.CRASHED)
    return WorkerExit.OK


def _serve(settings: WorkerSettings, argv: list[str]) -> None:
    """Hand over to the engine; each one's libraries load only when it is chosen."""
    if settings.tls_port is not None:
        from rbee.worker.tls import beside  # noqa: PLC0415 - ssl and asyncio: 60 ms not paid by others

        if settings.door_of is not None:
            beside.keep_door(settings)
            return
        beside.open_door(settings, argv)
    match settings.engine:
        case "scripted":
            from rbee.worker.api import host  # noqa: PLC0415 - uvicorn: 0.1 s not paid by others

            host.serve(settings)
        case "upstream":
            from rbee.worker.api import relay  # noqa: PLC0415 - uvicorn and httpx2, as above

            relay.serve(settings)
        case "llama-server":
            from rbee.worker.engines import llama_server  # noqa: PLC0415 - as above

            llama_server.serve(settings)
        case "vllm":
            from rbee.worker.engines import vllm  # noqa: PLC0415 - as above

            vllm.serve(settings)
        case "xllamacpp":
            from rbee.worker.engines import xllamacpp  # noqa: PLC0415 - as above

            xllamacpp.serve(settings)


def _say(text: str) -> None:
    """One line for the hive, whatever line breaks an engine put into it."""
    sys.stderr.write("rbee worker: " + " ".join(text.split()) + "\n")
