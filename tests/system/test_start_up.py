"""What a fresh process loads and does not: the front door is instant, and traces cost nothing."""

import subprocess
import sys
import time

import pytest

from rbee import __version__

pytestmark = pytest.mark.system

STARTS_WITHIN_S = 2.0  # measured: 0.2 s; the margin is for two busy cores


def test_the_version_is_instant() -> None:
    begun = time.monotonic()
    found = subprocess.run(
        [sys.executable, "-m", "rbee", "--version"], capture_output=True, text=True, check=True
    )
    assert found.stdout == f"{__version__}\n"
    assert time.monotonic() - begun < STARTS_WITHIN_S


def test_the_front_door_loads_no_room_and_no_server() -> None:
    heavy = "rbee.queen rbee.hive rbee.worker starlette uvicorn xllamacpp huggingface_hub httpx2"
    script = (
        "import sys; from rbee.__main__ import run; run(['--help']);"
        f"found = [name for name in '{heavy}'.split() if name in sys.modules];"
        "sys.exit(' '.join(found) or 0)"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stderr) == (0, "")


def test_the_library_is_not_imported_for_nothing() -> None:
    code = (
        "import sys, rbee.queen.tracing as t; assert t.make_traces(None, {}) is None;"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
