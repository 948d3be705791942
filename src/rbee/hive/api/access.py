"""Who may use which route of the hive, besides operators and the queen: nobody.

Pure. The gate asks ``scopes_for`` for everyone else. A hive has no clients of its own:
its routes are the operator's and the queen's, and a new one is closed until somebody
opens it here on purpose.
"""

from typing import Final

from rbee.contracts.principals import Scope

_NOBODY: Final[frozenset[Scope]] = frozenset()
_PEERS: Final[frozenset[Scope]] = frozenset({"hive"})


def scopes_for(method: str, path: str) -> frozenset[Scope]:
    """The scopes of which one is enough for a route; none: operators and the queen only."""
    return _PEERS if (method, path) == ("GET", "/v1/info") else _NOBODY
