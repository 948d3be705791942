"""What becomes of a worker that an earlier hive wrote down."""

import pytest

from rbee.contracts.ids import WorkerId
from rbee.contracts.workers import WorkerStatus
from rbee.foundation.processes import ProcessMark
from rbee.hive.engines.engine import LaunchSpec
from rbee.hive.workers.adoption import Found, Verdict, decide
from rbee.hive.workers.launching import Running
from rbee.hive.workers.probe import Whose
from rbee.hive.workers.state import WorkerState

ENGINE = ProcessMark(pid=4_000_000, started=1.0, boot="b")
RUNS = Running(shim=None, engine=ENGINE)
SPEC = LaunchSpec(
    engine="scripted",
    model="scripted",
    model_path=None,
    task="generate",
    context_tokens=64,
    slots=1,
    device_ids=("CPU-0",),
)


def state(status: WorkerStatus, *, ready: bool = True) -> WorkerState:
    return WorkerState(
        worker_id=WorkerId("worker-1"),
        spec=SPEC,
        status=status,
        port=9000,
        created_at=1.0,
        ready_at=2.0 if ready else None,
    )


@pytest.mark.parametrize(
    ("status", "ready", "found", "verdict"),
    [
        ("ready", True, Found(running=RUNS, whose=Whose.OURS), Verdict.ADOPT),
        ("busy", True, Found(running=RUNS, whose=Whose.OURS), Verdict.ADOPT),
        ("ready", True, Found(running=RUNS, whose=Whose.STRANGER), Verdict.RESTART),
        ("ready", True, Found(running=RUNS, whose=Whose.SILENT), Verdict.RESTART),
        ("starting", False, Found(running=RUNS), Verdict.ADOPT),
        ("starting", False, Found(running=None), Verdict.RESTART),
        ("ready", True, Found(running=None), Verdict.RESTART),
        ("ready", True, Found(running=None, same_boot=False), Verdict.FORGET),
        ("ready", True, Found(running=None, orphaned=True), Verdict.FORGET),
        ("draining", True, Found(running=RUNS, whose=Whose.OURS), Verdict.END),
        ("stopping", True, Found(running=None), Verdict.FORGET),
        ("error", True, Found(running=None), Verdict.KEEP),
    ],
)
def test_the_rule(status: WorkerStatus, *, ready: bool, found: Found, verdict: Verdict) -> None:
    assert decide(state(status, ready=ready), found) is verdict
