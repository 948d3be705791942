"""The stream's own loop, and those who watch.

Once a second, and at once (at most ten times a second) when the registry or the queue
changed, a sample is folded into the feeds: one for operators, one for readers. While nobody
watches only the events are looked for. Nobody has a queue of his own: a watcher knows the
number of the last delta that it was sent and takes the next ones from the feed's ring when
its connection has room; whoever is overtaken by the ring gets a fresh snapshot.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Final, Literal, TypeAlias

import anyio
import anyio.to_thread

from rbee.errors import NoCapacity
from rbee.queen.state.events import Events
from rbee.queen.state.feed import Feed, Rows
from rbee.queen.state.happenings import Happening
from rbee.queen.state.packing import Packed
from rbee.queen.state.sampler import Sampler

Audience: TypeAlias = Literal["operators", "readers"]

BEAT_S: Final = 1.0  # as the hives beat
NUDGED_S: Final = 0.1  # how soon a change is told; ten samples a second at most
BUSY_MAX: Final = 0.2  # of the loop's time: where a sample takes long, they come less often
STREAMS_MAX: Final = 512  # a screen on every desk of a large office; each holds a connection
STREAM_S_MAX: Final = 3600.0  # then a client comes anew, and shows its key again; nothing is lost


class Watcher:
    """One who watches. ``principal`` is the id of the key that was shown."""

    def __init__(self, principal: str, *, gzip: bool, until: float) -> None:
        self.principal = principal
        self.gzip = gzip
        self.until = until


class Channel:
    """A feed for an audience, with its frames packed for the wire."""

    def __init__(self, boot: str, audience: Audience) -> None:
        self.feed = Feed()
        self.watchers: set[Watcher] = set()
        self.fresh = False  # whether the feed holds the present; not while nobody watches
        self.changed = anyio.Event()
        # Ids of one audience mean nothing to the other: whoever changes keys begins anew.
        self.boot = f"{boot}{audience[0]}"
        self._packed: dict[int, Packed] = {}
        self._snapshot: Packed | None = None

    def event_id(self, seq: int) -> str:
        """The id of a message on the wire."""
        return f"{self.boot}-{seq}"

    def seq_of(self, event_id: str) -> int | None:
        """The number in an id of this boot and audience; None for any other."""
        boot, _, number = event_id.rpartition("-")
        return int(number) if boot == self.boot and _is_number(number) else None

    def after(self, seq: int) -> list[Packed] | None:
        """What comes after ``seq``; None: a snapshot has to."""
        frames = self.feed.since(seq)
        if frames is None:
            return None
        return [self._pack(frame.seq, frame.data) for frame in frames]

    def snapshot(self, at: float) -> Packed:
        """The tables as they are."""
        frame = self.feed.snapshot(at)
        known = self._snapshot
        if known is None or known.data is not frame.data:
            known = Packed(frame.seq, frame.data, self.event_id(frame.seq))
            self._snapshot = known
        return known

    def tell(self) -> None:
        """There is a new delta: wake those who watch."""
        oldest = self.feed.oldest
        self._packed = {seq: one for seq, one in self._packed.items() if seq >= oldest}
        self._snapshot = None
        self.wake()

    def wake(self) -> None:
        """Let those who watch look again."""
        changed, self.changed = self.changed, anyio.Event()
        changed.set()

    def _pack(self, seq: int, data: bytes) -> Packed:
        packed = self._packed.get(seq)
        if packed is None:
            packed = self._packed[seq] = Packed(seq, data, self.event_id(seq))
        return packed


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 15  # noqa: PLR2004  more seconds than the sun has left


class Publisher:
    """Samples, folds, wakes. ``wall_clock`` gives Unix seconds."""

    def __init__(
        self,
        sampler: Sampler,
        events: Events,
        look: Callable[[], Awaitable[list[Happening]]],
        *,
        boot: str,
        wall_clock: Callable[[], float],
    ) -> None:
        self._sampler = sampler
        self.events = events
        self._look = look
        self._wall_clock = wall_clock
        self._nudged = anyio.Event()
        self._packing = anyio.Lock()
        self._full_at = 0.0
        self.channels: dict[Audience, Channel] = {
            "operators": Channel(boot, "operators"),
            "readers": Channel(boot, "readers"),
        }
        events.changed = self.nudge

    @property
    def watching(self) -> int:
        """How many watch."""
        return sum(len(one.watchers) for one in self.channels.values())

    def nudge(self) -> None:
        """Something changed that people want to see at once."""
        self._nudged.set()

    async def run(self) -> None:
        """Sample for ever."""
        while True:
            began = anyio.current_time()
            is_full = began >= self._full_at
            self._nudged = anyio.Event()
            if is_full:
                self._full_at = began + BEAT_S
                self.events.take(await self._look())
            if self.watching:
                await self._sample(is_full=is_full)
            pause_s = max(NUDGED_S, (anyio.current_time() - began) / BUSY_MAX)
            await anyio.sleep(pause_s)
            with anyio.move_on_after(self._full_at - anyio.current_time()):
                await self._nudged.wait()

    async def follow(
        self, audience: Audience, last_id: str | None, watcher: Watcher
    ) -> AsyncGenerator[Packed]:
        """The messages for one who watches: what came after ``last_id``, or a snapshot first.

        Ends when the watcher's time is over or its key counts no more.
        """
        channel = self.channels[audience]
        channel.watchers.add(watcher)
        try:
            while not channel.fresh:
                self._full_at = 0.0
                self.nudge()
                await channel.changed.wait()
            seq = None if last_id is None else channel.seq_of(last_id)
            while anyio.current_time() < watcher.until:
                changed = channel.changed
                found = None if seq is None else channel.after(seq)
                messages = [channel.snapshot(self._wall_clock())] if found is None else found
                for message in messages:
                    if anyio.current_time() >= watcher.until:
                        return
                    await self._deflate(message, [watcher])
                    yield message
                    seq = message.seq
                if not messages:
                    await changed.wait()
        finally:
            channel.watchers.discard(watcher)
            channel.fresh = channel.fresh and bool(channel.watchers)

    def check_room(self) -> None:
        """Refuse one more who wants to watch when there are too many.

        Raises:
            NoCapacity: ``STREAMS_MAX`` watch already.
        """
        if self.watching >= STREAMS_MAX:
            raise NoCapacity(
                f"{STREAMS_MAX} clients watch the colony already.",
                remedy="Close pages that nobody looks at, or try again later.",
            )

    def drop(self, principal: str) -> None:
        """This key counts no more: whoever came with it sees nothing from now on."""
        for channel in self.channels.values():
            for watcher in channel.watchers:
                if watcher.principal == principal:
                    watcher.until = 0.0
            channel.wake()

    # ── inside ───────────────────────────────────────────────────────────────

    async def _sample(self, *, is_full: bool) -> None:
        """Make a sample for those who watch, and fold it in."""
        operators, readers = self.channels["operators"], self.channels["readers"]
        now, at = anyio.current_time(), self._wall_clock()
        make = self._sampler.full if is_full else self._sampler.slow
        sample = await make(now, at, readers=bool(readers.watchers))
        if operators.watchers:
            await self._fold(operators, sample.operators, at, is_full=is_full)
        if sample.readers is not None:
            await self._fold(readers, sample.readers, at, is_full=is_full)

    async def _fold(
        self, channel: Channel, tables: dict[str, Rows], at: float, *, is_full: bool
    ) -> None:
        if not is_full and not channel.fresh:
            return  # half a colony is no snapshot
        seq = channel.feed.seq
        channel.feed.fold(tables, at)
        for message in channel.after(seq) or ():
            await self._deflate(message, channel.watchers)
        channel.fresh = bool(channel.watchers)  # the last one may have left meanwhile
        channel.tell()

    async def _deflate(self, message: Packed, watchers: Iterable[Watcher]) -> None:
        """Deflate a long message in a thread, before the loop would have to."""
        if message.is_large and any(watcher.gzip for watcher in watchers):
            async with self._packing:
                if message.is_large:
                    await anyio.to_thread.run_sync(message.deflated)
