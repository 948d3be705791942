"""Where identities lie on disk. Apart from ``folder``, because that loads cryptography."""

from pathlib import Path

from rbee.foundation import paths


def ca_dir() -> Path:
    """The colony's CA, on the queen's machine."""
    return paths.data_dir() / "queen" / "ca"


def queen_server_dir() -> Path:
    """What the queen's server shows."""
    return paths.data_dir() / "queen" / "server"


def queen_client_dir() -> Path:
    """What the queen shows to hives and workers that she dials."""
    return paths.data_dir() / "queen" / "client"


def hive_identity_dir() -> Path:
    """What a joined hive shows, to the queen and as a server."""
    return paths.data_dir() / "hive" / "identity"
