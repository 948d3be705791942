"""How much asyncio reads at a time.

Its transports ask the kernel for 256 KiB with each read, and make a buffer of that
size for it. glibc maps such a buffer into memory and unmaps it again, every time:
14 µs where a read of 64 KiB takes 2 (measured, ``socket.recv`` of 240 bytes). That is
most of what a relayed event costs.
"""

import asyncio
from typing import Final

READ_BYTES: Final = 64 * 1024  # glibc maps from 128 KiB on; a full socket is read in four turns


def read_less(transport: asyncio.BaseTransport) -> None:
    """Make a transport read ``READ_BYTES`` at a time, where it is asyncio's own."""
    if hasattr(transport, "max_size"):
        transport.max_size = READ_BYTES  # pyright: ignore[reportAttributeAccessIssue]  public, untyped
