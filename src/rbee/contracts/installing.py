"""Installing hives over SSH from the queen: what is told of it beside the job's steps."""

import msgspec


class HiveInstallState(msgspec.Struct, kw_only=True):
    """``GET /v1/hive-install``: whether the operation ``hive_install`` is on.

    ``public_key`` is the line for ``~/.ssh/authorized_keys`` of the other machine, null
    where it is not known. When it is off, ``reason`` and ``remedy`` say why and what to do.
    """

    enabled: bool
    public_key: str | None = None
    reason: str | None = None
    remedy: str | None = None


class UnknownHost(msgspec.Struct, kw_only=True):
    """``data`` of ``hive_install_unknown_host``: a machine that is met for the first time.

    The job then fails. When the operator has compared the fingerprint at the machine's own
    console, the same operation with ``fingerprint`` goes on.
    """

    host: str
    fingerprint: str
