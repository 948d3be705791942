"""The few words that a person reads of each step."""

import pytest

from rbee.contracts.jobs import JobEvent
from rbee.keeper.steps import step_text

_WORKER = {
    "pid": 7,
    "worker_id": "worker-1",
    "model": "Qwen",
    "port": 9000,
    "device": "CPU-0",
    "engine": "xllamacpp",
    "status": "starting",
}
_QUEUED = {"eta_s": None, "waited_s": 0.0, "reason": "all slots are busy"}
_SPAWNING = {"model": "Qwen", "hive_id": "here", "why": ["fits", "idle"], "download": False}


def event(action: str, message: str = "As it came", data: object = None) -> JobEvent:
    return JobEvent(
        job_id="job-1",
        seq=1,
        ts=1.0,
        actor="hive",
        type="narration",
        action=action,
        message=message,
        data=data,
    )


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (event("infer_queued", data={"position": 1, **_QUEUED}), "waiting: all slots are busy"),
        (
            event("infer_queued", data={"position": 3, **_QUEUED}),
            "waiting at position 3: all slots are busy",
        ),
        (event("infer_worker_spawn", data=_SPAWNING), "starting a worker for Qwen on here"),
        (
            event("worker_spawn_start", "Starting a worker for Qwen on here."),
            "starting a worker for Qwen on here",
        ),
        (event("worker_spawn_health_check", data=_WORKER), "loading Qwen"),
        (event("model_download_complete", "Qwen is here."), None),
        (event("worker_spawn_progress", "Memory: it fits: 1 MiB."), None),
        (event("worker_spawn_progress", "Starting worker-1.", _WORKER), None),
        (
            event(
                "worker_spawn_progress",
                "Starting worker-1 again (restart 1): it crashed.",
                {**_WORKER, "reason": "it crashed"},
            ),
            "starting worker-1 again (restart 1): it crashed",
        ),
    ],
)
def test_a_step_in_few_words(shown: JobEvent, text: str | None) -> None:
    assert step_text(shown) == text


@pytest.mark.parametrize("action", ["infer_queued", "infer_worker_spawn", "an_unknown_action"])
def test_news_of_another_version_are_shown_as_they_came(action: str) -> None:
    assert step_text(event(action, "Qwen is here.", {"strange": True})) == "Qwen is here"
