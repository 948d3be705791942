"""What tests with several hosts share: a network of them that leaves nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rbee.testing.hosts import Lan, missing


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    lack = missing()
    if lack is not None:
        pytest.skip(lack)
    with Lan(tmp_path) as lan:
        yield lan
