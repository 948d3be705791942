"""What is kept of a GGUF header while it is read: values by key, sums over tensors.

Filled by ``gguf``, asked by it and by ``gguf_facts``. The values come from an
untrusted file, so each question says what answer makes sense, and any other
counts as not said.
"""

from typing import Final, TypeAlias

import msgspec

COUNT_MAX: Final = 1 << 40  # a layer, width or context beyond this is nonsense
LAYERS_MAX: Final = 4_096  # as many layers are told apart; the largest model has 126

Value: TypeAlias = int | float | bool | str | tuple[int, ...] | None

_LAYER_PREFIX: Final = "blk."
_LAYER_DIGITS_MAX: Final = len(str(LAYERS_MAX))


class Pairs:
    """The metadata that was kept: scalars, short strings, short arrays' numbers."""

    def __init__(self) -> None:
        self._values: dict[str, Value] = {}
        self._lengths: dict[str, int] = {}

    def put(self, key: str, value: Value) -> None:
        """Keep a scalar, or null for a string that was too long."""
        self._values[key] = value

    def put_array(self, key: str, length: int, values: tuple[int, ...] | None) -> None:
        """Keep an array's length, and its numbers where they were read."""
        self._lengths[key] = length
        self._values[key] = values

    def has(self, key: str) -> bool:
        """Whether the file names it at all."""
        return key in self._values

    def length(self, key: str) -> int | None:
        """How many elements an array has."""
        return self._lengths.get(key)

    def string(self, key: str) -> str | None:
        """A text that is not empty."""
        value = self._values.get(key)
        return value if isinstance(value, str) and value else None

    def count(self, key: str) -> int | None:
        """A whole number in reason; of numbers per layer, the largest."""
        value = self._values.get(key)
        if isinstance(value, tuple):
            value = max(value, default=None)
        if isinstance(value, bool) or not isinstance(value, int):
            return None
        return value if 0 <= value <= COUNT_MAX else None

    def per_layer(self, key: str) -> tuple[int, ...] | None:
        """Whole numbers in reason, one for each layer."""
        value = self._values.get(key)
        if not isinstance(value, tuple) or len(value) > LAYERS_MAX:
            return None
        return value if all(0 <= number <= COUNT_MAX for number in value) else None


class TensorSums(msgspec.Struct):
    """The sums over the tensor descriptions.

    ``untyped`` counts those of a type that this reader does not know, so that
    their size is in ``section_bytes`` (the file's data) alone.
    """

    size_bytes: int = 0
    extent_bytes: int = 0
    section_bytes: int = 0
    elements: int = 0
    untyped: int = 0
    output_bytes: int = 0
    embedding_bytes: int = 0
    has_output: bool = False
    by_type: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    by_layer: dict[int, int] = msgspec.field(default_factory=dict[int, int])

    def add(self, tensor: str, type_name: str, size_bytes: int) -> None:
        """Count a tensor where its name says that it belongs."""
        self.size_bytes += size_bytes
        self.by_type[type_name] = self.by_type.get(type_name, 0) + size_bytes
        layer = _layer_of(tensor)
        if layer is not None:
            self.by_layer[layer] = self.by_layer.get(layer, 0) + size_bytes
        elif tensor.startswith("output"):
            self.output_bytes += size_bytes
            self.has_output = self.has_output or tensor == "output.weight"
        elif tensor == "token_embd.weight":
            self.embedding_bytes = size_bytes


def _layer_of(tensor: str) -> int | None:
    """``blk.17.attn_q.weight`` is of layer 17."""
    if not tensor.startswith(_LAYER_PREFIX):
        return None
    number = tensor[len(_LAYER_PREFIX) :].partition(".")[0]
    if not number.isascii() or not number.isdigit() or len(number) > _LAYER_DIGITS_MAX:
        return None
    layer = int(number)
    return layer if layer < LAYERS_MAX else None
