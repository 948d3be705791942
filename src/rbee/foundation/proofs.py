"""How a worker proves to the queen that it is the one she means.

Before she sends a request to an address that a hive advertised, she opens a connection
there, sends a nonce, and the worker answers with what only the holder of its own secret
can compute. So a port that another program took, an address of another machine and a
worker that was replaced are found out before a prompt or a key goes there. The queen
asks in ``queen.routes``, the worker answers in ``worker.tls``.
"""

import hmac
import re
import secrets
from typing import Final

PROBE_ALPN: Final = "rbee-probe/1"
"""In TLS: a connection for a proof alone. Nothing of it reaches the engine."""
TRAFFIC_ALPN: Final = "rbee/1"
"""In TLS: a connection whose bytes go on to the engine as they are."""
QUEEN_URI: Final = "rbee://queen"
"""The name in the queen's certificate, without the library that ``foundation.identity`` loads."""

NONCE_BYTES: Final = 32  # never the same twice
LINE_BYTES_MAX: Final = 128  # `RBEE-PROBE/1 `, 64 digits, a line end; and room to be refused
PROOF_BYTES: Final = 65  # 64 digits and a line end

_LINE: Final = re.compile(rb"RBEE-PROBE/1 ([0-9a-f]{64})\r?\n")
_DOMAIN: Final = b"rbee-probe/1 "


def make_nonce() -> bytes:
    """A new nonce."""
    return secrets.token_bytes(NONCE_BYTES)


def question(nonce: bytes) -> bytes:
    """The line that the queen sends."""
    return b"RBEE-PROBE/1 %b\n" % nonce.hex().encode()


def begins_question(data: bytes) -> bool:
    """Whether these first bytes are, or may become, such a line."""
    prefix = b"RBEE-PROBE/1 "
    return data.startswith(prefix) or prefix.startswith(data)


def nonce_in(line: bytes) -> bytes | None:
    """The nonce of a line, None for anything else."""
    found = _LINE.fullmatch(line)
    return None if found is None else bytes.fromhex(found.group(1).decode())


def proof(secret: str, nonce: bytes) -> bytes:
    """The worker's answer: HMAC-SHA256 of the nonce under its own bearer secret, as a line."""
    return hmac.digest(secret.encode(), _DOMAIN + nonce, "sha256").hex().encode() + b"\n"


def proves(secret: str, nonce: bytes, answer: bytes) -> bool:
    """Whether an answer is the right one; takes the same time for every wrong one."""
    return hmac.compare_digest(answer, proof(secret, nonce))
