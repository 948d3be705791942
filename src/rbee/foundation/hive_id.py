"""A hive's id: the setting, else the file that keeps it, else one made from the host's name.

It stands below the rooms, because ``rbee hive join`` must name the hive of this machine
just as that hive itself will.
"""

import re
import socket
import uuid
from pathlib import Path
from typing import Final

from rbee.contracts.ids import LOCAL_HIVE_NAMES, HiveId, is_hive_id
from rbee.errors import BadSettings, StorageError
from rbee.foundation import paths
from rbee.foundation.files import make_private_dir, write_atomic

_FILE: Final = "hive_id"


def hive_dir() -> Path:
    """The hive's own part of the data directory."""
    return paths.data_dir() / "hive"


def stable_hive_id(setting: str | None, directory: Path) -> HiveId:
    """The id that the hive keeps for life.

    Raises:
        BadSettings: the setting is no usable id.
        StorageError: the data directory cannot be written.
    """
    if setting is not None:
        if not is_hive_id(setting):
            raise BadSettings(
                f"hive_id {setting!r} cannot be used.",
                remedy="Use up to 64 letters, digits, dots, dashes and underscores, "
                f"and none of {', '.join(sorted(LOCAL_HIVE_NAMES))}.",
            )
        return HiveId(setting)
    try:
        found = (directory / _FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        found = ""
    return HiveId(found) if is_hive_id(found) else keep_hive_id(_from_host_name(), directory)


def keep_hive_id(hive_id: str, directory: Path) -> HiveId:
    """Write down the id that the hive has from now on.

    Raises:
        StorageError: the data directory cannot be written.
    """
    try:
        make_private_dir(directory)
        write_atomic(directory / _FILE, hive_id.encode())
    except OSError as error:
        raise StorageError(
            f"{directory} cannot be written: {error.strerror}.",
            remedy="Check the disk and the permissions, or set RBEE_DATA_DIR.",
        ) from None
    return HiveId(hive_id)


def _from_host_name() -> str:
    name = re.sub(r"[^A-Za-z0-9-]+", "-", socket.gethostname().partition(".")[0]).strip("-").lower()
    return name if is_hive_id(name) else f"hive-{uuid.uuid4().hex[:8]}"
