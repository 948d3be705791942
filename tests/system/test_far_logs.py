"""``rbee logs`` of daemons that run elsewhere, or in the foreground: asked of the queen."""

from collections.abc import Iterator

import pytest

from rbee.testing.operator import Operator
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

KEY = "a-key-that-no-log-may-show"


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with Operator(tmp_path_factory.mktemp("colony")) as found:
        found.env |= {"RBEE_API_KEY": KEY, "RBEE_HIVE_SCRIPTED_ENGINE": "1"}
        for words in (["queen", "start"], ["hive", "start"], ["worker", "spawn", "scripted-bee"]):
            done = found.rbee(*words)
            assert done.returncode == 0, done.stderr
        yield found
        found.rbee("down")


def said(operator: Operator, *words: str) -> str:
    found = operator.rbee(*words, "--queen", operator.queen_url)
    assert found.returncode == 0, found.stderr
    assert KEY not in found.stdout
    return found.stdout


def test_logs_of_queen_hive_and_worker_come_through_the_queen(operator: Operator) -> None:
    assert "hive linked" in said(operator, "logs", "queen")
    assert len(said(operator, "logs", "queen", "-n", "1").splitlines()) == 1
    assert "linked" in said(operator, "logs", "hive")
    worker, *_ = [word for word in said(operator, "status").split() if word.startswith("worker-")]
    assert "generation" in said(operator, "logs", worker)
    assert "generation" in said(operator, "worker", "logs", worker[:-2])
    # With its file gone (another user's, a journal's) the queen is asked all the same.
    (operator.root / "data" / "logs" / "queen.log").unlink()
    assert "hive linked" in operator.rbee("logs").stdout
    for words in (["logs", "nobody"], ["logs", "hive", "--hive-id", "nobody"]):
        found = operator.rbee(*words, "--queen", operator.queen_url)
        assert (found.returncode, found.stdout) == (1, "")
        assert "  → " in found.stderr


def test_a_log_is_followed_until_ctrl_c(operator: Operator) -> None:
    following = operator.begin("logs", "hive", "-f", "-n", "0", "--queen", operator.queen_url)
    assert following.stdout is not None
    assert operator.rbee("worker", "spawn", "scripted-bee").returncode == 0
    line = following.stdout.readline()
    assert "worker" in line
    following.send_signal(2)
    following.communicate(timeout=20)
    assert following.returncode == 130
    until_now(lambda: following.poll() is not None)
