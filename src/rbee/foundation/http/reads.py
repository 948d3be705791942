"""How much asyncio reads at a time.

Its transports ask the kernel for 256 KiB with each read, and make a buffer of that
size for it. glibc maps such a buffer into memory and unmaps it again, every time:
14 µs where a read of 64 KiB takes 2 (measured, ``socket.recv`` of 240 bytes). That is
most of what a relayed event costs.
"""

import asyncio
from typing import Final

READ_BYTES: Final = 16 * 1024
"""Below the 128 KiB from which glibc maps. Also what one full socket may take of a turn of the
loop: with 1,000 streams that come as fast as they can, a turn is some 40 ms, and with 64 KiB it
would be four times that for whoever waits for a first token."""


def read_less(transport: asyncio.BaseTransport) -> None:
    """Make a transport read ``READ_BYTES`` at a time, where it is asyncio's own."""
    if hasattr(transport, "max_size"):
        transport.max_size = READ_BYTES  # pyright: ignore[reportAttributeAccessIssue]  public, untyped
