"""Who is next in a model's line: highest priority first, and among equals the keys in turn.

Start-time fair queuing. Each principal with waiting requests is a flow with a
virtual start time; the flow that starts first is served, and pays for it by its
cost: 1 for an answer as long as the model's average, more for longer ones. So a
key that sends nine of ten requests gets half of the slots while another key wants
the other half, and all of them while nobody else does. A flow that comes back
starts at the present virtual time: idleness earns no credit, waiting no fine.

Priorities are strict, with one exception that keeps the low ones alive: of four
slots one goes to whoever has waited longest, if that is over thirty seconds.

A lane is a group of requests that can be served by the same workers (any, or one
that was named). A lane without a free slot is passed over; nobody waits behind it.
Pure: ``now`` and ``since`` are seconds of one clock. No step looks at all who
wait: serving is logarithmic in the flows, leaving takes constant time.
"""

import heapq
import itertools
import math
from bisect import insort
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, Generic, TypeVar

RESCUE_AFTER_S: Final = 30.0  # a tenth of the longest wait: time enough to be saved before it ends
RESCUE_EVERY: Final = 4
"""Of so many slots one may go to the longest wait: low priorities move, high ones hardly notice."""

_COUNTED_FLOWS_MAX: Final = 16
"""A position is counted exactly up to here; a thousand clients ask for theirs every second."""

_STALE_ENTRIES_MAX: Final = 64  # of a heap, before it is built anew: what left is dropped lazily

T = TypeVar("T", bound=Hashable)
L = TypeVar("L", bound=Hashable)


class _Flow(Generic[T, L]):
    """One principal's requests of one priority. ``finish`` is when it has paid, in virtual time."""

    __slots__ = ("cost", "finish", "lanes", "start", "turn", "waiting")

    def __init__(self, start: float, turn: int) -> None:
        self.start = start
        self.finish = start
        self.turn = turn
        self.cost = 1.0
        self.waiting = 0
        self.lanes: dict[L, OrderedDict[T, int]] = {}

    @property
    def next_start(self) -> float:
        """The virtual time at which its next request starts."""
        return max(self.start, self.finish)


class _Lane(Generic[T, L]):
    """The flows that wait in one lane, by virtual start; and its requests by arrival."""

    __slots__ = ("arrivals", "entries", "heap")

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, _Flow[T, L]]] = []
        self.entries: dict[_Flow[T, L], int] = {}  # the turn of a flow's one valid entry
        self.arrivals: OrderedDict[T, float] = OrderedDict()

    def enter(self, flow: _Flow[T, L], start: float, turn: int) -> None:
        if len(self.heap) > 2 * len(self.entries) + _STALE_ENTRIES_MAX:
            self.heap = [entry for entry in self.heap if self.entries.get(entry[2]) == entry[1]]
            heapq.heapify(self.heap)
        heapq.heappush(self.heap, (start, turn, flow))
        self.entries[flow] = turn

    def first(self) -> tuple[float, int, _Flow[T, L]] | None:
        """The flow that starts first; entries that were overtaken by events are mended here."""
        heap = self.heap
        while heap:
            start, turn, flow = heap[0]
            if self.entries.get(flow) != turn:
                heapq.heappop(heap)
            elif flow.finish > start:
                self.entries[flow] = flow.turn
                heapq.heapreplace(heap, (flow.finish, flow.turn, flow))
            else:
                return heap[0]
        return None


class _Class(Generic[T, L]):
    """All requests of one priority; ``virtual`` is the start of the one served last."""

    __slots__ = ("active", "flows", "lanes", "virtual", "waiting")

    def __init__(self) -> None:
        self.virtual = 0.0
        self.active = 0  # flows with somebody waiting
        self.flows: dict[str, _Flow[T, L]] = {}
        self.lanes: dict[L, _Lane[T, L]] = {}
        self.waiting = 0

    def first(self, blocked: AbstractSet[L]) -> T | None:
        best: tuple[float, int, _Flow[T, L]] | None = None
        best_lane: L | None = None
        for name, lane in self.lanes.items():
            if name in blocked:
                continue
            found = lane.first()
            if found is not None and (best is None or found[:2] < best[:2]):
                best, best_lane = found, name
        if best is None or best_lane is None:
            return None
        return next(iter(best[2].lanes[best_lane]))

    def oldest_since(self, blocked: AbstractSet[L]) -> float:
        """When the longest wait began, of those not ``blocked``; infinity if there is none."""
        return min(
            (
                next(iter(lane.arrivals.values()))
                for name, lane in self.lanes.items()
                if lane.arrivals and name not in blocked
            ),
            default=math.inf,
        )


class _Place(Generic[L]):
    """Where a request stands. ``number`` counts the line's arrivals."""

    __slots__ = ("cost", "lane", "number", "principal", "priority")

    def __init__(self, principal: str, priority: int, lane: L, cost: float, number: int) -> None:
        self.principal = principal
        self.priority = priority
        self.lane: L = lane
        self.cost = cost
        self.number = number


class FairLine(Generic[T, L]):
    """Those who wait for one model. ``T`` is a request (compared by identity), ``L`` a lane."""

    def __init__(self) -> None:
        self._classes: dict[int, _Class[T, L]] = {}
        self._priorities: list[int] = []  # of the classes, negated: the highest first
        self._places: dict[T, _Place[L]] = {}
        self._held: dict[str, int] = {}
        self._lanes: dict[L, int] = {}
        self._turns = itertools.count()
        self._served = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._places)

    def __contains__(self, item: T) -> bool:
        """Whether this one waits here."""
        return item in self._places

    def __iter__(self) -> Iterator[T]:
        """Those who wait, in no order that means anything."""
        return iter(self._places)

    @property
    def priority(self) -> int:
        """The highest priority that waits; 0 for an empty line."""
        return -self._priorities[0] if self._priorities else 0

    @property
    def lanes(self) -> AbstractSet[L]:
        """The lanes in which somebody waits."""
        return self._lanes.keys()

    @property
    def held(self) -> Mapping[str, int]:
        """How many places each principal holds."""
        return self._held

    def enter(
        self,
        item: T,
        *,
        principal: str,
        priority: int,
        lane: L,
        since: float,
        cost: float = 1.0,
    ) -> None:
        """Add a request. ``cost`` is what it is expected to take, in average answers (> 0)."""
        number = next(self._turns)
        members = self._classes.get(priority)
        if members is None:
            members = self._classes[priority] = _Class()
            insort(self._priorities, -priority)
        flow = members.flows.get(principal)
        if flow is None:
            flow = members.flows[principal] = _Flow(members.virtual, number)
        if not flow.waiting:
            flow.start, flow.turn = max(members.virtual, flow.finish), number
            members.active += 1
        flow.cost = cost
        queue = members.lanes.setdefault(lane, _Lane())
        mine = flow.lanes.get(lane)
        if mine is None:
            mine = flow.lanes[lane] = OrderedDict()
            queue.enter(flow, flow.next_start, number)
        mine[item] = mine[next(reversed(mine))] + 1 if mine else 0
        queue.arrivals[item] = since
        flow.waiting += 1
        members.waiting += 1
        self._places[item] = _Place(principal, priority, lane, cost, number)
        self._held[principal] = self._held.get(principal, 0) + 1
        self._lanes[lane] = self._lanes.get(lane, 0) + 1

    def leave(self, item: T) -> bool:
        """Take a request out, unserved. Returns whether it was there."""
        place = self._places.pop(item, None)
        if place is None:
            return False
        members = self._classes[place.priority]
        flow = members.flows[place.principal]
        queue, mine = members.lanes[place.lane], flow.lanes[place.lane]
        del mine[item], queue.arrivals[item]
        flow.waiting -= 1
        members.waiting -= 1
        if not mine:
            del flow.lanes[place.lane], queue.entries[flow]
            if not queue.entries:
                del members.lanes[place.lane]
        if not flow.waiting:
            members.active -= 1
        if not members.waiting:
            del self._classes[place.priority]
            self._priorities.remove(-place.priority)
        _count_down(self._held, place.principal)
        _count_down(self._lanes, place.lane)
        return True

    def first(self, now: float, blocked: AbstractSet[L] = frozenset()) -> T | None:
        """Who is served next, of the lanes that are not ``blocked``; stays in the line."""
        if len(self._priorities) > 1 and self._served % RESCUE_EVERY == RESCUE_EVERY - 1:
            since, members = min(
                ((found.oldest_since(blocked), found) for found in self._classes.values()),
                key=lambda pair: pair[0],
            )
            if now - since >= RESCUE_AFTER_S:
                return members.first(blocked)
        for priority in self._priorities:
            item = self._classes[-priority].first(blocked)
            if item is not None:
                return item
        return None

    def serve(self, item: T) -> None:
        """Take out a request that was given its slot, and let its principal pay for it."""
        place = self._places[item]
        members = self._classes[place.priority]
        flow = members.flows[place.principal]
        start = flow.next_start
        # A lane that was passed over for long must not serve one flow many times in a
        # row afterwards: it pays as of now.
        flow.finish = max(start, members.virtual) + place.cost
        flow.turn = next(self._turns)
        members.virtual = max(members.virtual, start)
        self._served += 1
        self.leave(item)

    def position(self, item: T) -> int:
        """How many are served until this one is, itself included; 0 when it is not here.

        Exact while costs are equal, nobody comes or leaves and no lane is blocked; with
        many keys in line rather too high than too low.
        """
        place = self._places.get(item)
        if place is None:
            return 0
        members = self._classes[place.priority]
        flow = members.flows[place.principal]
        mine = flow.lanes[place.lane]
        own = min(mine[item] - next(iter(mine.values())), len(mine) - 1)
        above = sum(self._classes[-p].waiting for p in self._priorities if -p > place.priority)
        if members.active > _COUNTED_FLOWS_MAX:
            return above + min(members.waiting, (own + 1) * members.active)
        ahead = own + sum(
            _served_before(other, flow, own)
            for other in members.flows.values()
            if other.waiting and other is not flow
        )
        return above + ahead + 1

    def oldest(self) -> T | None:
        """The one who has waited longest."""
        heads = [
            next(iter(lane.arrivals.items()))
            for members in self._classes.values()
            for lane in members.lanes.values()
        ]
        return min(heads, key=lambda head: head[1])[0] if heads else None

    def newest_of(self, principal: str) -> T | None:
        """A principal's latest request, of its lowest priority."""
        flows = (self._classes[-p].flows.get(principal) for p in reversed(self._priorities))
        flow = next((found for found in flows if found is not None and found.waiting), None)
        if flow is None:
            return None
        latest = (next(reversed(mine)) for mine in flow.lanes.values())
        return max(latest, key=lambda item: self._places[item].number)


def who_yields(held: Mapping[str, int], principal: str) -> str | None:
    """Whose latest request gives up its place in a full queue to ``principal``; None: nobody's.

    ``held`` counts places. Whoever holds most, and only if that is two more: two
    principals would otherwise take a place from each other for ever.
    """
    if not held:
        return None
    longest = max(held, key=held.__getitem__)
    return longest if held[longest] >= held.get(principal, 0) + 2 else None


def _served_before(other: _Flow[T, L], flow: _Flow[T, L], own: int) -> int:
    """How many requests of ``other`` are served before the one that has ``own`` before it in ``flow``.

    Who was served last goes last where two start at the same virtual time.
    """
    rounds = (flow.next_start + own * flow.cost - other.next_start) / other.cost
    earlier = (rounds, other.turn) < (own, flow.turn)
    started = math.floor(rounds) + 1 if earlier else math.ceil(rounds)
    return min(other.waiting, max(0, started))


K = TypeVar("K", bound=Hashable)


def _count_down(counts: dict[K, int], key: K) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
