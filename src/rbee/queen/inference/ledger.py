"""What was decided about the last ten thousand requests, and why.

The hot path only appends: a decision is kept as the values that it was made from,
and nothing is worded before somebody asks (``rbee why JOB``). Workers are values
too, so a decision shows them as they were. It is a memory, not a record: it is
bounded, and ends with the queen. It holds no prompt and no key.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from rbee.contracts.why import Why, WhyCandidate, WhyDecision, WhyStep
from rbee.errors import JobNotFound
from rbee.queen.inference.call import Call
from rbee.queen.inference.routing import Choice, slots_of

JOBS_MAX: Final = 10_000  # about 15 MiB with few workers; minutes at full load, a day at home
STEPS_MAX: Final = 64  # of one request: three retries, four legs, and its waiting
MODELS_MAX: Final = 1_000  # with placements kept for them
PLACED_MAX: Final = 16  # placements kept of one model: a request sees one or two
FAILED_MAX: Final = 64  # that nobody has fetched yet: the state stream looks each second

_SCORES: Final = {
    "weighted": "weight; the chance grows with it",
    "latency-aware": "expected seconds to the first byte; null: not measured",
}
_LOAD: Final = "share of slots in use; lower is better"


class _Routed(NamedTuple):
    choice: Choice
    waited_s: float
    attempt: int


class _Said(NamedTuple):
    """A step that is words already."""

    kind: str
    text: str


class _Story:
    """One request's steps, as they came. ``door`` is the path that it goes to at a worker."""

    __slots__ = (
        "client",
        "door",
        "ended_at",
        "eta_s",
        "model",
        "outcome",
        "position",
        "priority",
        "started_at",
        "steps",
    )

    def __init__(self, model: str, started_at: float, call: Call | None) -> None:
        self.model = model
        self.started_at = started_at
        # What is shown of a call, and not the call: that holds a prompt.
        self.client = None if call is None else call.principal.name
        self.priority = None if call is None else call.priority
        self.door = None if call is None else call.path
        self.position: int | None = None
        self.eta_s: float | None = None
        self.ended_at: float | None = None
        self.outcome: str | None = None
        self.steps: list[tuple[float, _Routed | _Said]] = []


class Glance(NamedTuple):
    """A request in one line, for a list of them. Times in Unix seconds; unknown is null.

    ``worker_id`` and ``hive_id`` are the last that it was given to. ``reason``: why it
    waits, why this worker, or how it ended.
    """

    job_id: str
    model: str
    since: float
    started_at: float | None
    ended_at: float | None
    outcome: str | None
    waits: bool
    position: int | None
    eta_s: float | None
    client: str | None
    priority: int | None
    door: str | None
    worker_id: str | None
    hive_id: str | None
    reason: str | None


class Ledger:
    """Owned by the event loop. ``clock`` gives Unix seconds."""

    def __init__(self, *, jobs_max: int = JOBS_MAX, clock: Callable[[], float] = time.time) -> None:
        # Ordered for its cheap end: a plain dict is searched from its start for the oldest.
        self._stories: OrderedDict[str, _Story] = OrderedDict()
        self._placed: dict[str, deque[tuple[float, tuple[str, ...]]]] = {}
        self._jobs_max = jobs_max
        self._clock = clock
        self.failed: deque[tuple[str, str, str]] = deque(maxlen=FAILED_MAX)
        """The latest that failed: job, model, outcome. Whoever tells of them takes them out."""

    @property
    def kept(self) -> int:
        """How many requests it tells of."""
        return len(self._stories)

    def waiting(
        self,
        job_id: str,
        model: str,
        reason: str,
        *,
        position: int | None = None,
        eta_s: float | None = None,
        call: Call | None = None,
    ) -> None:
        """The request waits; the same reason twice in a row is kept once."""
        story = self._story(job_id, model, call)
        story.position, story.eta_s = position, eta_s
        said = _Said("waiting", reason)
        if not (story.steps and story.steps[-1][1] == said):
            self._add(story, said)

    def admitted(
        self,
        job_id: str,
        model: str,
        choice: Choice,
        waited_s: float,
        attempt: int,
        call: Call | None = None,
    ) -> None:
        """The request got a worker. ``attempt`` counts from 1 over all its workers."""
        self._add(self._story(job_id, model, call), _Routed(choice, waited_s, attempt))

    def lost(self, job_id: str, worker_id: str, reason: str) -> None:
        """That worker did not answer, or not to the end."""
        story = self._stories.get(job_id)
        if story is not None:
            self._add(story, _Said("lost", f"{worker_id}: {reason}"))

    def ended(self, job_id: str, outcome: str) -> None:
        """The request is over; ``outcome`` in a few words (``completed``, an error's message)."""
        story = self._stories.get(job_id)
        if story is not None:
            story.outcome = outcome
            story.ended_at = self._clock()
            if outcome.startswith("failed"):
                self.failed.append((job_id, story.model, outcome))

    def glances(self, ended_max: int) -> list[Glance]:
        """All that wait or run, and the newest ``ended_max`` that are over; newest first."""
        found: list[Glance] = []
        for job_id, story in reversed(self._stories.items()):
            if story.ended_at is not None:
                if ended_max <= 0:
                    continue
                ended_max -= 1
            found.append(_glance(job_id, story))
        return found

    def placed(self, model: str, lines: Sequence[str]) -> None:
        """Something was started, moved or evicted for a model; kept for who waits for it."""
        key = model.casefold()
        kept = self._placed.pop(key, None)
        if kept is None:
            kept = deque[tuple[float, tuple[str, ...]]](maxlen=PLACED_MAX)
        self._placed[key] = kept  # at the end: the youngest
        kept.append((self._clock(), tuple(lines)))
        if len(self._placed) > MODELS_MAX:
            del self._placed[next(iter(self._placed))]

    def why(self, job_id: str) -> Why:
        """The request's way so far.

        Raises:
            JobNotFound: never routed here, or longer ago than the ledger reaches.
        """
        story = self._stories.get(job_id)
        if story is None:
            raise JobNotFound(
                f"No routing decision is kept for the job {job_id!r}.",
                remedy=f"The last {self._jobs_max:,} requests for a model are kept until the queen "
                "restarts; the id stands in the header X-Rbee-Job of the answer.",
            )
        steps = [_worded(at, step) for at, step in story.steps]
        steps += self._placements(story)
        steps.sort(key=lambda step: step.at)
        if story.ended_at is not None and story.outcome is not None:
            steps.append(WhyStep(at=story.ended_at, kind="ended", message=story.outcome))
        return Why(
            job_id=job_id,
            model=story.model,
            started_at=story.started_at,
            ended_at=story.ended_at,
            outcome=story.outcome,
            steps=steps,
        )

    def _story(self, job_id: str, model: str, call: Call | None = None) -> _Story:
        story = self._stories.get(job_id)
        if story is None:
            story = self._stories[job_id] = _Story(model, self._clock(), call)
            if len(self._stories) > self._jobs_max:
                self._stories.popitem(last=False)
        return story

    def _add(self, story: _Story, step: _Routed | _Said) -> None:
        if len(story.steps) < STEPS_MAX:
            story.steps.append((self._clock(), step))

    def _placements(self, story: _Story) -> list[WhyStep]:
        """What was placed for the model while this request waited for a worker."""
        names = {story.model.casefold()}
        until = story.ended_at if story.ended_at is not None else self._clock()
        for at, step in story.steps:
            if isinstance(step, _Routed):
                names.add(step.choice.worker.model.casefold())
                until = at  # the last worker that it got
        return [
            WhyStep(at=at, kind="placed", message="; ".join(lines))
            for name in names
            for at, lines in self._placed.get(name, ())
            if story.started_at <= at <= until
        ]


def _glance(job_id: str, story: _Story) -> Glance:
    routed: _Routed | None = None
    started_at: float | None = None
    for at, step in reversed(story.steps):
        if isinstance(step, _Routed):
            routed, started_at = step, at
            break
    last = story.steps[-1][1] if story.steps else None
    waits = story.ended_at is None and isinstance(last, _Said)
    if story.ended_at is not None:
        reason = story.outcome
    else:
        reason = last.text if isinstance(last, _Said) else None
        if isinstance(last, _Routed):
            reason = last.choice.reason
    return Glance(
        job_id=job_id,
        model=story.model,
        since=story.started_at,
        started_at=started_at,
        ended_at=story.ended_at,
        outcome=story.outcome,
        waits=waits,
        position=story.position if waits else None,
        eta_s=story.eta_s if waits else None,
        client=story.client,
        priority=story.priority,
        door=story.door,
        worker_id=None if routed is None else routed.choice.worker.worker_id,
        hive_id=None if routed is None else routed.choice.worker.hive_id,
        reason=reason,
    )


def _worded(at: float, step: _Routed | _Said) -> WhyStep:
    if isinstance(step, _Said):
        kind = "lost" if step.kind == "lost" else "waiting"
        return WhyStep(at=at, kind=kind, message=step.text)
    decision = decision_of(step.choice, waited_s=step.waited_s, attempt=step.attempt)
    message = f"{decision.worker_id} on {decision.hive_id}: {step.choice.why}"
    return WhyStep(at=at, kind="routed", message=message, decision=decision)


def decision_of(choice: Choice, *, waited_s: float, attempt: int) -> WhyDecision:
    """A choice in the words of the wire."""
    aside = dict(choice.aside)
    return WhyDecision(
        attempt=attempt,
        policy=choice.policy,
        worker_id=choice.worker.worker_id,
        hive_id=choice.worker.hive_id,
        waited_s=round(waited_s, 3),
        reason=choice.reason,
        score_means=_SCORES.get(choice.policy, _LOAD),
        serving=choice.candidates,
        candidates=[_candidate(choice, at, aside) for at in range(len(choice.considered))],
    )


def _candidate(choice: Choice, at: int, aside: dict[str, str]) -> WhyCandidate:
    worker, busy = choice.considered[at], choice.busy[at]
    taken = worker is choice.worker
    full = busy >= slots_of(worker)
    note = aside.get(worker.worker_id) or ("no free slot" if full else None)
    if worker.task != choice.worker.task:
        note = f"it serves {worker.task}"
    score = choice.scores[at] if choice.scores else busy / slots_of(worker)
    return WhyCandidate(
        worker_id=worker.worker_id,
        hive_id=worker.hive_id,
        taken=taken,
        slots_in_use=busy,
        slots_total=worker.slots_total,
        score=None if score is None else round(score, 4),
        queued=worker.queued,
        gpu_util_pct=worker.gpu_util_pct,
        local=worker.local,
        route=worker.route,
        note=None if taken else note,
    )
