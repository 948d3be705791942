"""The log files of this machine's daemons and workers: find them, show their end, follow them.

A daemon that ``rbee queen start`` began writes to ``<data>/logs``; a worker to
its own folder under ``<data>/hive/workers``. The rule: only whole lines are
shown, and a log that is rotated while it is followed is picked up again.
"""

from pathlib import Path

import anyio

from rbee.errors import NotFound, WorkerNotFound
from rbee.foundation import paths
from rbee.foundation.announcements import Room
from rbee.keeper.daemons import log_path
from rbee.keeper.screen import out

LINES_SHOWN = 50  # a screenful; `--lines` asks for more
_LOOK_EVERY_S = 0.3  # files send no events everywhere; a reader does not notice a third of a second
_TAIL_BYTES_MAX = 4 * 1024 * 1024  # enough for thousands of lines, little enough to hold


def daemon_log(room: Room) -> Path:
    """The log of this machine's queen or hive.

    Raises:
        NotFound: it was never started in the background here.
    """
    path = log_path(room)
    if not path.exists():
        raise NotFound(
            f"The {room} has no log at {path}.",
            remedy=f"`rbee {room} run` writes to its own terminal or journal; "
            f"`rbee {room} start` and `rbee up` write this file.",
        )
    return path


def worker_log(worker: str) -> Path:
    """The log of a worker, running or gone, by its id or the beginning of it.

    Raises:
        WorkerNotFound: no such folder, or several begin like this.
    """
    home = paths.data_dir() / "hive" / "workers"
    folders = sorted(home.iterdir()) if home.is_dir() else []
    known = [folder.name for folder in folders if (folder / "worker.log").exists()]
    found = [name for name in known if name == worker] or [
        name for name in known if name.startswith(worker)
    ]
    if len(found) == 1:
        return home / found[0] / "worker.log"
    if found:
        raise WorkerNotFound(f"Several workers begin with {worker!r}: {', '.join(found)}.")
    raise WorkerNotFound(f"No worker {worker!r} has a log on this machine.")


async def show_log(path: Path, *, lines: int, follow: bool) -> None:
    """Print the last lines; with ``follow`` go on until Ctrl+C."""
    text, position = _tail(path, lines)
    if text:
        out(text, end="")
    while follow:
        await anyio.sleep(_LOOK_EVERY_S)
        fresh, position = _from(path, position)
        if fresh:
            out(fresh, end="")


def _tail(path: Path, lines: int) -> tuple[str, int]:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _TAIL_BYTES_MAX))
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    position = size - (len(content) - len(whole))
    shown = whole.splitlines(keepends=True)[-lines:] if lines > 0 else []
    return b"".join(shown).decode("utf-8", errors="replace"), position


def _from(path: Path, position: int) -> tuple[str, int]:
    """Whole lines after a position; from the start again when the file was replaced."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < position:
                position = 0
            file.seek(position)
            content = file.read()
    except FileNotFoundError:
        return "", position  # between a rotation's two steps
    whole = content[: content.rfind(b"\n") + 1]
    return whole.decode("utf-8", errors="replace"), position + len(whole)
