"""The shim's own decisions, and its files. Its processes are tested with a real hive."""

import json
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rbee.hive.workers import shim
from rbee.hive.workers.shim import Orphanhood, write_json

SHIM = Path(shim.__file__)


def test_only_a_sign_that_stands_still_for_long_orphans() -> None:
    orphan = Orphanhood(600.0, now_s=0.0)
    assert not orphan.look(1.0, 0.0)
    assert not orphan.look(1.0, 600.0)
    assert orphan.look(1.0, 600.1)
    assert not orphan.look(2.0, 601.0)
    assert not orphan.look(2.0, 1201.0)
    assert orphan.look(None, 1201.1)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20, unique=True))
def test_a_changed_date_orphans_nobody(signs: list[float]) -> None:
    orphan = Orphanhood(10.0, now_s=0.0)
    assert not any(orphan.look(sign, 9.0 * (n + 1)) for n, sign in enumerate(signs))


def test_files_are_replaced_and_private(tmp_path: Path) -> None:
    path = tmp_path / "exit.json"
    write_json(path, {"code": 1})
    write_json(path, {"code": 2})
    assert json.loads(path.read_text()) == {"code": 2}
    assert list(tmp_path.iterdir()) == [path]
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o077 == 0


def test_the_shim_needs_nothing_but_the_standard_library() -> None:
    assert "rbee" not in {
        line.split()[1].partition(".")[0]
        for line in SHIM.read_text(encoding="utf-8").splitlines()
        if line.startswith(("import ", "from "))
    }
