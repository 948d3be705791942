"""What every store must do, by a real PostgreSQL: the suite of the unit tests, played again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rbee.testing.postgres import NoPostgres, postgres
from unit.queen.test_store_conformance import *  # noqa: F403  its tests are the suite
from unit.queen.test_store_conformance import Place

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    try:
        running = postgres()
        url = running.__enter__().url
    except NoPostgres as error:
        pytest.skip(str(error))
    try:
        yield url
    finally:
        running.__exit__(None, None, None)


@pytest.fixture
def place(postgres_url: str, tmp_path: Path) -> Iterator[Place]:
    found = Place(postgres_url, tmp_path)
    yield found
    found.clear()
