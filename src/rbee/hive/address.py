"""Under which address the queen reaches this machine."""

import socket

from rbee.foundation.http.gate import is_loopback
from rbee.hive.settings import HiveSettings

_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  compared, not bound
_SOMEWHERE = ("192.0.2.1", 9)  # TEST-NET-1 (RFC 5737): no packet is sent by connecting UDP


def advertised(settings: HiveSettings) -> str:
    """The setting, else the bound address, else this machine's address on its way out."""
    if settings.advertise:
        return settings.advertise
    if is_loopback(settings.bind):
        return "127.0.0.1"
    return _outward() if settings.bind in _WILDCARDS else settings.bind


def _outward() -> str:
    """The source address that the system would use for the default route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.connect(_SOMEWHERE)
        except OSError:  # no route: nobody outside reaches us anyway
            return "127.0.0.1"
        address: str = trial.getsockname()[0]
        return address
