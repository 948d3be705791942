"""What every daemon says of itself."""

from typing import Any, Literal

import msgspec


class Health(msgspec.Struct, kw_only=True):
    """``GET /health``."""

    status: Literal["ok"] = "ok"


class ServiceInfo(msgspec.Struct, kw_only=True):
    """``GET /v1/info``. ``pid`` is for the operator on the same machine."""

    service: Literal["queen", "hive"]
    version: str
    base_url: str
    port: int
    pid: int
    features: list[str] = msgspec.field(default_factory=list[str])
    hive_id: str | None = None
    queen_url: str | None = None
    started_at: float | None = None


class ShutdownRequest(msgspec.Struct, kw_only=True):
    """``POST /v1/shutdown``. A hive stops its workers first, or leaves them for its successor."""

    keep_workers: bool = False


class ShutdownAck(msgspec.Struct, kw_only=True):
    """The answer, sent before the server goes."""

    status: Literal["stopping"] = "stopping"
    message: str = ""


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Every error of the control plane: what was wrong, where, what to do."""

    error: str
    details: str
    code: str
    remedy: str | None = None
    param: str | None = None
    data: Any = None
