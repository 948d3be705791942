"""How a model shall be run, as far as memory depends on it."""

from typing import Final, Literal

import msgspec

KvType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]

KV_BLOCKS: Final[dict[KvType, tuple[int, int]]] = {
    "f32": (1, 4),
    "f16": (1, 2),
    "bf16": (1, 2),
    "q8_0": (32, 34),
    "q5_1": (32, 24),
    "q5_0": (32, 22),
    "q4_1": (32, 20),
    "q4_0": (32, 18),
    "iq4_nl": (32, 18),
}
"""Type of a cache → (elements of a block, bytes of a block); llama.cpp's ``ggml.h``."""

UBATCH_TOKENS_DEFAULT: Final = 512  # llama.cpp's own


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One way to run a model.

    ``context_tokens`` is shared by the ``slots``; with ``unified`` one of them
    may use all of it, else each has an equal part. ``ubatch_tokens`` are computed
    at once. ``all_outputs``: a result for every token of a batch (embeddings, and
    engines that reserve for it). ``flash_attention`` off costs a matrix of scores.
    ``swa_full``: sliding windows are cached like full attention.
    ``prompt_cache_bytes`` is host memory that the engine may fill with the
    prompts of ended requests. ``gpu_layers`` null: all or none, as the device is.
    """

    context_tokens: int
    slots: int = 1
    ubatch_tokens: int = UBATCH_TOKENS_DEFAULT
    key_type: KvType = "f16"
    value_type: KvType = "f16"
    unified: bool = True
    all_outputs: bool = False
    flash_attention: bool = True
    swa_full: bool = False
    prompt_cache_bytes: int = 0
    gpu_layers: int | None = None


def settings_key(settings: RunSettings) -> str:
    """A short text that is equal when the settings are: the key of measurements."""
    said = [
        f"ctx={settings.context_tokens}",
        f"slots={settings.slots}",
        f"ubatch={settings.ubatch_tokens}",
        f"kv={settings.key_type}/{settings.value_type}",
    ]
    flags = {
        "split": not settings.unified,
        "outputs": settings.all_outputs,
        "noflash": not settings.flash_attention,
        "swafull": settings.swa_full,
    }
    said += [name for name, on in flags.items() if on]
    if settings.gpu_layers is not None:
        said.append(f"gpu={settings.gpu_layers}")
    return " ".join(said)
