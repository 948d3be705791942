"""The worker's port: taken is told, and what it accepts sends at once."""

import socket

import pytest

from rbee.errors import PortTaken
from rbee.worker.preflight import check_port, listen


def test_an_accepted_connection_will_send_at_once() -> None:
    """asyncio switches Nagle's delay off only where the socket names its protocol."""
    with listen("127.0.0.1", 0) as listener:
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP


def test_a_taken_port_is_told() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)
