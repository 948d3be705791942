"""Which queen's commands count: the newest one's that this hive has heard of.

Each start of a queen has a higher epoch than the one before (``queen.epoch``). A queen
that was replaced and does not know it (she hung, a partition hid her) still sends
commands; a hive that heard of her successor refuses them. Kept on disk, so that a
restart of the hive forgets nothing.
"""

from pathlib import Path

import msgspec

from rbee.errors import StaleEpoch
from rbee.foundation import logs
from rbee.foundation.files import make_private_dir, read_struct, write_struct

FILE = "epoch.json"

_log = logs.get(__name__)


class Kept(msgspec.Struct, kw_only=True):
    """``<data>/hive/epoch.json``."""

    epoch: int = 0


class Epochs:
    """The highest epoch heard of."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self.highest = (read_struct(self._path, Kept) or Kept()).epoch

    def check(self, epoch: int) -> None:
        """Take note of a queen's epoch.

        Raises:
            StaleEpoch: a later one was heard of.
        """
        if epoch < self.highest:
            raise StaleEpoch(
                f"A queen of epoch {epoch} speaks, and this hive has heard of {self.highest}."
            )
        if epoch == self.highest:
            return
        self.highest = epoch
        try:
            make_private_dir(self._path.parent)
            write_struct(self._path, Kept(epoch=epoch))
        except OSError as error:  # it is known until this process ends
            _log.warning("epoch not kept", reason=str(error.strerror))
