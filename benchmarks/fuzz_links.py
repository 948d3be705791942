"""Throw damaged messages at both ends of a link, in one process, and watch what it costs.

    python benchmarks/fuzz_links.py [--inputs 1000000] [--seed 1]

Valid conversations (HELLO, beats, streams with credit, ends, resets, SEEN) are damaged in
ways that know the format (kinds, stream numbers, counts, credits, lengths, order, doubled
and left-out frames) and in ways that do not (bits, cuts, noise), and go through the
WebSocket reader in arbitrary pieces into a session that serves streams. The only
exceptions allowed are ``BadMessage`` and ``Violation``; after either the session is closed
and a new one begins, as a connection would be. Join tokens are damaged as well
(``InvalidRequest`` allowed). Prints inputs a second, the growth of resident memory after
the warm-up, the slowest input (CPU time), and ends with 1 when a rule was broken; the seed and the
number of the input say which it was.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable
from typing import Final

import msgspec
import psutil

from rbee.errors import RbeeError
from rbee.foundation.identity.tokens import parse_token
from rbee.foundation.mux import frames, websocket
from rbee.foundation.mux.frames import Hello, Violation, Welcome
from rbee.foundation.mux.mux import Mux
from rbee.foundation.mux.stream import Owner, Stream
from rbee.foundation.mux.websocket import BINARY, BadMessage, Reader
from rbee.testing.raw_worker import beat, ready_worker

INPUTS: Final = 1_000_000
WARM_UP: Final = 20_000
RSS_GROWTH_MAX_MIB: Final = 32
SLOWEST_MAX_S: Final = 1.0  # no message is longer than 256 KiB
HELD_MAX_BYTES: Final = 64 * 1024 * 1024
MASK: Final = b"\x5a\xa5\x11\xee"
KINDS: Final = (1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 0, 8, 15, 21, 255)
NUMBERS: Final = (0, 1, 2, 3, 4, 5, 1000, 0x7FFFFFFF, 0xFFFFFFFF)
_MIB: Final = 1024 * 1024

BEAT: Final = msgspec.json.encode(beat([ready_worker("w1", 9001)], hive_id="far"))
HELLO: Final = msgspec.json.encode(Hello(version=1, hive_id="far", session="a" * 32))
WELCOME: Final = msgspec.json.encode(Welcome(version=1, epoch=7))
TOKEN: Final = f"rbee1.{'ab' * 32}.{'c' * 16}.{'d' * 43}"


class Sink:
    """Reads now and then, answers now and then."""

    def __init__(self, mux: Mux, stream: Stream | None, dice: random.Random) -> None:
        self._mux = mux
        self.stream = stream
        self._dice = dice

    def taken(self, data: bytes) -> None:
        """Use it up, or not; sometimes send as much back."""
        if self.stream is not None and self._dice.random() < 0.7:
            self._mux.consume(self.stream, len(data))
            if self._dice.random() < 0.3:
                self._mux.send(self.stream, data)

    def ended(self) -> None:
        """End too."""
        if self.stream is not None:
            self._mux.end(self.stream)

    def lost(self, error: ConnectionError) -> None:
        """Nothing is left to do."""

    def drained(self) -> None:
        """Nothing waits."""


class End:
    """One end of a link under attack: the hive's (streams are opened to it) or the queen's."""

    def __init__(self, dice: random.Random, *, hive: bool) -> None:
        self.dice = dice
        self.hive = hive
        self.sent = 0
        self.mux = Mux(accept=self._accept if hive else None)
        self.mux.attach(self._count, 0)
        self.reader = Reader(
            self._receive,
            lambda _op, _data: None,
            masked=not hive,
            size_max=frames.MESSAGE_BYTES_MAX,
        )
        self.greeted = False
        if not hive:
            for _ in range(3):
                sink = Sink(self.mux, None, dice)
                sink.stream = self.mux.open("hive", sink)

    def _count(self, message: bytes) -> None:
        self.sent += len(message)

    def _accept(self, stream: Stream) -> Owner | str:
        if stream.target.startswith("worker:") and self.dice.random() < 0.3:
            return "no such worker"
        return Sink(self.mux, stream, self.dice)

    def _receive(self, message: bytes) -> None:
        if not self.greeted:
            self.greeted = True
            if self.hive:
                frames.read_welcome(message)
            else:
                frames.read_hello(message)
        elif message and message[0] in {frames.BEAT, frames.ACK, frames.PING, frames.PONG}:
            return  # JSON is msgspec's business; benchmarks elsewhere
        else:
            self.mux.receive(message)

    @property
    def held(self) -> int:
        """Bytes that the peer makes this end keep."""
        return sum(len(stream.outbox) for stream in self.mux.streams.values())


def conversation(dice: random.Random, *, hive: bool) -> list[bytes]:
    """What a well-behaved peer might say next."""
    number = dice.choice((1, 2, 3))
    said = [
        frames.head(frames.DATA, number) + dice.randbytes(dice.choice((1, 5, 240, 16_384))),
        frames.credit(number, dice.choice((1, 1000, 131_072))),
        frames.seen(dice.randrange(6)),
        frames.head(frames.END, number),
        frames.reset(number, "over"),
        frames.head(frames.PING),
    ]
    if hive:
        said.append(
            frames.head(frames.OPEN, dice.randrange(1, 9)) + dice.choice((b"hive", b"worker:w1"))
        )
    else:
        said.append(frames.head(frames.BEAT, 1) + BEAT)
    dice.shuffle(said)
    return said[: dice.randrange(1, 5)]


def damaged(dice: random.Random, message: bytes) -> bytes:
    """One message, damaged or not."""
    at = dice.randrange(len(message))
    return dice.choice(
        (
            message,
            bytes((dice.choice(KINDS),)) + message[1:],
            message[:1] + dice.choice(NUMBERS).to_bytes(4) + message[5:],
            message[:at],
            message + dice.randbytes(dice.choice((1, 8, 20_000))),
            message[:at] + bytes((message[at] ^ 1 << dice.randrange(8),)) + message[at + 1 :],
            dice.randbytes(dice.randrange(40)),
            message[:5] + dice.randbytes(dice.choice((0, 4, 8))),
        )
    )


def wire(dice: random.Random, message: bytes, *, masked: bool) -> bytes:
    """As WebSocket bytes, sometimes damaged there."""
    data = websocket.frame(BINARY, message, MASK if masked else None)
    way = dice.randrange(40)
    if way == 0:
        return bytes((dice.randrange(256),)) + data[1:]
    if way == 1:
        return data[:1] + bytes((dice.randrange(256),)) + data[2:]
    if way == 2:
        return (
            websocket.frame(dice.choice((8, 9, 10)), message[:125], MASK if masked else None) + data
        )
    return data


def feed_links(dice: random.Random) -> Callable[[], None]:
    """One input: some messages to one of two ends, each kept until it refuses."""
    ends: dict[bool, End] = {}

    def one() -> None:
        hive = dice.random() < 0.5
        end = ends.get(hive)
        if end is None or end.held > HELD_MAX_BYTES:
            end = ends[hive] = End(dice, hive=hive)
            first = frames.head(frames.HELLO) + (WELCOME if hive else HELLO)
            said = [damaged(dice, first) if dice.random() < 0.05 else first]
        else:
            said = [damaged(dice, message) for message in conversation(dice, hive=hive)]
            if dice.random() < 0.1:
                said.append(dice.choice(said))  # replayed
        data = b"".join(wire(dice, message, masked=not hive) for message in said)
        try:
            while data:
                size = dice.choice((len(data), len(data), 1 + dice.randrange(len(data))))
                end.reader.feed(data[:size])
                data = data[size:]
        except (BadMessage, Violation) as error:
            end.mux.close(str(error))
            del ends[hive]

    return one


def feed_tokens(dice: random.Random) -> Callable[[], None]:
    """One input: a damaged join token."""

    def one() -> None:
        text = TOKEN
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(len(text) + 1)
            text = (
                text[:at]
                + chr(dice.choice((0, 46, 65, 255, 0x2603)))
                + text[at + dice.randrange(3) :]
            )
        try:
            parse_token(text)
        except RbeeError:
            return

    return one


def main() -> None:
    """Run; ends with 1 when a rule was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=INPUTS)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    dice = random.Random(asked.seed)  # noqa: S311  the same inputs each time
    ways = (feed_links(dice), feed_links(dice), feed_links(dice), feed_tokens(dice))
    process, rss, slowest, began = psutil.Process(), 0, 0.0, time.perf_counter()
    for number in range(asked.inputs):
        before = time.process_time()
        try:
            ways[number % len(ways)]()
        except Exception as error:  # noqa: BLE001  whatever it is, it is the finding
            print(f"input {number} of seed {asked.seed}: {type(error).__name__}: {error}")
            sys.exit(1)
        slowest = max(slowest, time.process_time() - before)
        if number == min(WARM_UP, asked.inputs // 2):
            rss = process.memory_info().rss
    seconds = time.perf_counter() - began
    growth = (process.memory_info().rss - rss) / _MIB
    print(f"{asked.inputs:,} inputs, seed {asked.seed}: {asked.inputs / seconds:,.0f} a second,")
    print(f"memory {growth:+.1f} MiB after the warm-up, slowest {slowest * 1e3:.1f} ms")
    sys.exit(1 if growth > RSS_GROWTH_MAX_MIB or slowest > SLOWEST_MAX_S else 0)


if __name__ == "__main__":
    main()
