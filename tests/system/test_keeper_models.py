"""``rbee model`` against a real hive and a stub hub: search, folders, pins, quota, bad files."""

import json
from pathlib import Path

import pytest

from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, gguf_bytes, write_gguf
from rbee.testing.hub import StubFile, StubHub, StubRepository
from rbee.testing.operator import Operator

pytestmark = pytest.mark.system

CONTENT = gguf_bytes(LLAMA_PAIRS, (TinyTensor("w", (1024, 1024)),))  # 4.2 MB
QUOTA_GB = "0.01"  # two of them, and not three


def hub_with_models() -> StubHub:
    def repository(downloads: int) -> StubRepository:
        return StubRepository({"m-Q4_0.gguf": StubFile(CONTENT)}, downloads=downloads)

    return StubHub({f"org/bee-{n}": repository(n) for n in range(1, 5)})


def test_a_library_is_searched_filled_and_kept_small(tmp_path: Path) -> None:
    with hub_with_models() as hub, Operator(tmp_path / "home") as operator:
        operator.env |= {"HF_ENDPOINT": hub.url, "RBEE_HIVE_MODELS_QUOTA_GB": QUOTA_GB}
        assert operator.rbee("hive", "start").returncode == 0

        found = json.loads(operator.rbee("model", "search", "bee", "--json").stdout)
        assert [row["id"] for row in found["models"]] == [f"org/bee-{n}" for n in (4, 3, 2, 1)]
        shown = operator.rbee("model", "search", "bee", "--fit", "--limit", "1")
        assert "org/bee-4" in shown.stdout
        assert "up to Q4_0" in shown.stdout
        assert operator.rbee("model", "search", "bee", "--limit", "0").returncode == 2

        for name in ("org/bee-1", "org/bee-2"):
            assert operator.rbee("model", "download", name).returncode == 0
        pinned = operator.rbee("model", "pin", "org/bee-1")
        assert "is kept whatever the quota says" in pinned.stderr
        third = operator.rbee("model", "download", "org/bee-3")
        assert third.returncode == 0, third.stderr
        assert "Removed org/bee-2:m-Q4_0.gguf" in third.stderr
        rows = json.loads(operator.rbee("model", "list", "--json").stdout)
        assert [(row["id"], row["pinned"]) for row in rows] == [
            ("org/bee-1:m-Q4_0.gguf", True),
            ("org/bee-3:m-Q4_0.gguf", False),
        ]
        assert operator.rbee("model", "pin", "org/bee-3").returncode == 0
        full = operator.rbee("model", "download", "org/bee-4")
        assert full.returncode != 0
        assert "do not fit into the quota" in full.stderr
        assert operator.rbee("model", "unpin", "org/bee-1").returncode == 0
        assert operator.rbee("model", "download", "org/bee-4").returncode == 0
        assert "tools" in operator.rbee("model", "get", "org/bee-4").stdout


def test_files_of_ones_own_and_files_that_are_none(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for name in ("one", "two"):
        write_gguf(folder / f"{name}.gguf")
    (folder / "mmproj-one-f16.gguf").write_bytes(b"no model")
    bad = {
        "no-model": b"PK\x03\x04 a zip, it is",
        "cut": CONTENT[:-1000],
        "hostile": b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 64,
        "empty": b"",
    }
    for name, content in bad.items():
        (tmp_path / f"{name}.gguf").write_bytes(content)
    (folder / "deeper").mkdir()
    (folder / "deeper" / "x-00001-of-00002.gguf").write_bytes(CONTENT)
    with Operator(tmp_path / "home") as operator:
        assert operator.rbee("hive", "start").returncode == 0
        taken = operator.rbee("model", "download", str(folder), "--json")
        assert taken.returncode == 0, taken.stderr
        assert [row["id"] for row in json.loads(taken.stdout)] == ["one", "two"]
        for name in bad:
            refused = operator.rbee("model", "download", str(tmp_path / f"{name}.gguf"))
            assert refused.returncode not in {0, 2}, name
            assert f"{name}.gguf" in refused.stderr
            assert "Traceback" not in refused.stderr
        part = operator.rbee("model", "download", str(folder / "deeper"))
        assert part.returncode != 0
        assert "x-00001-of-00002.gguf" in part.stderr
        rows = json.loads(operator.rbee("model", "list", "--json").stdout)
        assert [row["id"] for row in rows] == ["one", "two"]
        assert operator.rbee("hive", "stop").returncode == 0
    assert sorted(path.name for path in folder.glob("*.gguf")) == [
        "mmproj-one-f16.gguf",
        "one.gguf",
        "two.gguf",
    ]
