"""Ports of workers: lowest first, reused, never one that somebody listens on."""

import socket

import pytest

from rbee.errors import NoCapacity
from rbee.hive.workers.ports import SEARCH_LENGTH_MAX, can_bind, choose


def test_the_lowest_free_port_wins_and_a_released_one_comes_back() -> None:
    assert choose(9000, (), is_free=lambda _: True) == 9000
    assert choose(9000, {9000, 9001}, is_free=lambda _: True) == 9002
    assert choose(9000, {9001}, is_free=lambda _: True) == 9000


def test_the_preferred_port_is_kept_when_it_is_free() -> None:
    assert choose(9000, (), preferred=9005, is_free=lambda _: True) == 9005
    assert choose(9000, {9005}, preferred=9005, is_free=lambda _: True) == 9000
    assert choose(9000, (), preferred=9005, is_free=lambda port: port != 9005) == 9000


def test_a_port_in_use_is_found_by_binding() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port: int = other.getsockname()[1]
        assert not can_bind(port)
        assert choose(port, ()) > port
    assert can_bind(port)


def test_no_port_at_all_says_what_was_searched() -> None:
    with pytest.raises(NoCapacity, match=f"9000 to {9000 + SEARCH_LENGTH_MAX}"):
        choose(9000, (), is_free=lambda _: False)
