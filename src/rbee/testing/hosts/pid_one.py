"""The first process of a host: says that the host stands, buries orphans, ends with its owner.

It runs alone, as ``python -I -S pid_one.py``, and imports nothing of rbee. Its standard
input is a pipe that only the test holds. When that closes, also because the test was
killed, this process ends, and with a host's first process the kernel ends all others.
"""

import contextlib
import os
import signal

STANDS = b"stands\n"


def _bury(_number: int, _frame: object) -> None:
    """Take the exit status of every child that ended: orphans of the host come here."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main() -> None:
    """Wait until the owner has gone."""
    signal.signal(signal.SIGCHLD, _bury)
    os.write(1, STANDS)
    while os.read(0, 1):  # nobody writes: the answer is the end
        pass


if __name__ == "__main__":
    main()
