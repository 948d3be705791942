"""Two sessions joined by a wire that delivers when it is told to, and can be cut."""

from collections import deque

from rbee.foundation.mux.mux import Mux
from rbee.foundation.mux.stream import Owner, Stream


class Reader:
    """An owner that keeps what it got; ``eager`` gives everything back as credit at once."""

    def __init__(self, mux: Mux, *, eager: bool = True) -> None:
        self.mux = mux
        self.eager = eager
        self.stream: Stream | None = None
        self.got = bytearray()
        self.unread = 0
        self.has_ended = False
        self.error: ConnectionError | None = None
        self.drained_count = 0

    def taken(self, data: bytes) -> None:
        self.got += data
        self.unread += len(data)
        if self.eager:
            self.read_all()

    def read_all(self) -> None:
        if self.stream is not None and self.unread:
            size, self.unread = self.unread, 0
            self.mux.consume(self.stream, size)

    def ended(self) -> None:
        self.has_ended = True

    def lost(self, error: ConnectionError) -> None:
        self.error = error

    def drained(self) -> None:
        self.drained_count += 1


class TwoEnds:
    """``queen`` opens streams, ``hive`` accepts all but those called ``nobody``."""

    def __init__(self, *, eager: bool = True) -> None:
        self.eager = eager
        self.queen = Mux()
        self.hive = Mux(accept=self._accept)
        self.hive_ends: dict[int, Reader] = {}
        self.queen_ends: dict[int, Reader] = {}
        self.to_hive: deque[bytes] = deque()
        self.to_queen: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self.join()

    def _accept(self, stream: Stream) -> Owner | str:
        if stream.target == "nobody":
            return "nobody is called that"
        reader = Reader(self.hive, eager=self.eager)
        reader.stream = stream
        self.hive_ends[stream.number] = reader
        return reader

    def open(self, target: str = "hive") -> Stream:
        reader = Reader(self.queen, eager=self.eager)
        reader.stream = self.queen.open(target, reader)
        self.queen_ends[reader.stream.number] = reader
        return reader.stream

    def far(self, stream: Stream) -> Stream:
        """The hive's end of a stream."""
        found = self.hive_ends[stream.number].stream
        assert found is not None
        return found

    def join(self) -> None:
        self.queen.attach(self._from_queen, self.hive.come)
        self.hive.attach(self.to_queen.append, self.queen.come)

    def _from_queen(self, message: bytes) -> None:
        self.sent.append(message)
        self.to_hive.append(message)

    def cut(self) -> None:
        """What is under way is lost."""
        self.to_hive.clear()
        self.to_queen.clear()
        self.queen.detach()
        self.hive.detach()

    def step(self, *, to_hive: bool) -> bool:
        """Deliver one message; False when there was none."""
        line, end = (self.to_hive, self.hive) if to_hive else (self.to_queen, self.queen)
        if not line:
            return False
        end.receive(line.popleft())
        return True

    def settle(self) -> None:
        """Deliver until nothing is under way."""
        while self.step(to_hive=True) or self.step(to_hive=False):
            pass
