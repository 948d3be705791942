"""Where rbee keeps its files on this platform.

Every directory can be moved by one environment variable, which is also how tests
give each colony a home of its own. Models live in ``~/.cache/rbee/models`` on all
platforms, because wire.md says so and people look for them there.
"""

import os
from pathlib import Path

import platformdirs

_APP = "rbee"


def config_dir() -> Path:
    """``config.toml`` and key files. ``RBEE_CONFIG_DIR`` moves it."""
    return _chosen("RBEE_CONFIG_DIR", Path.home() / ".config" / _APP)


def cache_dir() -> Path:
    """Everything that can be fetched again. ``RBEE_CACHE_DIR`` moves it."""
    return _chosen("RBEE_CACHE_DIR", Path.home() / ".cache" / _APP)


def models_dir() -> Path:
    """One folder per model, with its ``metadata.json``."""
    return cache_dir() / "models"


def data_dir() -> Path:
    """State and logs of the daemons. ``RBEE_DATA_DIR`` moves it."""
    return _chosen("RBEE_DATA_DIR", Path(platformdirs.user_data_dir(_APP, appauthor=False)))


def _chosen(variable: str, default: Path) -> Path:
    value = os.environ.get(variable, "").strip()
    return Path(value).expanduser() if value else default
