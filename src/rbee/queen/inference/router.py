"""The router's state: turns, speeds, circuits and known beginnings around pure policies.

Admission asks ``choose`` for each request that may go, and tells ``freed`` when a
slot came back; the dispatcher tells how it went (``ended``, ``connected``). Nothing
here counts slots: what is running is given. A decision compares eight workers at
most unless the request names a hive or labels, so it costs the same in a colony of
ten and of ten thousand.
"""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from rbee.queen.inference import prefixes
from rbee.queen.inference.breaker import Breakers
from rbee.queen.inference.call import Call
from rbee.queen.inference.candidates import Candidates, Running
from rbee.queen.inference.few import least_of_few
from rbee.queen.inference.prefixes import Holder, PrefixIndex
from rbee.queen.inference.ring import Ring
from rbee.queen.inference.routing import (
    SHOWN_MAX,
    Choice,
    Pick,
    least_loaded,
    local_first,
    quickest,
    slots_of,
    weight_of,
    weighted,
)
from rbee.queen.inference.speeds import Speeds
from rbee.queen.registry.colony import Colony
from rbee.queen.registry.serving import ServingPool
from rbee.queen.registry.workers import RoutableWorker
from rbee.queen.routing_settings import PolicyName, Rules

FEW: Final = 8  # up to here all are compared: it costs little and beats any dice
CHOICES: Final = 2  # two by dice are nearly as good as all (power of two choices)
WEIGHTED_CHOICES: Final = 8  # weights need more than two to show
RECHECK_S: Final = 1.0  # a slot that was given back without a word is found this late


class _Decided(NamedTuple):
    """A decision in the making. ``bound``: nobody outside ``free`` may be taken."""

    worker: RoutableWorker
    reason: str
    free: list[RoutableWorker]
    busy: list[int]
    bound: bool
    scores: tuple[float | None, ...] = ()


class _State:
    """What is kept for the workers of one model and task."""

    __slots__ = ("candidates", "checked_at", "ring", "turn")

    def __init__(self, candidates: Candidates, turn: int) -> None:
        self.candidates = candidates
        self.turn = turn
        self.ring: Ring | None = None
        self.checked_at = float("-inf")


class Router:
    """Chooses workers; owned by the event loop. ``clock`` gives monotonic seconds."""

    def __init__(
        self,
        colony: Colony,
        rules: Rules | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._colony = colony
        self._clock = clock
        self._states: dict[tuple[str, str], _State] = {}
        self._speeds = Speeds()
        self.adopt(rules or Rules())
        self._breakers = Breakers()
        self._prefixes = PrefixIndex()

    def adopt(self, rules: Rules) -> None:
        """Route by these rules from the next request on."""
        self._rules = rules
        self._measures = "latency-aware" in {rules.default, *rules.models.values()}

    def policy_of(self, model: str) -> PolicyName:
        """The policy of a model, by its resolved id."""
        return self._rules.models.get(model, self._rules.default)

    def choose(self, model: str, call: Call, running: Running) -> Choice | None:
        """The worker for a call, or None when none that may serve it has a free slot.

        ``model`` is a resolved id, ``running`` this queen's requests per worker id.
        Taking the slot is the caller's affair; giving it back he tells ``freed``.
        """
        pool = self._colony.pool(model)
        if pool is None:
            return None
        state = self._state(pool, model, call)
        state.turn += 1
        if call.worker_id is not None:
            return self._named(state, call, running)
        if self._is_plain(state, model, call):
            found = least_of_few(state.candidates, state.turn, running)
            if found is not None:
                return found
        if self._breakers.any_open:
            self._offer_due()
        policy = self.policy_of(model)
        free = self._wished(state, model, call, running)
        bound = free is not None
        if free is None:
            free = self._drawn(state, policy, running) or self._last_resort(state, running)
        if not free:
            return None
        decided = self._decided(state, policy, call, (free, bound), running)
        if self._breakers.any_open:
            worker_id = decided.worker.worker_id
            if self._breakers.taken(worker_id, self._clock()):
                state.candidates.withdraw(worker_id)
        return self._worded(state, policy, decided, running)

    def freed(self, worker: RoutableWorker) -> None:
        """A slot of this worker was given back. Tell it before asking for the next choice."""
        state = self._states.get((worker.model, worker.task))
        if state is not None:
            state.candidates.freed(worker.worker_id)

    def ended(
        self,
        worker_id: str,
        model: str,
        *,
        first_byte_s: float | None,
        whole_s: float | None,
        ok: bool,
    ) -> None:
        """How a request went. ``ok`` is false where the worker is to blame, and only there.

        ``first_byte_s`` counts from sending; ``whole_s`` is null for an answer that
        was cut short.
        """
        now = self._clock()
        if ok:
            seconds = first_byte_s if first_byte_s is not None else whole_s
            if seconds is not None and self._measures:
                self._speeds.answered(worker_id, seconds, now)
            if self._breakers.went_well(worker_id):
                self._offer(model, worker_id)
            return
        pool = self._colony.pool(model)
        worker = None if pool is None else pool.get(worker_id)
        if worker is not None and self._breakers.failed(worker, now):
            state = self._states.get((model, worker.task))
            if state is not None:
                state.candidates.withdraw(worker_id)

    def connected(self, hive_id: str, connect_s: float) -> None:
        """How long a fresh connection to a hive's worker took: the way there."""
        self._speeds.connected(hive_id, connect_s)

    def set_aside(self, model: str) -> list[tuple[str, str]]:
        """Workers of a model that get nothing for now, with the reason in words."""
        pool = self._colony.pool(model) if self._breakers.any_open else None
        if pool is None:
            return []
        told = self._breakers.told(self._clock())
        return [(worker_id, text) for worker_id, text in told.items() if worker_id in pool.places]

    # ── the usual case, written out: it is a fifth of a small request's cost ──

    def _is_plain(self, state: _State, model: str, call: Call) -> bool:
        """Whether nothing but the load of a few workers decides."""
        return (
            len(state.candidates.free) <= FEW
            and call.hive_id is None
            and not call.labels
            and not self._breakers.any_open
            and not self._speeds.far
            and not self._rules.prefer
            and self._rules.models.get(model, self._rules.default) == "least-loaded"
        )

    # ── whom to compare ──────────────────────────────────────────────────────

    def _state(self, pool: ServingPool, model: str, call: Call) -> _State:
        key = (model, call.task)
        state = self._states.get(key)
        if state is not None:
            candidates = state.candidates
            if candidates.pool is pool and candidates.version == pool.version:
                return state
        else:
            self._forget_unserved()
        made = Candidates(pool, call.task, self._breakers.is_aside)
        turn = 0 if state is None else state.turn
        state = self._states[key] = _State(made, turn)
        return state

    def _forget_unserved(self) -> None:
        for key in [key for key in self._states if self._colony.pool(key[0]) is None]:
            del self._states[key]

    def _wished(
        self, state: _State, model: str, call: Call, running: Running
    ) -> list[RoutableWorker] | None:
        """Those that a wish leaves; None where nothing was wished, or nobody free fits.

        A call's labels are an order: then the list may be empty. A hive's name, and
        the labels that the operator prefers, are wishes.
        """
        hive_id = call.hive_id
        if call.labels:
            free = state.candidates.labelled(call.labels, state.turn, running)
            return [worker for worker in free if worker.hive_id == hive_id] or free
        if hive_id is not None:
            return state.candidates.of_hive(hive_id, state.turn, running) or None
        if self._rules.prefer and (labels := self._rules.prefer.get(model)):
            return state.candidates.labelled(labels, state.turn, running) or None
        return None

    def _drawn(self, state: _State, policy: PolicyName, running: Running) -> list[RoutableWorker]:
        candidates = state.candidates
        if len(candidates.free) <= FEW:
            return candidates.all_free(running)
        if policy == "round-robin":
            worker = candidates.next_free(state.turn, running)
            return [] if worker is None else [worker]
        if policy == "local-first":
            here = candidates.of_this_machine(state.turn, running)
            if here:
                return here
        count = WEIGHTED_CHOICES if policy == "weighted" else CHOICES
        return candidates.draw(count, state.turn, running)

    def _last_resort(self, state: _State, running: Running) -> list[RoutableWorker]:
        """Nobody is free. Look once more where that would be wrong for long, or for ever."""
        now = self._clock()
        if now - state.checked_at >= RECHECK_S:
            state.checked_at = now
            state.candidates.recheck()
            free = state.candidates.draw(CHOICES, state.turn, running)
            if free:
                return free
        return state.candidates.if_all_aside(running) if self._breakers.any_open else []

    def _named(self, state: _State, call: Call, running: Running) -> Choice | None:
        """The worker that the caller ordered, set aside or not."""
        worker = state.candidates.pool.get(call.worker_id or "")
        if worker is None or worker.task != call.task:
            return None
        busy = running.get(worker.worker_id, 0)
        if busy >= slots_of(worker):
            return None
        decided = _Decided(worker, "named by the caller", [worker], [busy], bound=True)
        return self._worded(state, "by name", decided, running)

    def _offer_due(self) -> None:
        """Let those be chosen again whose pause is over; the first request is the test."""
        for worker_id, model in self._breakers.due(self._clock()):
            self._offer(model, worker_id)

    def _offer(self, model: str, worker_id: str) -> None:
        for (one, _task), state in self._states.items():
            if one == model:
                state.candidates.freed(worker_id)

    # ── who of them ──────────────────────────────────────────────────────────

    def _decided(
        self,
        state: _State,
        policy: PolicyName,
        call: Call,
        among: tuple[list[RoutableWorker], bool],
        running: Running,
    ) -> _Decided:
        free, bound = among
        busy = [running.get(worker.worker_id, 0) for worker in free]
        scores: tuple[float | None, ...] = ()
        match policy:
            case "round-robin":
                pick = Pick(state.turn % len(free), "the next in turn")
            case "weighted":
                weights = self._weights(free, busy)
                scores = tuple(weights)
                pick = weighted(weights, state.turn)
            case "latency-aware":
                now = self._clock()
                scores = tuple([self._speeds.expected_s(one.worker_id, now) for one in free])
                pick = quickest(free, busy, scores)
            case "local-first":
                pick = local_first(free, busy, state.turn)
            case _:
                far = self._speeds.far
                pick = least_loaded(free, busy, state.turn, self._speeds.delays_s if far else None)
        decided = _Decided(free[pick.at], pick.reason, free, busy, bound, scores)
        if policy == "prefix-affinity":
            return self._by_prefix(state, call, decided, running)
        if policy == "session-affinity" and call.session is not None:
            return self._by_session(state, call.session, decided, running)
        return decided

    def _weights(self, free: list[RoutableWorker], busy: list[int]) -> list[float]:
        given, delays_s = self._rules.weights, self._speeds.delays_s
        return [
            weight_of(one, busy[at], given.get(one.hive_id, 1.0), delays_s.get(one.hive_id, 0.0))
            for at, one in enumerate(free)
        ]

    def _by_prefix(self, state: _State, call: Call, least: _Decided, running: Running) -> _Decided:
        """The worker that knows the body's beginning, unless it has too much to do."""
        blocks = prefixes.blocks_of(call.body)
        known = self._prefixes.find(blocks)
        taken, reason = least.worker, least.reason
        least_share = running.get(taken.worker_id, 0) / slots_of(taken)
        best = 1.0
        for holder in known.holders:
            worker = _allowed(state, holder.worker_id, least, running)
            if worker is None or worker.generation != holder.generation:
                continue
            slots = slots_of(worker)
            share = running.get(holder.worker_id, 0) / slots
            if share < best and share <= prefixes.allowed_share(least_share, known, slots):
                best, taken = share, worker
                if share <= least_share:
                    break  # nobody is less loaded
        if best < 1.0:
            reason = f"has read {known.share:.0%} of the request before"
        elif known.holders:
            reason = f"{least.reason}; who read it before is busier"
        self._prefixes.learn(blocks, Holder(taken.worker_id, taken.generation))
        return _Decided(taken, reason, least.free, least.busy, least.bound, least.scores)

    def _by_session(
        self, state: _State, session: str, least: _Decided, running: Running
    ) -> _Decided:
        """The session's own worker, or the one that it falls to while that one is full."""
        if state.ring is None:
            state.ring = Ring(state.candidates.ids())
        for rank, worker_id in enumerate(state.ring.workers(session)):
            worker = _allowed(state, worker_id, least, running)
            if worker is not None:
                reason = "the session's worker" if rank == 0 else "the session's worker is full"
                return least._replace(worker=worker, reason=reason)
        return least

    def _worded(self, state: _State, policy: str, decided: _Decided, running: Running) -> Choice:
        """All that ``why`` needs, without wording it: few workers whole, else those compared."""
        workers = state.candidates.pool.workers
        if len(workers) <= SHOWN_MAX:
            shown = tuple(workers)
        else:
            shown = tuple(decided.free[:SHOWN_MAX])
            if all(one is not decided.worker for one in shown):
                shown = (decided.worker, *shown[: SHOWN_MAX - 1])
        busy = tuple([running.get(worker.worker_id, 0) for worker in shown])
        scores: tuple[float | None, ...] = ()
        if decided.scores:
            by_id = dict(zip((one.worker_id for one in decided.free), decided.scores, strict=True))
            scores = tuple(by_id.get(one.worker_id) for one in shown)
        aside: tuple[tuple[str, str], ...] = ()
        if self._breakers.any_open:
            aside = tuple(self.set_aside(decided.worker.model)[:SHOWN_MAX])
        return Choice(
            worker=decided.worker,
            policy=policy,
            considered=shown,
            busy=busy,
            candidates=len(workers),
            reason=decided.reason,
            scores=scores,
            aside=aside,
        )


def _allowed(
    state: _State, worker_id: str, least: _Decided, running: Running
) -> RoutableWorker | None:
    """The worker, if it has a free slot and the request's wishes leave it."""
    worker = state.candidates.get_free(worker_id, running)
    if least.bound and all(one is not worker for one in least.free):
        return None
    return worker
