"""Read what a GGUF file says of itself, without reading the file.

The hive's catalogue calls this for every file it takes in, and whoever asks
"does it fit?" reads the answer. A header is untrusted input from the internet,
so every count and length has a limit, nothing is allocated by a number from the
file, and arrays (the vocabulary: hundreds of thousands of strings) are walked
over, not built. Memory stays at one window; the only exception that leaves is
``CorruptModel``. The file's extent is checked too: a download that was cut is
known by how many bytes it lacks.

Format: GGUF 2 and 3, little endian: magic, version, two counts, key-value pairs,
tensor descriptions, padding, tensor data.
"""

import math
import os
import struct
from pathlib import Path
from typing import Final

import msgspec

from rbee.contracts.models import ModelFacts
from rbee.errors import CorruptModel
from rbee.foundation.gguf_cursor import HEADER_BYTES_MAX, Cursor, ReadAt
from rbee.foundation.gguf_facts import model_facts
from rbee.foundation.gguf_pairs import COUNT_MAX, Pairs, TensorSums, Value
from rbee.foundation.gguf_template import TEMPLATE_KEY, knows_system_role, knows_tools
from rbee.foundation.gguf_types import (
    EMBEDDING_ARCHITECTURES,
    FILE_TYPES,
    POOLING,
    SCALAR_FORMATS,
    TENSOR_TYPES,
    ValueType,
)

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)  # 1 had 32-bit counts and is gone from the world
PAIRS_MAX: Final = 16_384  # real files hold 20 to 60
TENSORS_MAX: Final = 65_536  # the largest known has some 2,000
KEY_BYTES_MAX: Final = 1_024  # the format allows 65,535, real keys have 10 to 60
TENSOR_NAME_BYTES_MAX: Final = 1_024  # llama.cpp allows 64
DIMENSIONS_MAX: Final = 8  # ggml has 4
KEPT_STRING_BYTES_MAX: Final = 4_096  # names; longer ones are not kept
TEMPLATE_BYTES_MAX: Final = 128 * 1024  # the longest chat templates known have some 20 kB
KEPT_ARRAY_LENGTH_MAX: Final = 4_096  # per-layer numbers; 4,096 layers is plenty
ARRAY_DEPTH_MAX: Final = 4  # nested arrays are legal, no real file has any
ALIGNMENT_DEFAULT: Final = 32  # the format's, where a file names none
ALIGNMENT_MAX: Final = 1024 * 1024  # real files have 32, some 64
ELEMENTS_MAX: Final = 1 << 50  # a thousand times the largest model of today


class GgufHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a model file says of itself. Null where it does not say.

    ``context_length`` is in tokens, the longest it was trained for.
    ``head_count_kv_layers`` has one number per layer where they differ.
    ``tensor_bytes`` is the size of the weights; ``parameters`` counts their
    elements. ``pooling`` is set for embedding models that say how they pool.
    ``tools`` and ``system_role`` say whether the chat template knows them.
    ``split_count`` over 1 means that this file is one of several. ``facts`` are
    what memory depends on; null in metadata of an older version.
    """

    version: int
    architecture: str
    tensor_count: int
    tensor_bytes: int
    parameters: int
    name: str | None = None
    quantization: str | None = None
    context_length: int | None = None
    block_count: int | None = None
    embedding_length: int | None = None
    feed_forward_length: int | None = None
    head_count: int | None = None
    head_count_kv: int | None = None
    head_count_kv_layers: tuple[int, ...] | None = None
    key_length: int | None = None
    value_length: int | None = None
    sliding_window: int | None = None
    expert_count: int | None = None
    vocab_size: int | None = None
    chat_template: bool = False
    tools: bool | None = None
    system_role: bool | None = None
    pooling: str | None = None
    embedding: bool = False
    split_count: int = 1
    facts: ModelFacts | None = None


def read_header(path: Path) -> GgufHeader:
    """Read the header of the file at ``path``: some 10 ms for 50,000 words.

    Raises:
        CorruptModel: not a GGUF file, damaged, truncated (says by how many
            bytes), or it cannot be read at all.
    """
    try:
        with path.open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size

            def read_at(offset: int, size: int) -> bytes:
                file.seek(offset)
                return file.read(size)

            return parse_header(read_at, size_bytes, path.name)
    except OSError as error:
        raise CorruptModel(
            f"{path} cannot be read: {error.strerror or error}.",
            remedy="Check that the file exists and that the hive's user may read it.",
        ) from None


def parse_header(read_at: ReadAt, size_bytes: int, label: str) -> GgufHeader:
    """Read a header through ``read_at`` (a file, or a remote one by ranges).

    ``size_bytes`` is the size of the whole file, ``label`` names it in errors.

    Raises:
        CorruptModel: as ``read_header``.
    """
    cursor = Cursor(read_at, size_bytes, label)
    version, tensor_count, pair_count = _read_preamble(cursor)
    pairs = Pairs()
    for _ in range(pair_count):
        key = cursor.text(KEY_BYTES_MAX)
        kind = cursor.scalar("<I")
        if kind == ValueType.ARRAY:
            pairs.put_array(key, *_read_array(cursor, wanted=_keeps_array(key)))
        else:
            limit = TEMPLATE_BYTES_MAX if key == TEMPLATE_KEY else KEPT_STRING_BYTES_MAX
            pairs.put(key, _read_value(cursor, int(kind), limit))
    tensors = _read_tensors(cursor, tensor_count)
    alignment = pairs.count("general.alignment") or ALIGNMENT_DEFAULT
    if alignment > ALIGNMENT_MAX:
        raise cursor.corrupt(f"an alignment of {alignment} bytes")
    data_start = math.ceil(cursor.position / alignment) * alignment
    missing = data_start + tensors.extent_bytes - size_bytes
    if tensor_count and missing > 0:
        raise CorruptModel(
            f"{label} is truncated: {missing:,} of {size_bytes + missing:,} bytes are missing."
        )
    tensors.section_bytes = max(0, size_bytes - data_start)
    return _header(pairs, tensors, version, tensor_count)


def _read_preamble(cursor: Cursor) -> tuple[int, int, int]:
    """The magic, then version, number of tensors, number of pairs."""
    if cursor.raw(4) != MAGIC:
        raise CorruptModel(
            f"{cursor.corrupt('no GGUF magic').message}",
            remedy="Give a .gguf file; other formats need another engine.",
        )
    version = int(cursor.scalar("<I"))
    if version not in VERSIONS:
        raise cursor.corrupt(f"GGUF version {version} (known: 2 and 3, little endian)")
    tensor_count = cursor.number("<Q", TENSORS_MAX, "a tensor count of")
    return version, tensor_count, cursor.number("<Q", PAIRS_MAX, "a metadata count of")


def _read_value(cursor: Cursor, kind: int, limit: int) -> Value:
    """One value that is no array; null for a string of over ``limit`` bytes."""
    if kind == ValueType.STRING:
        length = cursor.number("<Q", HEADER_BYTES_MAX, "a string of length")
        if length > limit:
            cursor.skip(length)
            return None
        return cursor.raw(length).decode(errors="replace")
    layout = SCALAR_FORMATS.get(kind)
    if layout is None:
        raise cursor.corrupt(f"an unknown value type {kind}")
    return cursor.scalar(layout)


def _read_array(
    cursor: Cursor, *, wanted: bool, depth: int = 0
) -> tuple[int, tuple[int, ...] | None]:
    """An array's length, and its whole numbers where they are wanted and few."""
    kind = int(cursor.scalar("<I"))
    length = cursor.number("<Q", HEADER_BYTES_MAX, "an array of length")
    if kind == ValueType.STRING:
        cursor.skip_strings(length)
        return length, None
    if kind == ValueType.ARRAY:
        if depth >= ARRAY_DEPTH_MAX or length > KEPT_ARRAY_LENGTH_MAX:
            raise cursor.corrupt("arrays nested beyond reason")
        cursor.spend(length)
        for _ in range(length):
            _read_array(cursor, wanted=False, depth=depth + 1)
        return length, None
    layout = SCALAR_FORMATS.get(kind)
    if layout is None:
        raise cursor.corrupt(f"an unknown array type {kind}")
    if not wanted or length > KEPT_ARRAY_LENGTH_MAX or layout in {"<f", "<d"}:
        cursor.skip(length * struct.calcsize(layout))
        return length, None
    cursor.spend(length)
    return length, tuple(int(cursor.scalar(layout)) for _ in range(length))


def _keeps_array(key: str) -> bool:
    return key.endswith(
        (".head_count", ".head_count_kv", ".feed_forward_length", ".sliding_window_pattern")
    )


def _read_tensors(cursor: Cursor, count: int) -> TensorSums:
    """Walk the tensor descriptions. A type newer than this table adds no extent."""
    sums = TensorSums()
    for _ in range(count):
        tensor = cursor.text(TENSOR_NAME_BYTES_MAX)
        dimensions = cursor.number("<I", DIMENSIONS_MAX, "a number of dimensions")
        elements = 1
        for _ in range(dimensions):
            elements *= cursor.number("<Q", COUNT_MAX, "a dimension of")
        if elements > ELEMENTS_MAX:
            raise cursor.corrupt(f"a tensor of {elements:,} elements")
        kind = int(cursor.scalar("<I"))
        offset = cursor.number("<Q", 1 << 62, "a tensor's offset")
        sums.elements += elements
        sums.extent_bytes = max(sums.extent_bytes, offset)
        if known := TENSOR_TYPES.get(kind):
            name, block, block_bytes = known
            size = -(-elements // block) * block_bytes
            sums.add(tensor, name, size)
            sums.extent_bytes = max(sums.extent_bytes, offset + size)
        else:
            sums.untyped += 1
    return sums


def _header(pairs: Pairs, tensors: TensorSums, version: int, tensor_count: int) -> GgufHeader:
    """Name the pairs. Sizes are under the architecture's prefix."""
    arch = pairs.string("general.architecture") or "unknown"
    kv_heads = f"{arch}.attention.head_count_kv"
    pooling = pairs.count(f"{arch}.pooling_type")
    return GgufHeader(
        version=version,
        architecture=arch,
        tensor_count=tensor_count,
        tensor_bytes=tensors.size_bytes,
        parameters=tensors.elements,
        name=pairs.string("general.name") or pairs.string("general.basename"),
        quantization=_quantization(pairs, tensors),
        context_length=pairs.count(f"{arch}.context_length"),
        block_count=pairs.count(f"{arch}.block_count"),
        embedding_length=pairs.count(f"{arch}.embedding_length"),
        feed_forward_length=pairs.count(f"{arch}.feed_forward_length"),
        head_count=pairs.count(f"{arch}.attention.head_count"),
        head_count_kv=pairs.count(kv_heads),
        head_count_kv_layers=pairs.per_layer(kv_heads),
        key_length=pairs.count(f"{arch}.attention.key_length"),
        value_length=pairs.count(f"{arch}.attention.value_length"),
        sliding_window=pairs.count(f"{arch}.attention.sliding_window"),
        expert_count=pairs.count(f"{arch}.expert_count"),
        vocab_size=pairs.length("tokenizer.ggml.tokens") or pairs.count(f"{arch}.vocab_size"),
        chat_template=pairs.has(TEMPLATE_KEY),
        tools=knows_tools(pairs),
        system_role=knows_system_role(pairs),
        pooling=None if pooling is None else POOLING.get(pooling),
        embedding=arch in EMBEDDING_ARCHITECTURES or bool(pooling),
        split_count=pairs.count("split.count") or 1,
        facts=model_facts(pairs, tensors, arch),
    )


def _quantization(pairs: Pairs, tensors: TensorSums) -> str | None:
    """The file's own word, else the type that most of its bytes have."""
    file_type = pairs.count("general.file_type")
    if file_type is not None and file_type in FILE_TYPES:
        return FILE_TYPES[file_type]
    return max(tensors.by_type, key=tensors.by_type.__getitem__, default=None)
