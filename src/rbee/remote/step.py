"""One command of a plan, as a value that can be shown before it runs. Pure."""

from typing import Final

import msgspec

from rbee.remote.host import COMMAND_S
from rbee.remote.wheels import Wheel

_SHOWN_LINES_MAX: Final = 40  # of a file that is written: ours are shorter


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A line of ``sh`` and what goes into it.

    ``secret`` stands for stdin that is never shown; ``upload`` are files that go in
    as a tar archive under these names; ``may_fail`` is what to say when it fails and that is no reason
    to stop. ``within_s`` is how long it may take.
    """

    what: str
    command: str
    stdin: bytes = b""
    secret: bool = False
    upload: tuple[tuple[str, Wheel], ...] = ()
    may_fail: str | None = None
    within_s: float = COMMAND_S

    def shown(self) -> str:
        """As a dry run prints it: the command, and below it what it is given."""
        if self.secret:
            return f"{self.command}   # stdin: a secret, not shown"
        if self.upload:
            total = sum(wheel.size_bytes for _, wheel in self.upload) / 1e6
            names = "\n".join(f"#   {name}" for name, _ in self.upload)
            return f"{self.command}   # stdin: {len(self.upload)} wheels, {total:.0f} MB\n{names}"
        if self.stdin:
            lines = self.stdin.decode("utf-8", errors="replace").splitlines()[:_SHOWN_LINES_MAX]
            return f"{self.command} <<'END'\n" + "\n".join([*lines, "END"])
        return self.command
