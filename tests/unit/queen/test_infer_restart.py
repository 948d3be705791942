"""What a queen does with the ``infer`` jobs that her predecessor left in the store."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from rbee.contracts.jobs import Infer, JobEvent
from rbee.contracts.status import InferSelected
from rbee.errors import QueenRestarted
from rbee.foundation.journal import Accepted, Entry, Happened, JobRow, KeptEvent
from rbee.foundation.sse import EventReader, ServerEvent
from rbee.queen import infer_operation
from rbee.queen.infer_operation import Asked
from rbee.queen.infer_story import read_story
from rbee.queen.settings import Settings
from rbee.queen.store.sql import SqlStore
from rbee.queen.store.sqlite import FILE_NAME, Sqlite
from rbee.testing.queens import RunningQueen, running_queen
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

JOB = "job-1"
CHAT = "/v1/chat/completions"
START = ("infer_start", "…", {"model": "m", "path": CHAT})
CHOSEN = (
    "infer_worker_sel",
    "…",
    msgspec.to_builtins(
        InferSelected(worker_id="w", hive_id="h", model="m", queue_ms=1, why="least loaded")
    ),
)
Told = tuple[str, str, object]


def said(*texts: str) -> list[Told]:
    return [("token", text, None) for text in texts]


def log(*told: Told, first: int = 1) -> list[KeptEvent]:
    """A job's log as the queen writes it."""
    events: list[KeptEvent] = []
    for seq, (action, message, data) in enumerate(told, first):
        kind = "token" if action == "token" else "narration"
        event = JobEvent(
            action=action, message=message, type=kind, job_id=JOB, seq=seq, ts=1.0,
            actor="queen", data=data,
        )  # fmt: skip
        events.append(KeptEvent(seq, msgspec.json.encode(event)))
    return events


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBEE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(infer_operation, "RETURN_S", 0.05)


@asynccontextmanager
async def queen_after(
    tmp_path: Path, events: Sequence[KeptEvent], request: bytes | None = None, **settings: int
) -> AsyncIterator[RunningQueen]:
    """A queen whose predecessor was killed when the job had said ``events``."""
    if request is None:
        request = msgspec.json.encode(Asked(Infer(model="m", prompt="p")))
    row = JobRow(
        job_id=JOB, operation="infer", status="running", created_at=1.0, started_at=1.0,
        request=request,
    )  # fmt: skip
    store = SqlStore(Sqlite(tmp_path / "queen" / FILE_NAME))
    store.open()
    entries: list[Entry] = [Accepted(row), *(Happened(JOB, event) for event in events)]
    store.write(entries)
    store.close()
    chosen = Settings(quiet_s=0.3, auto_download=False, **settings)
    async with running_queen(settings=chosen) as queen:
        yield queen


async def rest_of(queen: RunningQueen, after: int) -> list[ServerEvent]:
    await queen.queen.jobs.ready()
    await until(lambda: queen.queen.jobs.get(JOB).over)
    url = f"/v1/jobs/{JOB}/stream"
    answer = await queen.http.get(url, headers={"last-event-id": str(after)})
    return list(EventReader().feed(answer.content))


def failure(events: Sequence[ServerEvent]) -> tuple[str, str]:
    """The code and the message that the job failed with."""
    assert events[-1].data == "[DONE]"
    found = json.loads(events[-2].data)
    assert found["action"] == "error"
    return found["data"]["code"], found["message"]


async def test_a_job_whose_model_is_gone_ends_queen_restarted(tmp_path: Path) -> None:
    events = log(START, CHOSEN, *said("a", "b"))
    async with queen_after(tmp_path, events) as queen:
        rest = await rest_of(queen, after=len(events))
        assert json.loads(rest[0].data)["action"] == "infer_resumed"
        assert json.loads(rest[0].data)["data"] == {
            "reason": "queen_restarted", "pieces": 2, "restarts": 1, "worker_id": None
        }  # fmt: skip
        assert failure(rest)[0] == "queen_restarted"
        assert (await queen.http.get(f"/v1/jobs/{JOB}")).json()["status"] == "failed"


async def test_a_job_that_had_not_begun_fails_with_its_own_reason(tmp_path: Path) -> None:
    async with queen_after(tmp_path, []) as queen:
        rest = await rest_of(queen, after=0)
        assert failure(rest)[0] in {"no_capacity", "model_not_found"}


async def test_a_job_that_had_its_place_finds_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infer_operation, "ROOM_AGAIN_S", 0.05)
    events = log(START, CHOSEN)
    async with queen_after(tmp_path, events, queue_per_model_max=1, queue_max=1) as queen:
        await queen.queen.jobs.ready()
        # Somebody else has the only place, until it is told that there is no hive at all.
        other = b'{"operation": "infer", "model": "org/other", "prompt": "p"}'
        await queen.http.post("/v1/jobs", content=other)
        code, message = failure(await rest_of(queen, after=len(events)))
        assert code == "queen_restarted"
        assert "wait" not in message, "the queue was never too full for it"


async def test_a_job_that_lacked_only_its_end_gets_it(tmp_path: Path) -> None:
    events = log(START, CHOSEN, *said("a"), ("infer_complete", "…", None))
    async with queen_after(tmp_path, events) as queen:
        assert [event.data for event in await rest_of(queen, after=len(events))] == ["[DONE]"]
        assert (await queen.http.get(f"/v1/jobs/{JOB}")).json()["status"] == "completed"


@pytest.mark.parametrize(
    ("events", "why"),
    [
        (log(START, ("token", "hm", {"reasoning": True})), "thinking"),
        (log(*said("b"), first=2), "beginning"),
        ([KeptEvent(1, b"no event")], "cannot be read"),
    ],
)
async def test_what_is_unsafe_to_go_on_with_says_so(
    tmp_path: Path, events: list[KeptEvent], why: str
) -> None:
    async with queen_after(tmp_path, events) as queen:
        code, message = failure(await rest_of(queen, after=events[-1].seq))
        assert code == "queen_restarted"
        assert why in message


async def test_a_request_that_cannot_be_read_ends_the_job(tmp_path: Path) -> None:
    async with queen_after(tmp_path, log(START), request=b"{") as queen:
        assert failure(await rest_of(queen, after=1))[0] == "queen_restarted"


async def test_states_and_the_terminal_id_after_two_restarts(tmp_path: Path) -> None:
    events = log(START, ("infer_complete", "…", None))
    async with queen_after(tmp_path, events) as queen:
        await rest_of(queen, after=0)
    async with running_queen(settings=Settings(quiet_s=0.1)) as queen:
        (state,) = (await queen.http.get("/v1/jobs?limit=1")).json()["jobs"]
        assert (state["status"], state["events"]) == ("completed", len(events) + 1)
        url = f"/v1/jobs/{JOB}/stream"
        ended = await queen.http.get(url, headers={"last-event-id": str(len(events) + 1)})
        assert ended.status_code == 204
        assert (await queen.http.get(url)).text.endswith("data: [DONE]\n\n")
        assert (await queen.http.get("/v1/jobs?limit=0")).status_code == 400


def test_the_text_is_told_from_all_lives_of_the_job() -> None:
    story = read_story(
        log(START, CHOSEN, *said("a ", "b "), ("infer_resumed", "…", {}), *said("c"))
    )
    assert (story.text, story.pieces, story.path) == ("a b c", 3, CHAT)
    body = b'{"messages": [{"role": "user", "content": "p"}], "stream": true}'
    transcript = story.transcript(CHAT, body)
    assert transcript is not None
    assert (transcript.text, transcript.deltas) == ("a b c", 3)


def test_what_said_nothing_begins_anew() -> None:
    assert read_story(log(START, CHOSEN)).transcript(CHAT, b"{}") is None


def test_a_shaped_answer_is_not_gone_on_with() -> None:
    body = b'{"messages": [1], "response_format": {"type": "json_object"}}'
    with pytest.raises(QueenRestarted, match="response format"):
        read_story(log(START, *said("{"))).transcript(CHAT, body)
