"""What the keeper leaves for the hive when it has installed an engine."""

import msgspec

INSTALLED_FILE = "installed.json"
"""In the engine's folder; written last, so that its presence means "whole"."""


class Installed(msgspec.Struct, kw_only=True):
    """``<data>/engines/NAME/installed.json``. ``python`` is as ``3.11``."""

    package: str
    version: str
    python: str
