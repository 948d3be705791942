"""What tests with real processes share: a colony that leaves nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rbee.testing.colony import Colony


@pytest.fixture
def colony(tmp_path: Path) -> Iterator[Colony]:
    with Colony(tmp_path) as colony:
        yield colony
