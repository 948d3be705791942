"""Looking at a machine, really: this one, by the script that every machine is asked with."""

import os
import sys
from pathlib import Path

import pytest

from rbee.remote.facts import probe, try_ways
from rbee.remote.host import LocalHost
from rbee.remote.layout import Installed
from rbee.remote.tags import tags_of
from rbee.testing.workers import free_port

pytestmark = [pytest.mark.system, pytest.mark.anyio]


async def test_this_machine_says_what_it_is() -> None:
    found = await probe(LocalHost(), prefix=None, python=None)
    assert found.home == os.environ["HOME"]
    assert found.client is None
    assert found.installed is None
    assert found.disk_free_kib is not None
    assert found.python is not None
    assert found.python.version[:2] == sys.version_info[:2]
    assert tags_of(found, found.python)


async def test_a_python_that_was_named_is_the_only_one_looked_at(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\necho \'python={"path": "/old/python", "version": [3, 9, 2]}\'\n')
    old.chmod(0o755)
    found = await probe(LocalHost(), prefix=None, python=str(old))
    assert [python.shown for python in found.pythons] == ["3.9.2 at /old/python"]
    assert found.python is None


async def test_an_earlier_installation_is_found(tmp_path: Path) -> None:
    record = '{"build":"0.1.0-a","version":"0.1.0",\n"keeper":"user","queen_url":"http://q"}\n'
    (tmp_path / "installed.json").write_text(record)
    found = await probe(LocalHost(), prefix=str(tmp_path), python=None)
    assert found.installed == Installed(
        build="0.1.0-a", version="0.1.0", keeper="user", queen_url="http://q"
    )


async def test_ways_to_the_queen_are_really_tried() -> None:
    ways = await try_ways(
        LocalHost(), sys.executable, [f"http://127.0.0.1:{free_port()}", "http://nobody.invalid:1"]
    )
    assert [way.reached for way in ways] == [False, False]
    assert "nobody listens there" in ways[0].said
    assert "cannot resolve" in ways[1].said
