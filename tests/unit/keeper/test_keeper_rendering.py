"""What people read: numbers, tables, progress, errors, summaries."""

import pytest

from rbee.contracts.daemon import ServiceInfo
from rbee.contracts.jobs import JobEvent
from rbee.contracts.models import DownloadPhase, DownloadProgress
from rbee.errors import PortTaken, RbeeError, RemoteError
from rbee.keeper.answer import Answer, summary_text
from rbee.keeper.cli.chat import text_of
from rbee.keeper.cli.daemon_commands import status_of, status_text
from rbee.keeper.daemons import Running
from rbee.keeper.drawing import MovingLine
from rbee.keeper.problem_text import last_problem, render_problem
from rbee.keeper.screen import Live, out_table, plain_table, progress_text
from rbee.keeper.units import count_text, duration_text, percent_text, size_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_700, "1.0 MB"),
        (105_000_000, "105 MB"),
        (4_700_000_000, "4.7 GB"),
        (2.5e15, "2500 TB"),
    ],
)
def test_a_size(size_bytes: float | None, text: str) -> None:
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (None, "-"),
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (3 * 86_400 + 4 * 3600, "3 d 4 h"),
    ],
)
def test_a_duration(duration_s: float | None, text: str) -> None:
    assert duration_text(duration_s) == text


def test_a_percentage_of_the_unknown_is_no_number() -> None:
    assert percent_text(5, None) == "-"
    assert percent_text(1, 3) == "33 %"
    assert percent_text(7, 5) == "100 %"


def test_one_is_singular() -> None:
    assert [count_text(number, "token") for number in (0, 1, 2)] == [
        "0 tokens",
        "1 token",
        "2 tokens",
    ]


def test_a_plain_table_is_aligned_and_cuts_nothing() -> None:
    long = "org/a-repository-with-a-very-long-name:file.Q4_K_M.gguf"
    text = plain_table(("id", "size"), [("starter", "105 MB"), (long, "4.7 GB")])
    lines = text.splitlines()
    assert lines[0].split() == ["ID", "SIZE"]
    assert lines[2] == f"{long}  4.7 GB"
    assert {line.index(word) for line, word in zip(lines, ("SIZE", "105", "4.7"), strict=True)} == {
        len(long) + 2
    }


def test_an_empty_table_says_so_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    out_table(("id",), [], empty="Nothing here.")
    assert capsys.readouterr() == ("", "Nothing here.\n")


def test_progress_with_and_without_a_total() -> None:
    whole = DownloadProgress(bytes=47_000_000, total=105_000_000, rate_bytes_s=12e6, eta_s=5.0)
    assert progress_text("downloading x", whole) == (
        "downloading x: 45 %, 47 MB of 105 MB, 12 MB/s, 5.0 s left"
    )
    assert progress_text("downloading x", DownloadProgress(bytes=12)) == "downloading x: 12 B"


@pytest.mark.parametrize(("phase", "words"), [("verify", "checking"), ("install", "in its place")])
def test_what_comes_after_a_download_is_no_download(phase: DownloadPhase, words: str) -> None:
    said = progress_text("downloading x", DownloadProgress(bytes=0, total=98, phase=phase))
    assert words in said
    assert "0 %" not in said


def test_a_live_line_in_a_pipe_is_one_line_per_change(capsys: pytest.CaptureFixture[str]) -> None:
    with Live() as live:
        live.say("loading")
        live.say("loading")
        live.progress("downloading x", DownloadProgress(bytes=1, total=10))
        live.progress("downloading x", DownloadProgress(bytes=2, total=10))
        live.progress("downloading x", DownloadProgress(bytes=10, total=10))
    assert capsys.readouterr().err.splitlines() == [
        "loading",
        "downloading x: 10 %, 1 B of 10 B",
        "downloading x: 100 %, 10 B of 10 B",
    ]


def test_a_quiet_live_line_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Live(quiet=True) as live:
        live.say("loading")
        live.progress("downloading x", DownloadProgress(bytes=1, total=10))
    assert capsys.readouterr().err == ""


def test_an_error_is_read_back_from_a_log() -> None:
    error = PortTaken("Port 7833 is already taken by nginx (pid 7).")
    log = f"2026-01-01 [info] listening\n{render_problem(error)}\nbye\n"
    assert last_problem(log) == (error.message, error.remedy)


def test_the_last_error_counts_and_a_missing_remedy_is_none() -> None:
    assert last_problem("rbee: first\n  → do this\nrbee: second\n") == ("second", None)
    assert last_problem("[info] nothing wrong") is None


def test_a_long_error_keeps_its_lines_indented() -> None:
    text = render_problem(RbeeError("It failed. Its log says:\nline 1\nline 2", remedy="Look."))
    assert text == "rbee: It failed. Its log says:\n    line 1\n    line 2\n  → Look."


def event(action: str, data: object = None, message: str = "") -> JobEvent:
    return JobEvent(
        action=action,
        message=message,
        type="token" if action == "token" else "narration",
        job_id="job-1",
        seq=1,
        ts=0.0,
        actor="queen",
        data=data,
    )


CHOSEN = {"worker_id": "w-1", "hive_id": "here", "model": "starter", "queue_ms": 3, "why": "idle"}
DONE = {
    "worker_id": "w-1",
    "hive_id": "here",
    "model": "starter",
    "queue_ms": 3,
    "tokens": 3,
    "tokens_per_s": 61.53,
    "finish_reason": "stop",
}


def test_an_answer_adds_up() -> None:
    answer = Answer(model="starter")
    answer.take(event("infer_worker_sel", CHOSEN), 0.1)
    for moment, piece in ((0.5, "Hel"), (0.6, "lo"), (0.7, "!")):
        answer.take(event("token", message=piece), moment)
    assert answer.text == "Hello!"
    assert summary_text(answer) == (
        "3 tokens, 10.0 tok/s, first token 0.50 s, worker w-1 on hive here"
    )


def test_the_servers_own_count_wins() -> None:
    answer = Answer(model="starter")
    answer.take(event("token", message="Hi there"), 1.0)
    answer.take(event("infer_complete", DONE), 1.0)
    assert (answer.tokens, answer.tokens_per_s, answer.finish_reason) == (3, 61.5, "stop")


def test_an_answer_that_was_cut_says_so_and_what_helps() -> None:
    answer = Answer(model="starter")
    answer.take(event("token", message="Hi there"), 1.0)
    answer.take(event("infer_complete", {**DONE, "finish_reason": "length"}), 1.0)
    assert summary_text(answer).startswith("cut after 3 tokens (--max-tokens allows more), ")


def test_an_unstreamed_answer_takes_the_text_of_the_end() -> None:
    answer = Answer(model="starter")
    answer.take(event("infer_complete", {**DONE, "text": "Hi"}), 1.0)
    assert answer.text == "Hi"


def test_thinking_is_no_answer() -> None:
    answer = Answer(model="starter")
    answer.take(event("token", {"reasoning": True}, "Hmm"), 1.0)
    answer.take(event("token", message="Hi"), 2.0)
    assert (answer.text, answer.reasoning, answer.first_token_s) == ("Hi", "Hmm", 1.0)


def test_data_of_another_shape_is_told() -> None:
    with pytest.raises(RemoteError, match="infer_worker_sel"):
        Answer(model="x").take(event("infer_worker_sel", {"worker_id": 3}), 1.0)


def test_text_of_a_chunk() -> None:
    assert text_of({"choices": [{"delta": {"content": "Hi"}}]}) == "Hi"
    assert text_of({"choices": [{"delta": {"role": "assistant", "content": None}}]}) == ""
    assert text_of({"choices": [], "usage": {"total_tokens": 3}}) == ""
    assert text_of({"timings": {"predicted_ms": 3}}) == ""
    assert text_of({"choices": "odd"}) == ""


def test_a_daemons_status() -> None:
    info = ServiceInfo(
        service="hive",
        version="0.0.9",
        base_url="http://localhost:7835",
        port=7835,
        pid=7,
        hive_id="here",
        queen_url="http://localhost:7833",
        started_at=100.0,
    )
    running = Running(room="hive", base_url=info.base_url, pid=7, info=info)
    found = status_of("hive", running, 160.0)
    assert (found.running, found.uptime_s, found.port) == (True, 60.0, 7835)
    assert "up 1 min" in status_text(running, info, 160.0)
    assert running.version_skew is not None
    assert "0.0.9" in running.version_skew
    assert status_of("queen", None, 0.0).running is False


def test_the_moving_line_forgets_a_finished_download() -> None:
    line = MovingLine()
    try:
        line.show("downloading", 10, 10)
        line.show("loading")
        (task,) = line.shown
        assert (task.description, task.total, task.completed, task.finished) == (
            "loading",
            None,
            0,
            False,
        )
    finally:
        line.stop()
