"""The state stream of a real queen, read from her publisher: what is told, to whom, and when."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import msgspec
import pytest

from rbee.contracts.hives import GpuStats, Heartbeat
from rbee.contracts.joining import JoinRequest
from rbee.contracts.models import Download, Model
from rbee.contracts.principals import LOCAL, Principal
from rbee.contracts.state import OPERATORS_TABLES, TableName
from rbee.errors import NoCapacity
from rbee.foundation.identity.keys import make_key
from rbee.foundation.identity.requests import make_request
from rbee.queen.inference.call import CHAT_PATH, Call
from rbee.queen.state.packing import Packed
from rbee.queen.state.publisher import STREAMS_MAX, Audience, Publisher, Watcher
from rbee.testing.queens import RunningQueen, running_queen
from rbee.testing.raw_worker import beat, ready_worker
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio

WITHIN_S = 10.0  # a queen answers in a tenth of it, on two busy cores too

Message = dict[str, Any]


def watcher(principal: str = "p", *, gzip: bool = False) -> Watcher:
    return Watcher(principal, gzip=gzip, until=anyio.current_time() + 3600.0)


@asynccontextmanager
async def following(
    publisher: Publisher,
    audience: Audience = "operators",
    last_id: str | None = None,
    who: Watcher | None = None,
) -> AsyncGenerator[AsyncGenerator[Packed]]:
    with anyio.fail_after(WITHIN_S):
        async with aclosing(publisher.follow(audience, last_id, who or watcher())) as messages:
            yield messages


async def until_told(messages: AsyncGenerator[Packed], table: str, key: str) -> Message:
    """The first message that sets this row."""
    async for packed in messages:
        message: Message = json.loads(packed.data)
        found = message["tables"].get(table, {})
        if key in (found if message["type"] == "snapshot" else found.get("set", {})):
            return message
    raise AssertionError("the stream ended")


def send(running: RunningQueen, message: Heartbeat) -> None:
    running.queen.colony.beat(message, anyio.current_time(), near=True)


async def test_it_begins_with_everything_and_goes_on_with_what_changes() -> None:
    async with running_queen() as running, following(running.queen.state) as messages:
        send(running, beat([ready_worker("w1", 9001)], at=1.0))
        first: Message = json.loads((await anext(messages)).data)
        assert first["type"] == "snapshot"
        assert set(first["tables"]) == set(msgspec.json.schema(TableName)["enum"])
        send(running, beat([ready_worker("w1", 9001), ready_worker("w2", 9002)], at=2.0))
        told = await until_told(messages, "workers", "w2")
        assert told["type"] == "delta"
        assert set(told["tables"]["workers"]["set"]) == {"w2"}, "w1 did not change"
        send(running, beat([ready_worker("w2", 9002)], at=3.0))
        async for packed in messages:
            change = json.loads(packed.data)["tables"].get("workers", {})
            if change.get("del") == ["w1"]:
                break


async def test_no_secret_is_in_it() -> None:
    async with running_queen() as running, following(running.queen.state) as messages:
        send(running, beat([ready_worker("w1", 9001)], at=1.0))
        assert b"secret" not in (await anext(messages)).data


async def test_a_change_is_told_before_the_next_second() -> None:
    async with running_queen() as running, following(running.queen.state) as messages:
        await anext(messages)
        quick = False
        for number in range(5):  # one may fall on the second itself
            send(running, beat([], hive_id=f"hive-{number}", at=1.0))
            told = await until_told(messages, "hives", f"hive-{number}")
            quick = quick or "colony" not in told["tables"]
        assert quick, "all five came with the beat"


async def test_whoever_comes_back_gets_what_happened_meanwhile() -> None:
    async with running_queen() as running:
        publisher = running.queen.state
        async with following(publisher) as messages:
            send(running, beat([ready_worker("w1", 9001)], at=1.0))
            await until_told(messages, "workers", "w1")
            last_id = (await anext(messages)).event_id
        send(running, beat([ready_worker("w2", 9002)], at=2.0))  # nobody watches now
        async with following(publisher, last_id=last_id) as messages:
            told: Message = json.loads((await anext(messages)).data)
            while "workers" not in told["tables"]:
                assert told["type"] == "delta"
                told = json.loads((await anext(messages)).data)
            assert set(told["tables"]["workers"]["set"]) == {"w2"}
            assert told["tables"]["workers"]["del"] == ["w1"]


@pytest.mark.parametrize("last_id", ["", "nonsense", "otherbooto-1", "-", "x-99999999999999999999"])
async def test_an_id_of_another_life_begins_anew(last_id: str) -> None:
    async with running_queen() as running, following(running.queen.state, last_id=last_id) as told:
        assert json.loads((await anext(told)).data)["type"] == "snapshot"


async def test_an_operators_id_means_nothing_to_a_reader() -> None:
    async with running_queen() as running:
        async with following(running.queen.state) as messages:
            last_id = (await anext(messages)).event_id
        async with following(running.queen.state, "readers", last_id=last_id) as messages:
            assert json.loads((await anext(messages)).data)["type"] == "snapshot"


async def test_readers_see_no_joiners_no_jobs_and_no_names_of_keys() -> None:
    async with running_queen() as running:
        ledger = running.queen.ledger
        key = Principal("key-1", "accounting")
        call = Call(
            job_id="job-1", model="m", path=CHAT_PATH, body=b"{}", stream=True, principal=key
        )
        ledger.waiting("job-1", "m", "no worker has it", position=3, eta_s=4.5, call=call)
        running.queen.state.events.note("info", "key_made", "accounting", "Somebody made it.")
        send(running, beat([], at=1.0))
        async with (
            following(running.queen.state, "readers") as public,
            following(running.queen.state) as own,
        ):
            seen: Message = json.loads((await anext(public)).data)["tables"]
            whole: Message = json.loads((await anext(own)).data)["tables"]
        assert whole["requests"]["job-1"] | {"since": 0} == {
            "job_id": "job-1",
            "model": "m",
            "state": "waiting",
            "position": 3,
            "eta_s": 4.5,
            "since": 0,
            "started_at": None,
            "ended_at": None,
            "client": "accounting",
            "priority": 0,
            "worker_id": None,
            "hive_id": None,
            "reason": "no worker has it",
            "door": CHAT_PATH,
        }
        assert not OPERATORS_TABLES & set(seen)
        assert set(whole) >= OPERATORS_TABLES
        assert "accounting" not in json.dumps(seen)
        assert seen["requests"]["job-1"]["client"] is None
        assert seen["hives"]["hive"]["membership"] is None
        assert whole["hives"]["hive"]["membership"] == "open"
        assert seen["colony"]["queen"]["joins_waiting"] is None


async def test_a_request_is_followed_to_its_end() -> None:
    async with running_queen() as running, following(running.queen.state) as messages:
        running.queen.ledger.waiting("job-1", "m", "no worker has it")
        running.queen.ledger.ended("job-1", "failed: no worker could be had")
        told = await until_told(messages, "requests", "job-1")
        rows = told["tables"]["requests"]
        row = rows["job-1"] if told["type"] == "snapshot" else rows["set"]["job-1"]
        assert (row["state"], row["reason"]) == ("failed", "failed: no worker could be had")
        assert row["ended_at"] is not None


async def test_models_downloads_and_jobs_have_rows() -> None:
    async with running_queen() as running, following(running.queen.state) as messages:
        message = beat([], at=1.0)
        message.models = [Model(id="org/repo:file.gguf", name="repo")]
        message.downloads = [Download(model="other", name="other", state="running", bytes=5)]
        send(running, message)
        wish = {"operation": "model_delete", "hive_id": "hive", "model": "other"}
        accepted = await running.http.post("/v1/jobs", json=wish)
        asked = await running.http.post("/v1/jobs", json={"operation": "status"})
        tables: Message = json.loads((await anext(messages)).data)["tables"]
        assert tables["models"]["hive/org/repo:file.gguf"]["model_id"] == "org/repo:file.gguf"
        assert tables["downloads"]["hive/other"]["bytes"] == 5
        job = tables["jobs"][accepted.json()["job_id"]]
        assert (job["operation"], job["owner"]) == ("model_delete", LOCAL.id)
        assert (job["hive_id"], job["model"]) == ("hive", "other")
        assert asked.json()["job_id"] not in tables["jobs"], "a question is no news"


async def test_a_revoked_key_watches_no_longer() -> None:
    async with running_queen() as running:
        who = watcher("key-7")
        async with following(running.queen.state, "readers", who=who) as messages:
            await anext(messages)
            running.queen.state.drop("key-7")
            assert [one async for one in messages] == []
        assert running.queen.state.watching == 0


async def test_nothing_old_is_kept_as_new_for_who_comes_later() -> None:
    async with running_queen() as running:
        publisher = running.queen.state
        channel = publisher.channels["operators"]
        for number in range(200):  # long enough to be deflated in a thread
            publisher.events.note("info", "test", f"n-{number}", "x" * 300)
        threads = anyio.to_thread.current_default_thread_limiter()
        total, threads.total_tokens = threads.total_tokens, 1
        async with threads:
            async with anyio.create_task_group() as leaving:
                messages = publisher.follow("operators", None, watcher(gzip=True))
                leaving.start_soon(anext, messages)
                await until(lambda: channel.feed.seq and threads.statistics().tasks_waiting)
                leaving.cancel_scope.cancel()  # in the middle of the first sample
            assert publisher.watching == 0
            told = channel.changed
        with anyio.fail_after(WITHIN_S):
            await told.wait()
        threads.total_tokens = total
        assert not channel.fresh


async def test_figures_beyond_all_bounds_end_no_stream() -> None:
    async with running_queen() as running, following(running.queen.state) as messages:
        mad = beat([], at=1.0)
        mad.node.gpus = [GpuStats(id=f"g{at}", vram_used_mb=1.5e308) for at in range(2)]
        send(running, mad)
        told = await until_told(messages, "nodes", "hive")
        while "colony" not in told["tables"]:
            told = json.loads((await anext(messages)).data)
        row = told["tables"]["colony"].get("set", told["tables"]["colony"])["queen"]
        assert row["vram_used_mb"] is None


async def test_a_readers_request_does_not_tell_which_operator_cancelled_it() -> None:
    async with running_queen(key="k") as running:
        who = {"authorization": "Bearer k"}
        name = {"name": "chief", "scopes": ["operator"]}
        key = (await running.http.post("/v1/keys", json=name, headers=who)).json()["key"]
        asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        async with anyio.create_task_group() as asking:
            asking.start_soon(
                lambda: running.http.post("/v1/chat/completions", json=asked, headers=who)
            )
            await until(lambda: running.queen.ledger.glances(0))
            (waiting,) = running.queen.ledger.glances(0)
            path = f"/v1/requests/{waiting.job_id}"
            gone = await running.http.delete(path, headers={"authorization": f"Bearer {key}"})
            assert gone.status_code == 200, gone.text
        async with following(running.queen.state, "readers") as messages:
            first = (await anext(messages)).data
        assert b"cancelled this request" in first
        assert b"chief" not in first


async def test_too_many_are_refused_with_a_remedy() -> None:
    async with running_queen() as running:
        publisher = running.queen.state
        publisher.channels["readers"].watchers = {watcher() for _ in range(STREAMS_MAX)}
        with pytest.raises(NoCapacity, match="watch the colony already"):
            publisher.check_room()


async def test_those_who_wait_to_join_are_shown_to_operators() -> None:
    async with running_queen() as running:
        request = make_request(make_key(), "new-hive")
        asked = JoinRequest(hive_id="new-hive", request=request, hostname="new.lab", version="0.1")
        answer = await running.queen.office.join(asked, "10.0.0.9")
        async with following(running.queen.state) as messages:
            tables: Message = json.loads((await anext(messages)).data)["tables"]
    row = tables["joins"][answer.code]
    assert (row["hive_id"], row["hostname"], row["address"]) == ("new-hive", "new.lab", "10.0.0.9")
    assert tables["colony"]["queen"]["joins_waiting"] == 1
    assert "join_asked" in {row["kind"] for row in tables["events"].values()}
