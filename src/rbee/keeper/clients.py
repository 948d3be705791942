"""Clients for the queen and the hive that a command is about, each with the key for its address.

The rule: a key goes only where it belongs. ``foundation.trust`` knows which address has
which (``rbee login``); the colony's own key is for addresses that nobody logged in to.
"""

from rbee.client.hive import HiveClient
from rbee.client.queen import QueenClient
from rbee.foundation.trust import key_for
from rbee.keeper.addresses import address_of


def queen_client(flag: str | None) -> QueenClient:
    """The queen that ``--queen`` names, or the usual one.

    Raises:
        InvalidRequest, BadSettings: as ``address_of``.
    """
    url = address_of("queen", flag).url
    return QueenClient(url, key=key_for(url))


def hive_client(flag: str | None) -> HiveClient:
    """The hive that ``--hive`` names, or this machine's.

    Raises:
        InvalidRequest, BadSettings: as ``address_of``.
    """
    url = address_of("hive", flag).url
    return HiveClient(url, key=key_for(url))
