"""From a header's keys to the facts that memory depends on (``rbee.fit`` reads them).

The keys are those of the GGUF format's description and of llama.cpp's
``llama-arch.cpp``; sizes stand under the architecture's prefix.
"""

from rbee.contracts.models import ModelFacts
from rbee.foundation.gguf_pairs import LAYERS_MAX, Pairs, TensorSums


def model_facts(pairs: Pairs, tensors: TensorSums, architecture: str) -> ModelFacts:
    """Name the facts. A file that is one of several says nothing of the weights' sum."""

    def count(key: str) -> int | None:
        return pairs.count(f"{architecture}.{key}")

    kv_heads = f"{architecture}.attention.head_count_kv"
    pattern = f"{architecture}.attention.sliding_window_pattern"
    split = (pairs.count("split.count") or 1) > 1
    windows = pairs.per_layer(pattern)
    blocks = count("block_count")
    return ModelFacts(
        architecture=architecture,
        weights_bytes=None if split else _weights_bytes(tensors),
        layer_bytes=() if split or tensors.untyped else _layer_bytes(tensors, blocks),
        output_bytes=_output_bytes(tensors),
        context_length=count("context_length"),
        block_count=blocks,
        embedding_length=count("embedding_length"),
        feed_forward_length=count("feed_forward_length"),
        vocab_size=pairs.length("tokenizer.ggml.tokens") or count("vocab_size"),
        head_count=count("attention.head_count"),
        head_count_kv=pairs.count(kv_heads),
        head_count_kv_layers=pairs.per_layer(kv_heads),
        key_length=count("attention.key_length"),
        value_length=count("attention.value_length"),
        key_length_mla=count("attention.key_length_mla"),
        value_length_mla=count("attention.value_length_mla"),
        key_length_swa=count("attention.key_length_swa"),
        value_length_swa=count("attention.value_length_swa"),
        sliding_window=count("attention.sliding_window"),
        sliding_window_period=None if windows is not None else pairs.count(pattern),
        sliding_window_layers=windows,
        shared_kv_layers=count("attention.shared_kv_layers"),
        nextn_predict_layers=count("nextn_predict_layers"),
        full_attention_interval=count("full_attention_interval"),
        expert_count=count("expert_count"),
        expert_used_count=count("expert_used_count"),
        expert_feed_forward_length=count("expert_feed_forward_length"),
        ssm_conv_kernel=count("ssm.conv_kernel"),
        ssm_inner_size=count("ssm.inner_size"),
        ssm_state_size=count("ssm.state_size"),
        ssm_group_count=count("ssm.group_count"),
        wkv_head_size=count("wkv.head_size"),
        token_shift_count=count("token_shift_count"),
        shortconv_l_cache=count("shortconv.l_cache"),
    )


def _weights_bytes(tensors: TensorSums) -> int:
    """Types that are newer than our table are counted by the file's data section."""
    return tensors.section_bytes if tensors.untyped else tensors.size_bytes


def _layer_bytes(tensors: TensorSums, blocks: int | None) -> tuple[int, ...]:
    """Each layer's weights; nothing where tensors and layers do not agree."""
    if blocks is None or not 0 < blocks <= LAYERS_MAX:
        return ()
    if max(tensors.by_layer, default=0) >= blocks:
        return ()
    return tuple(tensors.by_layer.get(layer, 0) for layer in range(blocks))


def _output_bytes(tensors: TensorSums) -> int:
    """What the last step reads. Without a matrix of its own, a copy of the embeddings."""
    return tensors.output_bytes + (0 if tensors.has_output else tensors.embedding_bytes)
