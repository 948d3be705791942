"""The certificates that downloads believe.

Reading a machine's certificates takes some 50 ms, so a context is made once per
choice and shared. Call it in a thread: the hive's loop has beats to send.
"""

import os
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Final

import httpx2

_CONTEXTS_MAX: Final = 4  # one in practice; a test or a changed environment makes more


def trust(ca_file: str | None = None) -> ssl.SSLContext:
    """The configured file or folder of certificates, else the platform's.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` move the platform's, as read now.
    """
    named = ca_file if ca_file and Path(ca_file).exists() else None
    return _context(named, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=_CONTEXTS_MAX)
def _context(
    ca_file: str | None,
    _file_variable: str | None,
    _dir_variable: str | None,
) -> ssl.SSLContext:
    if ca_file is None:
        return httpx2.create_ssl_context()
    if Path(ca_file).is_dir():
        return ssl.create_default_context(capath=ca_file)
    return ssl.create_default_context(cafile=ca_file)
