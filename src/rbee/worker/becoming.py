"""How a worker turns into an engine that is a program of its own.

What can be said in our own words (a taken port, a file that is no model) is
checked in Python first; then this process becomes the program. So no Python is
in the path of a token, and pid, group and log stay the ones that the hive knows.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from rbee.contracts.exits import WorkerExit
from rbee.errors import EngineUnusable
from rbee.worker.leaving import leave


def become(argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Be ``argv`` from now on; on Windows, which cannot, wait for it and leave as it does.

    Raises:
        EngineUnusable: there is no such program, or this machine cannot run it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if sys.platform != "win32":
            os.execve(argv[0], list(argv), dict(env))  # noqa: S606  no shell is the point
        status = subprocess.run(list(argv), env=dict(env), check=False).returncode
    except OSError as error:
        raise EngineUnusable(f"{argv[0]} cannot be started: {error.strerror}.") from None
    leave(WorkerExit.OK if status == 0 else WorkerExit.LOAD_FAILED)
