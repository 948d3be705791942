"""A model that lies in two parts, as llama.cpp's splitter leaves it, answers like a whole one."""

import struct
from pathlib import Path

import pytest

from rbee.testing.operator import Operator

pytestmark = pytest.mark.system

STRING, ARRAY, UINT16, INT32 = 8, 9, 2, 5
WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


class Walk:
    """A position in a GGUF header that is known to be whole."""

    def __init__(self, content: bytes, at: int) -> None:
        self.content, self.at = content, at

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self.content, self.at)
        self.at += struct.calcsize(layout)
        return values

    def skip_string(self) -> None:
        (length,) = self.take("<Q")
        self.at += length

    def skip_value(self, kind: int) -> None:
        if kind == STRING:
            self.skip_string()
        elif kind == ARRAY:
            inner, length = self.take("<IQ")
            for _ in range(length):
                self.skip_value(inner)
        else:
            self.at += WIDTHS[kind]


def split_in_two(source: Path, folder: Path) -> None:
    """Write ``split-0000N-of-00002.gguf``: all metadata in the first, half the tensors in each."""
    content = source.read_bytes()
    walk = Walk(content, 4)
    version, count, pairs = walk.take("<IQQ")
    begin = walk.at
    for _ in range(pairs):
        walk.skip_string()
        walk.skip_value(*walk.take("<I"))
    metadata = content[begin : walk.at]
    heads: list[tuple[bytes, int]] = []
    offsets: list[int] = []
    for _ in range(count):
        start = walk.at
        walk.skip_string()
        (dimensions,) = walk.take("<I")
        walk.at += 8 * dimensions
        head = content[start : walk.at]
        kind, offset = walk.take("<IQ")
        heads.append((head, kind))
        offsets.append(offset)
    data = -(-walk.at // 32) * 32
    ends = [*offsets[1:], len(content) - data]
    tensors = [content[data + a : data + b] for a, b in zip(offsets, ends, strict=True)]
    for part, indices in enumerate((range(count // 2), range(count // 2, count))):
        out = bytearray(b"GGUF")
        out += struct.pack("<IQQ", version, len(indices), 3 + (0 if part else pairs))
        out += b"" if part else metadata
        for key, kind, layout, value in (
            (b"split.no", UINT16, "<H", part),
            (b"split.count", UINT16, "<H", 2),
            (b"split.tensors.count", INT32, "<i", count),
        ):
            out += struct.pack("<Q", len(key)) + key + struct.pack("<I", kind)
            out += struct.pack(layout, value)
        offset = 0
        for index in indices:
            out += heads[index][0] + struct.pack("<IQ", heads[index][1], offset)
            offset += -(-len(tensors[index]) // 32) * 32
        for index in indices:
            out += bytes(-len(out) % 32) + tensors[index]
        (folder / f"split-{part + 1:05d}-of-00002.gguf").write_bytes(out)


def test_the_engine_loads_a_model_in_two_parts(tmp_path: Path, starter_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    split_in_two(starter_path, folder)
    with Operator(tmp_path / "home") as operator:
        assert operator.rbee("hive", "start").returncode == 0
        assert operator.rbee("model", "download", str(folder)).returncode == 0
        spawned = operator.rbee("worker", "spawn", "split")
        assert spawned.returncode == 0, spawned.stderr
        assert "split" in operator.rbee("worker", "list").stdout
        used = operator.rbee("model", "get", "split").stdout
        assert "last used" in used
        assert operator.rbee("hive", "stop").returncode == 0
