"""The fit's cache and compute against what the engine logs, for every kind of model.

The models are made here: real tensors of zeros under real keys, small enough to
load in a second. A new version of the engine that counts otherwise fails here.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from rbee.fit import RunSettings, estimate
from rbee.foundation.gguf import read_header
from rbee.testing.gguf import PairValue, TinyTensor, write_gguf

pytestmark = pytest.mark.system

MIB = 1024 * 1024
LOAD_WITHIN_S = 30.0
WORDS, LAYERS, WIDTH, HIDDEN = 1_024, 6, 256, 512
SETTINGS = RunSettings(context_tokens=4_096, slots=2, ubatch_tokens=256)

LOAD = """
import os, sys, xllamacpp
p = xllamacpp.CommonParams()
p.model.path, p.port, p.hostnames = sys.argv[1], 0, ["127.0.0.1"]
p.n_ctx, p.n_parallel, p.n_ubatch, p.kv_unified = 4096, 2, 256, True
p.fit_params, p.ui, p.verbosity = False, False, 4
server = xllamacpp.Server(p)  # kept: its end races with its start
os._exit(0)
"""


def tensors(layer: Callable[[str], list[TinyTensor]]) -> tuple[TinyTensor, ...]:
    outer = [
        TinyTensor("token_embd.weight", (WIDTH, WORDS)),
        TinyTensor("output_norm.weight", (WIDTH,)),
        TinyTensor("output.weight", (WIDTH, WORDS)),
    ]
    return (*outer, *(t for n in range(LAYERS) for t in layer(f"blk.{n}.")))


def attention(at: str, query: int, kv: int, normed: int = 0) -> list[TinyTensor]:
    shapes = {
        "attn_norm": (WIDTH,),
        "attn_q": (WIDTH, query),
        "attn_k": (WIDTH, kv),
        "attn_v": (WIDTH, kv),
        "attn_output": (query, WIDTH),
    }
    if normed:
        shapes |= {"attn_q_norm": (normed,), "attn_k_norm": (normed,)}
    return [TinyTensor(f"{at}{name}.weight", shape) for name, shape in shapes.items()]


def block(at: str) -> list[TinyTensor]:
    shapes = {
        "ffn_norm": (WIDTH,),
        "ffn_gate": (WIDTH, HIDDEN),
        "ffn_up": (WIDTH, HIDDEN),
        "ffn_down": (HIDDEN, WIDTH),
    }
    return [TinyTensor(f"{at}{name}.weight", shape) for name, shape in shapes.items()]


def experts(at: str) -> list[TinyTensor]:
    shapes = {
        "ffn_norm": (WIDTH,),
        "ffn_gate_inp": (WIDTH, 8),
        "ffn_gate_exps": (WIDTH, 256, 8),
        "ffn_up_exps": (WIDTH, 256, 8),
        "ffn_down_exps": (256, WIDTH, 8),
    }
    return [TinyTensor(f"{at}{name}.weight", shape) for name, shape in shapes.items()]


def latent(at: str) -> list[TinyTensor]:
    shapes = {
        "attn_norm": (WIDTH,),
        "attn_q_a_norm": (96,),
        "attn_kv_a_norm": (128,),
        "attn_q_a": (WIDTH, 96),
        "attn_q_b": (96, 4 * 96),
        "attn_kv_a_mqa": (WIDTH, 160),
        "attn_k_b": (64, 128, 4),
        "attn_v_b": (128, 64, 4),
        "attn_output": (256, WIDTH),
    }
    return [TinyTensor(f"{at}{name}.weight", shape) for name, shape in shapes.items()]


def recurrent(at: str) -> list[TinyTensor]:
    shapes = {
        "attn_norm.weight": (WIDTH,),
        "ssm_in.weight": (WIDTH, 1024),
        "ssm_conv1d.weight": (4, 512),
        "ssm_conv1d.bias": (512,),
        "ssm_x.weight": (512, 48),
        "ssm_dt.weight": (16, 512),
        "ssm_dt.bias": (512,),
        "ssm_a": (16, 512),
        "ssm_d": (512,),
        "ssm_out.weight": (512, WIDTH),
    }
    return [TinyTensor(f"{at}{name}", shape) for name, shape in shapes.items()]


def windowed(at: str) -> list[TinyTensor]:
    after = [
        TinyTensor(f"{at}post_{name}.weight", (WIDTH,)) for name in ("attention_norm", "ffw_norm")
    ]
    return [*attention(at, 256, 128, 64), *block(at), *after]


def pairs(architecture: str, own: Mapping[str, PairValue]) -> dict[str, PairValue]:
    letters = [chr(0x100 + n) for n in range(256)]
    sizes: dict[str, PairValue] = {
        "context_length": 65_536,
        "block_count": LAYERS,
        "embedding_length": WIDTH,
        "feed_forward_length": HIDDEN,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
        "attention.layer_norm_rms_epsilon": 1e-5,
        **own,
    }
    return {
        "general.architecture": architecture,
        **{f"{architecture}.{key}": value for key, value in sizes.items()},
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [f"w{n}" for n in range(WORDS - 256)] + letters,
        "tokenizer.ggml.merges": ["w 1"],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 1,
    }


HEADS = {"attention.key_length": 64, "attention.value_length": 64}
KINDS: dict[str, tuple[dict[str, PairValue], tuple[TinyTensor, ...]]] = {
    "dense": (pairs("llama", {}), tensors(lambda at: [*attention(at, 256, 128), *block(at)])),
    "experts": (
        pairs("qwen3moe", {**HEADS, "expert_count": 8, "expert_used_count": 4,
                           "expert_feed_forward_length": 256}),
        tensors(lambda at: [*attention(at, 256, 128, 64), *experts(at)]),
    ),
    "windows": (
        pairs("gemma3", {**HEADS, "attention.sliding_window": 512}), tensors(windowed)
    ),
    "mla": (
        pairs("deepseek2", {
            "attention.head_count_kv": 1, "attention.q_lora_rank": 96,
            "attention.kv_lora_rank": 128, "attention.key_length": 160,
            "attention.value_length": 128, "attention.key_length_mla": 96,
            "attention.value_length_mla": 64, "rope.dimension_count": 32,
            "leading_dense_block_count": LAYERS, "expert_count": 0, "expert_used_count": 0,
            "expert_feed_forward_length": 64, "expert_shared_count": 1,
            "expert_weights_scale": 1.0, "expert_gating_func": 2,
        }),
        tensors(lambda at: [*latent(at), *block(at)]),
    ),
    "recurrent": (
        pairs("mamba", {
            "attention.head_count": 0, "attention.head_count_kv": 0, "feed_forward_length": 0,
            "ssm.conv_kernel": 4, "ssm.inner_size": 512, "ssm.state_size": 16,
            "ssm.time_step_rank": 16, "ssm.dt_b_c_rms": False,
        }),
        tensors(recurrent),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_cache_and_compute_are_what_the_engine_logs(kind: str, tmp_path: Path) -> None:
    model = write_gguf(tmp_path / f"{kind}.gguf", *KINDS[kind])
    facts = read_header(model).facts
    assert facts is not None
    said = estimate(facts, SETTINGS)
    log = loaded(model)
    assert total(log, r"model buffer size") == pytest.approx(said.weights_bytes, abs=0.01 * MIB)
    assert total(log, r"(?:KV|RS) buffer size") == pytest.approx(said.kv_bytes, abs=0.01 * MIB)
    computed = total(log, r"compute buffer size") + total(log, r"output buffer size")
    assert computed == pytest.approx(said.compute_bytes, rel=0.05)


def loaded(model: Path) -> str:
    """What the engine says while it loads ``model``."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(model)],
        capture_output=True,
        timeout=LOAD_WITHIN_S,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, said[-2_000:]
    return said


def total(log: str, what: str) -> float:
    """The sum of a line's sizes over all buffers, in bytes."""
    sizes = re.findall(rf"{what} =\s*([\d.]+) MiB", log)
    assert sizes, f"the engine does not log its {what} any more"
    return sum(map(float, sizes)) * MIB
