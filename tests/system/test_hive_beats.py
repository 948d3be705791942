"""A real hive tells a queen of itself: joining, beats, what they carry, who is away."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import httpx2
import msgspec
import pytest

from rbee.contracts.hives import Heartbeat, HeartbeatAck, HiveReady, HiveReadyAck, Wanted
from rbee.testing.colony import Colony
from rbee.testing.stub_server import Answer, Seen, StubServer
from rbee.testing.waiting import until_now
from system.hive_rig import key_of, script

pytestmark = pytest.mark.system


class StubQueen(StubServer):
    """Takes what a hive sends and keeps it."""

    def __init__(self) -> None:
        super().__init__()
        self.joined: list[HiveReady] = []
        self.beats: list[tuple[float, Heartbeat]] = []
        self.keys: set[str] = set()
        self.wanted: list[Wanted] = []
        self.refuse = False

    def answer(self, request: Seen) -> Answer:
        self.keys.add(request.headers.get("authorization", ""))
        if self.refuse:
            return Answer(status=HTTPStatus.NOT_FOUND)
        if request.path == "/v1/hive/ready":
            self.joined.append(msgspec.json.decode(request.body, type=HiveReady))
            return Answer(body=msgspec.json.encode(HiveReadyAck()))
        self.beats.append((time.monotonic(), msgspec.json.decode(request.body, type=Heartbeat)))
        wanted, self.wanted = self.wanted, []
        return Answer(body=msgspec.json.encode(HeartbeatAck(wanted=wanted)))

    def beat_where(self, condition: Callable[[Heartbeat], object]) -> Heartbeat:
        """The first beat of which the condition holds, now or later."""
        until_now(lambda: any(condition(beat) for _, beat in self.beats))
        return next(beat for _, beat in self.beats if condition(beat))


@pytest.fixture
def queen() -> Iterator[StubQueen]:
    with StubQueen() as queen:
        yield queen


@pytest.fixture
def colony(tmp_path: Path) -> Iterator[Colony]:
    with Colony(tmp_path, key="colony-key-of-this-test") as colony:
        yield colony


def spawn(url: str) -> None:
    with httpx2.Client(headers={"authorization": "Bearer colony-key-of-this-test"}) as http:
        accepted = http.post(
            f"{url}/v1/jobs", content=b'{"operation":"worker_spawn","model":"scripted"}'
        )
        story = http.get(f"{url}{accepted.json()['sse_url']}", timeout=30).text
    assert "worker_spawn_complete" in story


def test_a_hive_joins_once_and_beats_with_everything_first_then_with_changes(
    colony: Colony, queen: StubQueen
) -> None:
    hive = colony.hive("alpha", queen_url=queen.url)
    first = queen.beat_where(lambda _: True)
    assert first.hive_id == first.hive_info.id == "alpha"
    assert first.capabilities is not None
    assert first.capabilities.devices[0].device_type == "cpu"
    assert [model.id for model in first.models or []] == ["scripted"]
    assert first.worker_keys == {}
    if all(engine.reason is None for engine in first.capabilities.engines):
        # The engines are tried beside the start; what came of it follows.
        queen.beat_where(
            lambda beat: (
                any(e.reason for e in beat.capabilities.engines) if beat.capabilities else False
            )
        )

    spawn(hive.url)
    queen.beat_where(lambda beat: any(each.status == "starting" for each in beat.workers))
    ready = queen.beat_where(lambda beat: any(each.status == "ready" for each in beat.workers))
    (worker,) = ready.workers
    keyed = queen.beat_where(lambda beat: beat.worker_keys)
    assert set(keyed.worker_keys or {}) == {worker.worker_id}
    assert queen.beat_where(lambda beat: beat.workers and beat.models is None), "no change, no rows"
    assert queen.beat_where(lambda beat: any(model.loaded for model in beat.models or []))
    measured = queen.beat_where(lambda beat: any(each.cpu_pct is not None for each in beat.workers))
    assert (measured.workers[0].rss_mb or 0) > 1
    idle = queen.beat_where(lambda beat: any((each.idle_s or 0) > 1 for each in beat.workers))
    assert idle.workers[0].slots_busy == 0
    learned = queen.beat_where(lambda beat: any(model.load_s for model in beat.models or []))
    assert [model.load_s for model in learned.models or []] == [worker.load_s]
    assert measured.node.cpu_pct is not None
    assert len(queen.joined) == 1
    assert queen.joined[0].hive_url == hive.url
    assert queen.keys == {"Bearer colony-key-of-this-test"}


def test_beats_come_every_second_and_what_is_wanted_is_sent_again(
    colony: Colony, queen: StubQueen
) -> None:
    colony.hive(queen_url=queen.url)
    until_now(lambda: len(queen.beats) >= 6)
    gaps = [after[0] - before[0] for before, after in itertools.pairwise(queen.beats)]
    assert statistics.median(gaps) < 2.0  # one may be late on a machine with other things to do
    assert sum(gaps[1:]) > 1.0
    before = len(queen.beats)
    queen.wanted = ["capabilities"]
    until_now(lambda: any(beat.capabilities for _, beat in queen.beats[before:]))


def test_a_queen_that_forgot_is_joined_anew_and_told_everything(
    colony: Colony, queen: StubQueen
) -> None:
    hive = colony.hive(queen_url=queen.url)
    until_now(lambda: len(queen.beats) >= 2)
    queen.refuse = True
    until_now(lambda: "queen away" in hive.said)
    before = len(queen.beats)
    queen.refuse = False
    until_now(lambda: len(queen.joined) == 2 and len(queen.beats) > before)
    assert queen.beats[before][1].capabilities is not None
    until_now(lambda: "queen is back" in hive.said)
    assert hive.said.count("queen away") == 1


def test_a_hive_that_goes_says_so(colony: Colony, queen: StubQueen) -> None:
    hive = colony.hive(queen_url=queen.url)
    queen.beat_where(lambda _: True)
    hive.stop()
    assert queen.beats[-1][1].hive_info.operational_status == "stopping"


def test_a_drain_is_told_at_once_and_waits_for_what_runs(colony: Colony, queen: StubQueen) -> None:
    slow = script(colony, tokens=40, delay_token_s=0.05)
    hive = colony.hive(queen_url=queen.url, script=slow)
    spawn(hive.url)
    (worker,) = queen.beat_where(
        lambda beat: any(each.status == "ready" for each in beat.workers)
    ).workers
    body = {"model": "scripted", "prompt": "hi", "stream": True}
    door = {"authorization": "Bearer colony-key-of-this-test"}
    own = {"authorization": f"Bearer {key_of(hive, worker.worker_id)}"}
    url = f"http://127.0.0.1:{worker.port}/v1/completions"
    with httpx2.stream("POST", url, json=body, headers=own, timeout=30) as answer:
        chunks = answer.iter_text()
        text = next(chunks)
        stop = {"operation": "worker_process_delete", "worker_id": worker.worker_id}
        asked_s = time.monotonic()
        httpx2.post(f"{hive.url}/v1/jobs", json=stop, headers=door)
        draining = queen.beat_where(lambda beat: is_status(beat, "draining"))
        told_s = next(at for at, beat in queen.beats if beat is draining) - asked_s
        text += "".join(chunks)
    assert told_s < 0.5, "with the change, not with the next second"
    assert "[DONE]" in text
    queen.beat_where(lambda beat: is_status(beat, "stopped"))


def is_status(beat: Heartbeat, status: str) -> bool:
    return any(worker.status == status for worker in beat.workers)
