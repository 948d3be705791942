"""An operator at a terminal, for tests: a home of their own, and the real command line.

``Operator.rbee`` runs one command to its end, ``begin`` starts one that the test
goes on talking to. At the end nothing that was started in this home is left.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from rbee.testing.workers import free_port

COMMAND_WITHIN_S = 60.0  # a cold start with a model load takes 3 s on two idle cores


class Operator:
    """One user of one machine. Use as a context manager.

    ``root`` is an empty directory; ``cache`` is a folder with models to share, or
    None for one of their own. More settings are ``RBEE_*`` variables in ``env``.
    """

    def __init__(self, root: Path, *, cache: Path | None = None) -> None:
        self.root = root
        self.queen_port = free_port()
        self.hive_port = free_port()
        self.queen_url = f"http://localhost:{self.queen_port}"
        env = {name: value for name, value in os.environ.items() if not name.startswith("RBEE_")}
        self.env = env | {
            "RBEE_CONFIG_DIR": str(root / "config"),
            "RBEE_CACHE_DIR": str(cache or root / "cache"),
            "RBEE_DATA_DIR": str(root / "data"),
            "RBEE_QUEEN_PORT": str(self.queen_port),
            "RBEE_HIVE_PORT": str(self.hive_port),
            "RBEE_HIVE_FIRST_WORKER_PORT": str(free_port()),
        }

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End whatever is left."""
        for process in self.left_running():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def rbee(
        self, *words: str, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end.

        Raises:
            subprocess.TimeoutExpired: it takes longer than a minute.
        """
        return subprocess.run(
            [sys.executable, "-m", "rbee", *words],
            env={**self.env, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_WITHIN_S,
            check=False,
        )

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a command; its stdout and stderr are pipes."""
        return subprocess.Popen(
            [sys.executable, "-m", "rbee", *words],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def left_running(self) -> list[psutil.Process]:
        """Every process of this home: daemons, shims, engines, commands."""
        mark = str(self.root)
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                known = process.environ()
                words = [*process.cmdline(), *known.values()]
                ours = process.pid != os.getpid() and any(word.startswith(mark) for word in words)
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found
