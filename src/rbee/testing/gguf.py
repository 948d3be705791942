"""Write tiny GGUF files for tests: valid ones, and ones to damage.

The writer is the mirror of ``foundation.gguf``, kept apart from it so that an
error in one is not hidden by the same error in the other. The files hold no
usable model (no engine loads them), but for copies of real ones (``with_pairs``).
"""

import shutil
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

_UINT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 6, 7, 8, 9
_ALIGNMENT = 32
_F32, _F32_BYTES = 0, 4

PairValue = int | float | bool | str | Sequence[int] | Sequence[str]


class TinyTensor(msgspec.Struct, frozen=True):
    """One tensor of float32 zeros, or of another ``kind`` with ``size_bytes`` of them."""

    name: str
    shape: tuple[int, ...]
    kind: int = _F32
    size_bytes: int | None = None

    def data_bytes(self) -> int:
        """The size of its data."""
        if self.size_bytes is not None:
            return self.size_bytes
        elements = 1
        for side in self.shape:
            elements *= side
        return elements * _F32_BYTES


LLAMA_PAIRS: Mapping[str, PairValue] = {
    "general.architecture": "llama",
    "general.name": "Tiny Llama",
    "general.file_type": 15,
    "llama.context_length": 2048,
    "llama.block_count": 2,
    "llama.embedding_length": 64,
    "llama.feed_forward_length": 128,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["<s>", "</s>", "bee", "hive"],
    "tokenizer.chat_template": "{{ messages }}",
}
"""The metadata of a small chat model."""

ONE_TENSOR = (TinyTensor("token_embd.weight", (64, 4)),)


def gguf_bytes(
    pairs: Mapping[str, PairValue] = LLAMA_PAIRS,
    tensors: Sequence[TinyTensor] = ONE_TENSOR,
    *,
    version: int = 3,
) -> bytes:
    """A whole little-endian GGUF file."""
    out = bytearray(b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(pairs)))
    for key, value in pairs.items():
        out += _string(key) + _value(value)
    offset = 0
    for tensor in tensors:
        out += _string(tensor.name) + struct.pack("<I", len(tensor.shape))
        out += struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape)
        out += struct.pack("<IQ", tensor.kind, offset)
        offset = _aligned(offset + tensor.data_bytes())
    out += bytes(_aligned(len(out)) - len(out))
    for tensor in tensors:
        out += bytes(_aligned(tensor.data_bytes()))
    return bytes(out)


def write_gguf(
    path: Path,
    pairs: Mapping[str, PairValue] = LLAMA_PAIRS,
    tensors: Sequence[TinyTensor] = ONE_TENSOR,
) -> Path:
    """Write ``gguf_bytes`` to ``path`` and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf_bytes(pairs, tensors))
    return path


def with_pairs(source: Path, target: Path, pairs: Mapping[str, PairValue]) -> Path:
    """A copy of a real model file whose header says ``pairs`` as well.

    They go first, filled up to a multiple of the alignment, so that the rest of the
    file stays as it is: offsets of tensors count from where their data begins.
    """
    filled = {**pairs, "rbee.filled": ""}
    size = sum(len(_string(key) + _value(value)) for key, value in filled.items())
    filled["rbee.filled"] = "-" * (_aligned(size) - size)
    more = b"".join(_string(key) + _value(value) for key, value in filled.items())
    with source.open("rb") as old, target.open("wb") as new:
        magic, version, tensors, count = struct.unpack("<4sIQQ", old.read(24))
        new.write(struct.pack("<4sIQQ", magic, version, tensors, count + len(filled)) + more)
        shutil.copyfileobj(old, new)
    return target


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _value(value: PairValue) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", _BOOL, value)
        case int():
            return struct.pack("<II", _UINT32, value)
        case float():
            return struct.pack("<If", _FLOAT32, value)
        case str():
            return struct.pack("<I", _STRING) + _string(value)
        case _:
            return _array(value)


def _array(values: Sequence[int] | Sequence[str]) -> bytes:
    kind = _STRING if values and isinstance(values[0], str) else _UINT32
    head = struct.pack("<IIQ", _ARRAY, kind, len(values))
    return head + b"".join(
        _string(item) if isinstance(item, str) else struct.pack("<I", item) for item in values
    )
