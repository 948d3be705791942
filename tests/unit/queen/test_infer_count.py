"""An infer job counts like a request by another door, however it ends."""

import anyio
import pytest

from rbee.errors import NoCapacity
from rbee.queen.infer_count import ENDPOINT, counted
from rbee.queen.inference.call import Call
from rbee.queen.settings import Settings
from rbee.queen.tally import OTHER, Tally
from rbee.testing.queens import running_queen
from rbee.testing.raw_worker import Conversation, beat, raw_worker, ready_worker

pytestmark = pytest.mark.anyio

CALL = Call(job_id="job-1", model="m", path="/v1/completions", body=b"{}", stream=True)


async def test_a_failure_counts_with_its_code() -> None:
    tally = Tally()
    with pytest.raises(NoCapacity), counted(tally, CALL):
        raise NoCapacity("none")
    (row,) = tally.rows()
    assert (row.model, row.endpoint, row.statuses) == ("m", ENDPOINT, {503: 1})
    assert tally.refusals.counts == {"no_capacity": 1}


async def test_a_cancelled_job_counts_as_one_that_left() -> None:
    tally = Tally()
    with anyio.CancelScope() as scope, counted(tally, CALL):
        scope.cancel()
        await anyio.sleep(1)
    (row,) = tally.rows()
    assert (row.model, row.statuses) == (OTHER, {499: 1})


async def test_a_job_of_a_running_queen_is_in_her_figures() -> None:
    async def play(wire: Conversation) -> None:
        await wire.stream(
            {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
        )

    settings = Settings(quiet_s=0.0, store="memory")
    async with raw_worker(play) as port, running_queen(settings=settings) as at:
        at.queen.colony.beat(beat([ready_worker("w0", port)]), anyio.current_time())
        accepted = await at.http.post(
            "/v1/jobs", json={"operation": "infer", "model": "m", "prompt": "hello"}
        )
        await at.http.get(accepted.json()["sse_url"])
        page = (await at.http.get("/metrics")).text
    assert 'rbee_requests_total{endpoint="infer",model="m",status="200"} 1.0' in page
    assert 'rbee_tokens_total{endpoint="infer",kind="completion",model="m"} 2.0' in page
    assert 'rbee_jobs{state="completed"} 1.0' in page
    assert "rbee_routed_total{" in page
