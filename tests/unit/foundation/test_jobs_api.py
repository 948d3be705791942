"""The job routes over HTTP: shapes, resume, 204 at the end, errors."""

from collections.abc import AsyncIterator

import anyio
import httpx2
import pytest
from starlette.applications import Starlette

from rbee.contracts.jobs import decode_operation
from rbee.contracts.principals import Principal
from rbee.errors import RbeeError
from rbee.foundation.http.answers import health_route, not_yet_routes
from rbee.foundation.http.body import BODY_BYTES_MAX
from rbee.foundation.http.jobs_api import job_routes
from rbee.foundation.http.problems import problem_response
from rbee.foundation.jobserver import Job, JobServer

pytestmark = pytest.mark.anyio

STATUS = b'{"operation": "status"}'
FORM = {"content-type": "application/x-www-form-urlencoded"}


async def handler(job: Job) -> None:
    job.emit("status_start", "…")
    if job.operation == "Infer":
        await anyio.sleep_forever()
    job.emit("status_complete", "done", type="data", data={"hives": 0})


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with JobServer(actor="queen") as jobs:

        def submit(body: bytes, _who: Principal) -> Job:
            return jobs.submit(type(decode_operation(body)).__name__, handler)

        app = Starlette(
            routes=[
                health_route(),
                *job_routes(jobs, submit),
                *not_yet_routes([("GET", "/metrics")]),
            ],
            exception_handlers={
                RbeeError: problem_response,
                404: problem_response,
                405: problem_response,
            },
        )
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


async def test_a_job_from_post_to_the_end_of_its_stream(client: httpx2.AsyncClient) -> None:
    accepted = (await client.post("/v1/jobs", content=STATUS, headers=FORM)).json()
    assert set(accepted) == {"job_id", "sse_url", "status", "created_at"}
    assert accepted["sse_url"] == f"/v1/jobs/{accepted['job_id']}/stream"
    stream = await client.get(accepted["sse_url"])
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-store"
    assert stream.text.endswith("id: 3\ndata: [DONE]\n\n")
    state = (await client.get(f"/v1/jobs/{accepted['job_id']}")).json()
    assert (state["status"], state["events"]) == ("completed", 3)
    assert [job["job_id"] for job in (await client.get("/v1/jobs")).json()["jobs"]] == [
        accepted["job_id"]
    ]


async def test_the_terminal_id_is_answered_204(client: httpx2.AsyncClient) -> None:
    url = (await client.post("/v1/jobs", content=STATUS)).json()["sse_url"]
    await client.get(url)
    assert (await client.get(url, headers={"last-event-id": "3"})).status_code == 204
    assert (await client.get(url, headers={"last-event-id": "9"})).status_code == 204
    resumed = await client.get(url, headers={"last-event-id": "2"})
    assert resumed.text == "id: 3\ndata: [DONE]\n\n"


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 5000, "²"])
async def test_a_last_event_id_that_is_none_of_ours(client: httpx2.AsyncClient, given: str) -> None:
    url = (await client.post("/v1/jobs", content=STATUS)).json()["sse_url"]
    answer = await client.get(url, headers={"last-event-id": given.encode("latin-1")})
    assert answer.status_code == 400
    assert answer.json()["param"] == "Last-Event-ID"


async def test_delete_cancels(client: httpx2.AsyncClient) -> None:
    body = b'{"operation": "infer", "model": "m", "prompt": "p"}'
    job_id = (await client.post("/v1/jobs", content=body)).json()["job_id"]
    gone = await client.delete(f"/v1/jobs/{job_id}")
    assert gone.json() == {"job_id": job_id, "status": "cancelled"}
    assert '"action":"cancelled"' in (await client.get(f"/v1/jobs/{job_id}/stream")).text


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_job_is_404(client: httpx2.AsyncClient, method: str) -> None:
    answer = await client.request(method, "/v1/jobs/job-none")
    assert answer.status_code == 404
    assert answer.json()["code"] == "job_not_found"
    assert (await client.get("/v1/jobs/job-none/stream")).status_code == 404


async def test_a_bad_operation_is_400_with_its_path(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/jobs", content=b'{"operation": "infer", "prompt": "x"}')
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["error"]
    assert problem["details"].endswith("at `$.model`.")


async def test_a_body_over_the_limit_is_413(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/jobs", content=b" " * (BODY_BYTES_MAX + 1))
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


async def test_a_streamed_body_over_the_limit_is_413(client: httpx2.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(34):
            yield b" " * 1024 * 1024

    assert (await client.post("/v1/jobs", content=body())).status_code == 413


async def test_what_is_not_there_says_so_as_a_problem(client: httpx2.AsyncClient) -> None:
    wanted = [
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/v1/jobs", 405, "method_not_allowed"),
        ("GET", "/metrics", 501, "not_yet"),
    ]
    for method, path, status, code in wanted:
        answer = await client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.json()["remedy"]
