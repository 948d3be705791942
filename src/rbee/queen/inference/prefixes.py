"""Which workers have read the beginning of a request's body before.

An engine keeps what it computed for a prompt; the next turn of a conversation,
or another request with the same long instructions, is answered faster where that
beginning lies. The body is cut into blocks of half a KiB and each block's hash covers all
before it, so a look-up is a walk along dictionary entries. No JSON is read: clients
write the same beginning with the same bytes. What is kept are hashes, made with this
process's own random seed: no prompt can be told from them.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

BLOCK_BYTES: Final = 512  # about 120 tokens: less is not worth a detour
BLOCKS_MAX: Final = 512  # of one body: beginnings that agree for 256 KiB are the same
ENTRIES_MAX: Final = 65_536  # about 15 MiB; 2,000 conversations of 16 KiB
HOLDERS_MAX: Final = 8  # workers per beginning, the latest first

GUARD_SHARE: Final = 0.5
"""How much more loaded the worker that knows the whole body may be than the one that
least-loaded would take, as a share of its slots; less in proportion where it knows
less. Without overlap nothing is known and the choice is least-loaded's own."""

HALF: Final = 0.5
"""Who knows this much of the body may in any case have one request more: reading half a
prompt anew costs more than sharing the engine with one."""


class Holder(NamedTuple):
    """A worker's process: a restarted one has forgotten everything."""

    worker_id: str
    generation: int


class Known(NamedTuple):
    """The longest known beginning: its share of the body, and who has read it."""

    share: float
    holders: tuple[Holder, ...]


NOTHING: Final = Known(0.0, ())


def blocks_of(body: bytes) -> list[int]:
    """One hash for each whole block, covering the body up to its end."""
    end = min(len(body) // BLOCK_BYTES, BLOCKS_MAX) * BLOCK_BYTES
    chained = 0
    found: list[int] = []
    for start in range(0, end, BLOCK_BYTES):
        chained = hash((chained, body[start : start + BLOCK_BYTES]))
        found.append(chained)
    return found


class PrefixIndex:
    """A bounded memory of beginnings, in two generations.

    What is learned goes into the young one; when that holds half of what may be kept it
    becomes the old one, and what was the old one is forgotten. So remembering something
    costs a look, and nothing is forgotten that was used within the last half.
    """

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._young: dict[int, tuple[Holder, ...]] = {}
        self._old: dict[int, tuple[Holder, ...]] = {}
        self._young_max = max(1, entries_max // 2)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, blocks: Sequence[int]) -> Known:
        """The longest known beginning of a body with these blocks."""
        young, old = self._young, self._old
        holders: tuple[Holder, ...] = ()
        depth = 0
        for block in blocks:
            found = young.get(block) or old.get(block)
            if found is None:
                break
            holders = found
            depth += 1
        return Known(depth / len(blocks), holders) if depth else NOTHING

    def learn(self, blocks: Sequence[int], holder: Holder) -> None:
        """This worker reads a body with these blocks now."""
        young = self._young
        alone = (holder,)
        for block in blocks:
            before = young.get(block)
            if before is None:
                before = self._old.get(block, ())
            elif before[0] == holder:
                continue
            if before:
                others = [other for other in before if other.worker_id != holder.worker_id]
                young[block] = (holder, *others[: HOLDERS_MAX - 1])
            else:
                young[block] = alone
        if len(young) > self._young_max:
            self._old, self._young = young, {}


def allowed_share(least_share: float, known: Known, slots: int) -> float:
    """The largest share of its ``slots`` in use at which a holder is still taken."""
    more = GUARD_SHARE * known.share
    if known.share >= HALF:
        more = max(more, 1.0 / slots)
    return least_share + more
