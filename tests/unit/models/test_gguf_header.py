"""The GGUF reader on generated files, on damaged ones and on the real starter."""

import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.contracts.models import ModelFacts
from rbee.errors import CorruptModel
from rbee.foundation.gguf import GgufHeader, parse_header, read_header
from rbee.testing.gguf import LLAMA_PAIRS, ONE_TENSOR, TinyTensor, gguf_bytes, write_gguf


def parse(content: bytes) -> GgufHeader:
    return parse_header(lambda offset, size: content[offset : offset + size], len(content), "x")


def outcome(content: bytes) -> str:
    """Any exception but CorruptModel fails the test that asks."""
    try:
        parse(content)
    except CorruptModel:
        return "refused"
    return "read"


def test_facts_of_a_chat_model(tmp_path: Path) -> None:
    header = read_header(write_gguf(tmp_path / "tiny.gguf"))
    assert header == GgufHeader(
        version=3,
        architecture="llama",
        tensor_count=1,
        tensor_bytes=1024,
        parameters=256,
        name="Tiny Llama",
        quantization="Q4_K_M",
        context_length=2048,
        block_count=2,
        embedding_length=64,
        feed_forward_length=128,
        head_count=4,
        head_count_kv=2,
        vocab_size=4,
        chat_template=True,
        tools=False,
        facts=ModelFacts(
            architecture="llama",
            weights_bytes=1024,
            layer_bytes=(0, 0),
            output_bytes=1024,  # no output matrix: the embeddings serve for it
            context_length=2048,
            block_count=2,
            embedding_length=64,
            feed_forward_length=128,
            vocab_size=4,
            head_count=4,
            head_count_kv=2,
        ),
    )


def test_version_2_reads_the_same() -> None:
    assert parse(gguf_bytes(version=2)).context_length == 2048


def test_embedding_model_is_known_by_architecture_and_pooling() -> None:
    header = parse(gguf_bytes({"general.architecture": "bert", "bert.pooling_type": 1}))
    assert (header.embedding, header.pooling, header.chat_template) == (True, "mean", False)


def test_numbers_per_layer_are_kept() -> None:
    pairs = {**LLAMA_PAIRS, "llama.attention.head_count_kv": [1, 8, 2]}
    header = parse(gguf_bytes(pairs))
    assert header.head_count_kv_layers == (1, 8, 2)
    assert header.head_count_kv == 8


def test_quantization_falls_back_to_the_commonest_tensor_type() -> None:
    pairs = {"general.architecture": "llama"}
    tensors = (TinyTensor("norm", (32,)), TinyTensor("w", (256, 8), kind=12, size_bytes=8 * 144))
    header = parse(gguf_bytes(pairs, tensors))
    assert header.quantization == "Q4_K"
    assert header.tensor_bytes == 32 * 4 + 8 * 144


def test_a_long_template_is_noticed_and_not_kept() -> None:
    pairs = {**LLAMA_PAIRS, "tokenizer.chat_template": "x" * 100_000}
    assert parse(gguf_bytes(pairs)).chat_template


def test_a_vocabulary_larger_than_the_window_is_walked() -> None:
    words = [f"word-{n:06}" for n in range(120_000)]
    header = parse(gguf_bytes({"tokenizer.ggml.tokens": words, **_without_tokens()}))
    assert header.vocab_size == 120_000
    assert header.context_length == 2048


def test_a_truncated_file_says_how_much_is_missing() -> None:
    whole = gguf_bytes()
    with pytest.raises(CorruptModel, match=r"truncated: 24 of [\d,]+ bytes are missing"):
        parse(whole[:-24])


def test_a_header_that_is_cut_says_so() -> None:
    with pytest.raises(CorruptModel, match="truncated: its header goes on"):
        parse(gguf_bytes()[:100])


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda b: b"PK" + b[2:], "no GGUF magic"),
        (lambda b: b[:4] + struct.pack("<I", 9) + b[8:], "version 9"),
        (lambda b: b[:4] + struct.pack(">I", 3) + b[8:], "little endian"),
        (lambda b: b[:8] + struct.pack("<Q", 1 << 60) + b[16:], "tensor count"),
        (lambda b: b[:16] + struct.pack("<Q", 1 << 60) + b[24:], "metadata count"),
        (lambda b: b[:24] + struct.pack("<Q", 1 << 60) + b[32:], "a name of length"),
        (lambda _: b"", "truncated"),
    ],
)
def test_damage_is_named(damage: Callable[[bytes], bytes], match: str) -> None:
    with pytest.raises(CorruptModel, match=match):
        parse(damage(gguf_bytes()))


def test_a_claimed_array_of_millions_costs_nothing() -> None:
    key = b"tokenizer.ggml.tokens"
    content = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", len(key)) + key
    content += struct.pack("<IIQ", 9, 8, 200_000_000)
    started = time.perf_counter()
    with pytest.raises(CorruptModel, match="array elements"):
        parse(content)
    assert time.perf_counter() - started < 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match=r"gone\.gguf cannot be read"):
        read_header(tmp_path / "gone.gguf")


WHOLE = gguf_bytes()
HEADER_BYTES = len(WHOLE) - ONE_TENSOR[0].data_bytes()


@given(
    changes=st.lists(
        st.tuples(st.integers(0, HEADER_BYTES - 1), st.integers(0, 255)), min_size=1, max_size=8
    ),
    cut=st.integers(0, len(WHOLE)),
)
def test_damaged_headers_raise_nothing_else(changes: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(WHOLE)
    for position, value in changes:
        content[position] = value
    for candidate in (bytes(content), bytes(content[:cut])):
        assert outcome(candidate) in {"read", "refused"}


@given(st.binary(max_size=400))
def test_noise_after_the_magic_raises_nothing_else(noise: bytes) -> None:
    assert outcome(b"GGUF\x03\x00\x00\x00" + noise) in {"read", "refused"}


def _without_tokens() -> dict[str, int | str]:
    return {
        key: value
        for key, value in LLAMA_PAIRS.items()
        if key != "tokenizer.ggml.tokens" and isinstance(value, int | str)
    }
