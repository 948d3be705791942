"""Walk a GGUF header without holding it: a position over a window of bytes.

``gguf`` says what the bytes mean; this file makes sure that reading them costs
what it should: one window of memory, no allocation by a number from the file,
a bounded number of steps. Its only exception is ``CorruptModel``.
"""

import struct
from collections.abc import Callable
from typing import Final, TypeAlias

from rbee.errors import CorruptModel

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""``read(offset, size)``: up to ``size`` bytes; fewer only at the end of the file."""

WINDOW_BYTES: Final = 1024 * 1024  # one read; a whole header is 2 to 12 MiB
HEADER_BYTES_MAX: Final = 256 * 1024 * 1024  # 20 times the largest vocabulary known
STEPS_MAX: Final = 8_000_000  # array elements looked at: 16 vocabularies, about 2 s


class Cursor:
    """A position in the header, over a window of bytes that moves with it."""

    def __init__(self, read_at: ReadAt, size_bytes: int, label: str) -> None:
        self._read_at = read_at
        self._label = label
        self._end = min(size_bytes, HEADER_BYTES_MAX)
        self._cut = size_bytes <= HEADER_BYTES_MAX
        self._window = b""
        self._start = 0
        self.position = 0
        self._steps_left = STEPS_MAX

    def corrupt(self, what: str) -> CorruptModel:
        """The error for this file, with the position."""
        return CorruptModel(f"{self._label} is damaged: {what} near byte {self.position:,}.")

    def need(self, size: int) -> int:
        """Have ``size`` bytes in the window; their offset in it."""
        offset = self.position - self._start
        if offset >= 0 and offset + size <= len(self._window):
            return offset
        missing = self.position + size - self._end
        if missing > 0:
            if not self._cut:
                raise self.corrupt(f"a header longer than {HEADER_BYTES_MAX:,} bytes")
            raise CorruptModel(
                f"{self._label} is truncated: its header goes on for at least {missing:,} bytes"
                f" after the end of the file."
            )
        self._window = self._read_at(self.position, max(size, WINDOW_BYTES))
        self._start = self.position
        if len(self._window) < size:
            raise CorruptModel(f"{self._label} became shorter while it was read.")
        return 0

    def scalar(self, layout: str) -> int | float | bool:
        """One fixed-size value, by its ``struct`` layout."""
        size = struct.calcsize(layout)
        offset = self.need(size)
        self.position += size
        value: int | float | bool = struct.unpack_from(layout, self._window, offset)[0]
        return value

    def number(self, layout: str, limit: int, what: str) -> int:
        """A whole number that a limit holds."""
        value = int(self.scalar(layout))
        if not 0 <= value <= limit:
            raise self.corrupt(f"{what} {value:,} (at most {limit:,} make sense)")
        return value

    def raw(self, size: int) -> bytes:
        """``size`` bytes as they are."""
        offset = self.need(size)
        self.position += size
        return self._window[offset : offset + size]

    def text(self, limit: int) -> str:
        """A name of at most ``limit`` bytes."""
        length = self.number("<Q", limit, "a name of length")
        try:
            return self.raw(length).decode()
        except UnicodeDecodeError:
            raise self.corrupt("a name that is not UTF-8") from None

    def skip(self, size: int) -> None:
        """Pass over bytes unread."""
        missing = self.position + size - self._end
        if missing > 0:
            self.need(size)
        self.position += size

    def spend(self, steps: int) -> None:
        """Count elements that are looked at one by one, so that no header takes minutes."""
        self._steps_left -= steps
        if self._steps_left < 0:
            raise self.corrupt(f"more than {STEPS_MAX:,} array elements")

    def skip_strings(self, count: int) -> None:
        """Walk over ``count`` strings: the hot loop, so it works on the window itself."""
        self.spend(count)
        unpack = struct.Struct("<Q").unpack_from
        window, start, position = self._window, self._start, self.position
        for _ in range(count):
            offset = position - start
            if offset + 8 > len(window):
                self.position = position
                offset = self.need(8)
                window, start = self._window, self._start
            position += 8 + unpack(window, offset)[0]
            if position > self._end:
                self.position = position
                self.need(0)
        self.position = position
