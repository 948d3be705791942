"""Who may use which route of the hive, besides operators and the queen: next to nobody.

Pure. The gate asks ``scopes_for`` for everyone else. A hive has no clients of its own:
its routes are the operator's and the queen's, and a new one is closed until somebody
opens it here on purpose. An operator signs in for the hive's own page.
"""

from typing import Final

from rbee.contracts.principals import Scope
from rbee.foundation.http.gate import OPEN

_NOBODY: Final[frozenset[Scope]] = frozenset()
_ROUTES: Final[dict[tuple[str, str], frozenset[Scope]]] = {
    ("GET", "/v1/info"): frozenset({"hive"}),
    ("POST", "/v1/session"): OPEN,  # the key is in its body
}


def scopes_for(method: str, path: str) -> frozenset[Scope]:
    """The scopes of which one is enough for a route; none: operators and the queen only."""
    return _ROUTES.get((method, path), _NOBODY)
