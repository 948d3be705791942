"""What is looked at before an engine starts, because engines say only "failed".

llama.cpp's server answers a taken port and a broken file with one and the same
error. Here each cause is found first and raised as its own class, which
``app`` turns into its own exit status.
"""

import errno
import mmap
import socket
import sys
from pathlib import Path

from rbee.errors import CorruptModel, InvalidRequest, PortTaken

GGUF_MAGIC = b"GGUF"
_HEADER_SCAN_BYTES = 16 * 1024 * 1024
"""Where a GGUF's keys are looked for: beyond any header with its vocabulary."""
_LISTEN_BACKLOG = 128  # connections that wait for accept; a worker has far fewer slots


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen on ``host:port``.

    The caller owns the socket: a library engine serves on it, a native engine
    closes it and binds by itself.

    Raises:
        PortTaken: somebody else listens there.
        InvalidRequest: the address is not one of this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        # Named, because asyncio sets TCP_NODELAY only then: without it every first
        # token on a kept connection waits 40 ms for a delayed ACK.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise InvalidRequest(
            f"Cannot listen on {host}: {error.strerror}.", param="--host"
        ) from None
    try:
        _share_nothing(listener)
        listener.bind(address)
        listener.listen(_LISTEN_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            raise PortTaken(f"Port {port} on {host} is taken: {error.strerror}.") from None
        raise InvalidRequest(
            f"Cannot listen on {host}:{port}: {error.strerror}.", param="--host"
        ) from None
    return listener


def check_port(host: str, port: int) -> None:
    """See that ``host:port`` is free now.

    Raises:
        PortTaken: somebody else listens there.
        InvalidRequest: the address is not one of this machine's.
    """
    listen(host, port).close()


def check_model(path: Path) -> None:
    """See that ``path`` can be read and begins like a GGUF file.

    Raises:
        CorruptModel: it is missing, unreadable or something else.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise CorruptModel(f"The model file {path} cannot be read: {error.strerror}.") from None
    if magic != GGUF_MAGIC:
        raise CorruptModel(f"The model file {path} is not a GGUF file: it begins with {magic!r}.")


def declares_pooling(path: Path) -> bool:
    """Whether a GGUF says itself how its token vectors become one embedding.

    The key is ``<architecture>.pooling_type``; finding its name anywhere in the
    header is enough, so no value is parsed.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as header:
        return header.find(b".pooling_type", 0, _HEADER_SCAN_BYTES) >= 0


def _share_nothing(listener: socket.socket) -> None:
    """Allow a port that a dead worker just left, but never one that is in use."""
    if sys.platform == "win32":  # SO_REUSEADDR would steal a port there
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
