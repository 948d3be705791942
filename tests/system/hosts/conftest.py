"""What tests with several hosts share: a network of them that leaves nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rbee.testing.hosts import Lan, missing
from rbee.testing.hosts.colony import HostColony

HIVES = ("hive-1", "hive-2", "far")
"""Two on the queen's network, one behind a NAT, without a port of its own."""


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    lack = missing()
    if lack is not None:
        pytest.skip(lack)
    with Lan(tmp_path) as lan:
        yield lan


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostColony]:
    """A queen and three hives, each with a worker that is ready; one colony for all that leave it well.

    ``hive-1`` keeps to the defaults, ``hive-2`` is told to listen everywhere.
    """
    lack = missing()
    if lack is not None:
        pytest.skip(lack)
    with Lan(tmp_path_factory.mktemp("three")) as lan:
        colony = HostColony(lan)
        colony.hive("hive-1")
        colony.hive("hive-2", bind="0.0.0.0")  # noqa: S104  a host of its own
        colony.hive("far", behind="home")
        colony.wait_up()
        for name in HIVES:
            assert colony.say(f"scripted-{name}")
        yield colony
