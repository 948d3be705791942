"""Throw damaged model headers at the reader, in one process, and watch what it costs.

    python benchmarks/fuzz_gguf.py [--inputs 1000000] [--seed 1] [--seconds N]

Valid headers of several kinds (dense, per-layer, experts, windows, recurrent,
MLA, version 2, large vocabulary, nested arrays) are damaged in ways that know
the format (counts, lengths, types, keys, offsets, cuts, splices) and in ways
that do not (bytes, noise). The only exception allowed is ``CorruptModel``; what
was read must also pass ``rbee.fit`` without an error. Prints inputs per second,
the growth of resident memory after the warm-up, the slowest input, and ends
with 1 when a rule was broken. The input that did it is written to a file.
"""

import argparse
import random
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import psutil

from rbee.errors import CorruptModel
from rbee.fit import DeviceMemory, RunSettings, judge, plan_offload
from rbee.foundation.gguf import GgufHeader, parse_header
from rbee.testing.gguf import LLAMA_PAIRS, PairValue, TinyTensor, gguf_bytes

INPUTS: Final = 1_000_000
WARM_UP: Final = 5_000  # inputs until allocator and caches have settled
RSS_GROWTH_MAX_MIB: Final = 32  # far below what any claimed length would take
SLOWEST_MAX_S: Final = 5.0  # STEPS_MAX elements take about 2 s
_INTERESTING: Final = (
    0, 1, 2, 7, 8, 9, 12, 13, 31, 32, 33, 127, 128, 255, 256, 4_095, 4_096, 4_097, 65_535,
    65_536, 1 << 20, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 32, 1 << 40, (1 << 40) + 1,
    1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
)  # fmt: skip
_MIB: Final = 1024 * 1024
_SETTINGS: Final = RunSettings(context_tokens=8_192, slots=4)
_GPUS: Final = tuple(
    DeviceMemory(id=name, total_bytes=size * _MIB, free_bytes=size * _MIB)
    for name, size in (("GPU-0", 8_192), ("GPU-1", 24_576))
)


class Tally(msgspec.Struct):
    """What happened."""

    inputs: int = 0
    read: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    slowest: str = ""
    rss_start_mib: float = 0.0
    rss_growth_mib: float = 0.0
    seconds: float = 0.0


class Rule(Exception):
    """A rule was broken by this input."""

    def __init__(self, text: str, content: bytes) -> None:
        super().__init__(text)
        self.content = content


def kinds() -> dict[str, bytes]:
    """Valid headers to start from."""
    tensors = tuple(
        TinyTensor(f"blk.{layer}.{part}.weight", (32, 4))
        for layer in range(4)
        for part in ("attn_q", "ffn_up")
    )
    many = (*tensors, TinyTensor("token_embd.weight", (32, 8)), TinyTensor("output.weight", (4,)))

    def of(arch: str, more: Mapping[str, PairValue]) -> dict[str, PairValue]:
        pairs: dict[str, PairValue] = {
            key.replace("llama.", f"{arch}."): value for key, value in LLAMA_PAIRS.items()
        }
        pairs |= {"general.architecture": arch, f"{arch}.block_count": 4}
        return pairs | {f"{arch}.{key}": value for key, value in more.items()}

    words: Sequence[str] = [f"word{n}" for n in range(300)]
    return {
        "dense": gguf_bytes(LLAMA_PAIRS, many),
        "version 2": gguf_bytes(LLAMA_PAIRS, many, version=2),
        "per layer": gguf_bytes(of("deci", {"attention.head_count_kv": [0, 1, 8, 2]}), many),
        "experts": gguf_bytes(
            of("qwen3moe", {"expert_count": 8, "expert_used_count": 2}), many
        ),
        "window": gguf_bytes(
            of("gemma3", {"attention.sliding_window": 512,
                          "attention.sliding_window_pattern": [1, 1, 1, 0]}), many
        ),
        "mla": gguf_bytes(
            of("deepseek2", {"attention.key_length_mla": 192, "attention.value_length_mla": 128,
                             "attention.key_length": 576, "attention.value_length": 512}), many
        ),
        "recurrent": gguf_bytes(
            of("mamba", {"ssm.conv_kernel": 4, "ssm.inner_size": 64, "ssm.state_size": 16}), many
        ),
        "hybrid": gguf_bytes(
            of("qwen3next", {"ssm.conv_kernel": 4, "ssm.inner_size": 64, "ssm.state_size": 16,
                             "ssm.group_count": 2, "full_attention_interval": 4}), many
        ),
        "vocabulary": gguf_bytes({**LLAMA_PAIRS, "tokenizer.ggml.tokens": words}, many),
        "empty": gguf_bytes({"general.architecture": "llama"}, ()),
    }  # fmt: skip


def damage(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """One to four changes, each of a kind that chance picks."""
    out = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        rng.choice(_DAMAGES)(out, others, rng)
    return bytes(out)


def _flip(out: bytearray, _others: Sequence[bytes], rng: random.Random) -> None:
    for _ in range(rng.randint(1, 8)):
        if out:
            out[rng.randrange(len(out))] = rng.randrange(256)


def _number(out: bytearray, _others: Sequence[bytes], rng: random.Random) -> None:
    """An extreme value where a count, length, type or offset may stand."""
    layout = rng.choice(("<I", "<Q"))
    size = struct.calcsize(layout)
    if len(out) > size:
        value = rng.choice(_INTERESTING) & ((1 << (8 * size)) - 1)
        struct.pack_into(layout, out, rng.randrange(len(out) - size), value)


def _field(out: bytearray, _others: Sequence[bytes], rng: random.Random) -> None:
    """The same at a place that is one: behind a key, its type, length or value."""
    starts = [at for at in (out.find(mark) for mark in _MARKS) if at >= 0]
    if not starts:
        return
    at = rng.choice(starts)
    end = at + rng.choice((-8, 0, 8, 16, 20, 24, 28, 32, 40, 48))
    layout = rng.choice(("<I", "<Q"))
    if 0 <= end <= len(out) - struct.calcsize(layout):
        limit = (1 << (8 * struct.calcsize(layout))) - 1
        struct.pack_into(layout, out, end, rng.choice(_INTERESTING) & limit)


def _counts(out: bytearray, _others: Sequence[bytes], rng: random.Random) -> None:
    """The two counts at the file's start."""
    if len(out) >= 24:
        struct.pack_into("<Q", out, rng.choice((8, 16)), rng.choice(_INTERESTING))


def _cut(out: bytearray, _others: Sequence[bytes], rng: random.Random) -> None:
    del out[rng.randrange(len(out) + 1) :]


def _drop(out: bytearray, _others: Sequence[bytes], rng: random.Random) -> None:
    at = rng.randrange(len(out) + 1)
    del out[at : at + rng.randint(1, 16)]


def _splice(out: bytearray, others: Sequence[bytes], rng: random.Random) -> None:
    other = rng.choice(others)
    begin = rng.randrange(len(other))
    at = rng.randrange(len(out) + 1)
    out[at:at] = other[begin : begin + rng.randint(1, 256)]


def _noise(out: bytearray, _others: Sequence[bytes], rng: random.Random) -> None:
    keep = rng.choice((0, 4, 8, 16, 24))
    out[keep:] = rng.randbytes(rng.randrange(256))


def _array(out: bytearray, _others: Sequence[bytes], rng: random.Random) -> None:
    """A value becomes an array of any kind and a great length, maybe a nested one."""
    starts = [at for at in (out.find(mark) for mark in _MARKS) if at >= 0]
    if starts:
        at = rng.choice(starts) + rng.choice((8, 16, 20, 24))
        head = struct.pack("<IIQ", 9, rng.randrange(14), rng.choice(_INTERESTING))
        nested = struct.pack("<IQ", 9, 2) * rng.randrange(8)
        out[at:at] = head + nested


_MARKS: Final = tuple(
    key.encode() for key in (
        "general.architecture", "general.alignment", "general.file_type", "block_count",
        "head_count", "head_count_kv", "sliding_window_pattern", "tokenizer.ggml.tokens",
        "expert_count", "ssm.inner_size", "blk.0", "blk.3", "output.weight", "token_embd",
    )
)  # fmt: skip
_Damage = Callable[[bytearray, Sequence[bytes], random.Random], None]
_DAMAGES: Final[tuple[_Damage, ...]] = (
    _flip, _number, _number, _field, _field, _field, _counts, _cut, _drop, _splice, _noise, _array,
)  # fmt: skip


def attempt(content: bytes, tally: Tally, *, fit: bool = True) -> None:
    """Read one input; break off with ``Rule`` when it raises anything but CorruptModel."""

    def read_at(offset: int, size: int) -> bytes:
        return content[offset : offset + size]

    started = time.thread_time()  # work, not the waits of a busy machine
    try:
        header = parse_header(read_at, len(content), "fuzz")
        tally.read += 1
        if fit:
            _judge(header)
    except CorruptModel:
        tally.refused += 1
    except Exception as error:  # the rule under test: nothing else may come
        raise Rule(f"{type(error).__name__}: {error}", content) from error
    took_s = time.thread_time() - started
    tally.inputs += 1
    if took_s > tally.slowest_s:
        tally.slowest_s = took_s
        tally.slowest = f"input {tally.inputs} of {len(content)} bytes"
    if took_s > SLOWEST_MAX_S:
        raise Rule(f"{took_s:.1f} s for {len(content)} bytes", content)


def _judge(header: GgufHeader) -> None:
    if header.facts is not None:
        judge(header.facts, _SETTINGS, _GPUS[0])
        plan_offload(header.facts, _SETTINGS, _GPUS)


def fuzz(inputs: int, seed: int, seconds: float = float("inf")) -> Tally:
    """Run ``inputs`` inputs, or for ``seconds``.

    Raises:
        Rule: one broke a rule.
    """
    rng = random.Random(seed)  # noqa: S311  repeatable, not secret
    valid = list(kinds().values())
    tally = Tally()
    process = psutil.Process()
    for content in valid:
        attempt(content, tally)
    if tally.refused:
        raise Rule("a valid header was refused", b"")
    began = time.perf_counter()
    highest = 0.0
    while tally.inputs < inputs and time.perf_counter() - began < seconds:
        attempt(damage(rng.choice(valid), valid, rng), tally)
        if tally.inputs == min(WARM_UP, inputs // 2):
            tally.rss_start_mib = process.memory_info().rss / _MIB
        if tally.inputs % 256 == 0 and tally.rss_start_mib:
            highest = max(highest, process.memory_info().rss / _MIB)
    tally.seconds = time.perf_counter() - began
    tally.rss_growth_mib = max(0.0, highest - tally.rss_start_mib)
    if tally.rss_growth_mib > RSS_GROWTH_MAX_MIB:
        raise Rule(f"resident memory grew by {tally.rss_growth_mib:.0f} MiB", b"")
    return tally


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description="Fuzz the GGUF header reader.")
    parser.add_argument("--inputs", type=int, default=INPUTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    asked = parser.parse_args()
    try:
        tally = fuzz(asked.inputs, asked.seed, asked.seconds)
    except Rule as broken:
        kept = Path("fuzz-failure.gguf")
        kept.write_bytes(broken.content)
        print(f"BROKEN: {broken} (seed {asked.seed}; the input is in {kept})", file=sys.stderr)
        return 1
    print(f"inputs          {tally.inputs:,} (read {tally.read:,}, refused {tally.refused:,})")
    print(f"inputs/s        {tally.inputs / tally.seconds:,.0f} over {tally.seconds:,.0f} s")
    print(f"RSS after start {tally.rss_start_mib:.1f} MiB, growth {tally.rss_growth_mib:.1f} MiB")
    print(f"slowest         {tally.slowest_s * 1000:.1f} ms ({tally.slowest})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
