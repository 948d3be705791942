"""Who may use which route of the queen, besides operators: the whole list, in one place.

Pure. The gate asks ``scopes_for`` for everyone who is no operator. What stands here not is
the operators' alone, so a new route is closed until somebody opens it here on purpose.
"""

from typing import Final

from rbee.contracts.principals import Scope
from rbee.foundation.http.gate import OPEN
from rbee.queen.api.dialects import ENDPOINTS, PREFIXES, dialect_of

_NOBODY: Final[frozenset[Scope]] = frozenset()
_INFERENCE: Final[frozenset[Scope]] = frozenset({"inference"})
_JOBS: Final[frozenset[Scope]] = frozenset({"jobs", "read"})  # each operation asks for its own
_READ: Final[frozenset[Scope]] = frozenset({"read"})
_HIVE: Final[frozenset[Scope]] = frozenset({"hive"})
_ANY_KEY: Final[frozenset[Scope]] = frozenset({"inference", "jobs", "read"})

_ROUTES: Final[dict[tuple[str, str], frozenset[Scope]]] = {
    ("GET", "/v1/info"): _ANY_KEY | _HIVE,
    ("POST", "/v1/session"): OPEN,  # the key is in its body
    ("GET", "/v1/session"): _ANY_KEY,
    ("DELETE", "/v1/session"): _ANY_KEY,
    ("GET", "/metrics"): _READ,
    ("GET", "/v1/plan"): _READ,
    ("GET", "/v1/requests"): _READ,
    ("GET", "/v1/heartbeats/stream"): _READ,
    ("GET", "/v1/state/stream"): _READ,
    ("GET", "/v1/ws"): _READ,
    ("GET", "/openapi.json"): _ANY_KEY,
    ("GET", "/v1/jobs"): _JOBS,
    ("POST", "/v1/jobs"): _JOBS,
    ("POST", "/v1/hive-heartbeat"): _HIVE,
    ("POST", "/v1/hive/ready"): _HIVE,
    ("GET", "/v1/hive/link"): _HIVE,
    ("POST", "/v1/hive/renew"): _HIVE,
    ("POST", "/v1/hive/models/seek"): _HIVE,
    ("GET", "/v1/hive/ca"): OPEN,  # a certificate is public
    ("POST", "/v1/hive/join"): OPEN,  # who has no certificate yet; a token or an approval decides
}

_MODELS: Final = tuple(f"{prefix}models" for prefix in PREFIXES)
_JOB: Final = "/v1/jobs/"
_HIVE_FILES: Final = "/v1/hives/"


def scopes_for(method: str, path: str) -> frozenset[Scope]:
    """The scopes of which one is enough for a route; none: operators only."""
    if path in ENDPOINTS:  # asked for every request of a client's key: found first
        return _INFERENCE
    method = "GET" if method == "HEAD" else method
    found = _ROUTES.get((method, path))
    if found is None:
        return _below(method, path)
    return found


def _below(method: str, path: str) -> frozenset[Scope]:
    """Of paths that go on with a name or an id."""
    if path.startswith(_MODELS):
        return _ANY_KEY
    if dialect_of(path) is not None:
        return _INFERENCE
    if path.startswith(_JOB):
        return _READ if path.endswith("/why") else _JOBS
    is_file = path.startswith(_HIVE_FILES) and "/models/files/" in path and method == "GET"
    return _HIVE if is_file else _NOBODY
