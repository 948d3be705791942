"""Which start of the queen this is: a number that only grows, in all that she commands.

A hive that has heard of a higher one takes no command of a lower one (``hive.epochs``):
so a queen that was replaced while she hung does no harm when she wakes. The number is at
least the Unix time of the start, so that it also grows when her data directory was lost.
"""

from pathlib import Path
from typing import Final

import msgspec

from rbee.foundation import logs
from rbee.foundation.files import make_private_dir, read_struct, write_struct

FILE: Final = "epoch.json"

_log = logs.get(__name__)


class Kept(msgspec.Struct, kw_only=True):
    """``<data>/queen/epoch.json``."""

    epoch: int = 0


def next_epoch(directory: Path, now_s: float) -> int:
    """The epoch of a queen that starts now; ``now_s`` in Unix seconds."""
    path = directory / FILE
    kept = read_struct(path, Kept) or Kept()
    epoch = max(kept.epoch + 1, int(now_s))
    try:
        make_private_dir(directory)
        write_struct(path, Kept(epoch=epoch))
    except OSError as error:  # the clock alone says it, next time
        _log.warning("epoch not kept", reason=str(error.strerror))
    return epoch
