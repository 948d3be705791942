"""Lines that say which request they are of, and never a secret."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.system

SCRIPT = """
import asyncio
from rbee.foundation import logs
logs.set_up("queen")
log = logs.get("here")

async def deeper():
    log.info("deeper")

async def request(number, given):
    logs.of_request(f"job-{number}", given)
    await asyncio.sleep(0)
    log.info("line", number=number)
    await asyncio.create_task(deeper())

async def main():
    await asyncio.gather(request(1, "mine"), request(2, "job-2"))
    log.info("outside", job="told", api_key="k-123", prompt="p-123")

asyncio.run(main())
"""


def lines() -> list[dict[str, object]]:
    env = {**os.environ, "RBEE_LOG_FORMAT": "json"}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in ran.stderr.splitlines()]


def test_each_line_says_its_request_and_only_secrets_are_hidden() -> None:
    found = lines()
    first, second = ([line for line in found if line.get("job") == f"job-{n}"] for n in (1, 2))
    assert [line["event"] for line in first] == ["line", "deeper"]
    assert {line["request"] for line in first} == {"mine"}
    assert [line["event"] for line in second] == ["line", "deeper"]
    assert all("request" not in line for line in second), "the job's id says it already"
    (outside,) = [line for line in found if line["event"] == "outside"]
    assert outside["job"] == "told"
    assert "request" not in outside
    assert outside["api_key"] == outside["prompt"] == "(hidden)"
