"""What was typed: wrong words, later commands, errors as two lines, exit codes."""

import errno
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from cyclopts import App

from rbee import __version__
from rbee.__main__ import run
from rbee.errors import InvalidRequest, StorageError
from rbee.keeper.cli.frame import LATER
from rbee.keeper.cli.infer import read_prompt
from rbee.keeper.cli.worker import device_choice
from rbee.testing.workers import free_port

STARTS_WITHIN_S = 2.0  # measured: 0.2 s; the margin is for two busy cores


@pytest.fixture(autouse=True)
def _nobody_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RBEE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RBEE_QUEEN_PORT", str(free_port()))
    monkeypatch.setenv("RBEE_HIVE_PORT", str(free_port()))


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = run(list(words))
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["infr"], "Did you mean `infer`?"),
        (["nonsense"], "no command `nonsense`"),
        (["worker", "lst"], "Did you mean `list`?"),
        (["infer", "--no-such-flag"], "--no-such-flag"),
        (["infer", "hi", "--max-tokens", "many"], "many"),
        (["model", "download"], "MODEL"),
        (["model", "list", "surplus"], "`rbee model list` has no use for `surplus`."),
        (["keys", "create"], "`rbee keys create` needs NAME."),
        (["model", "copy", "starter"], "`rbee model copy` needs --to."),
        (["infer", "hi", "--model"], "--model needs a value behind it."),
        (["model", "search"], "nothing to search for"),
        (["model", "search", " "], "nothing to search for"),
        (["status", "--queen", "ftp://x"], "--queen"),
    ],
)
def test_wrong_usage_is_two_lines_and_code_2(
    words: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, *words)
    assert (code, out) == (2, "")
    assert what in err
    assert err.startswith("rbee: ")
    assert "\n  → " in err


@pytest.mark.parametrize(
    "words",
    [[name] for name in LATER] + [["drill", "search", "--x", "y"]],
)
def test_commands_of_later_versions_say_so(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, *words)
    assert (code, out) == (1, "")
    assert "yet" in err
    assert __version__ in err


def test_help_shows_what_is_there_and_hides_what_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = said(capsys, "--help")
    assert code == 0
    assert "infer" in out
    assert not [name for name in LATER if f"│ {name} " in out]


@pytest.mark.parametrize(
    "words",
    [["status"], ["worker", "list"], ["model", "list"], ["model", "download", "starter"]],
)
def test_nobody_there_is_told_with_a_way_out(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, *words)
    assert (code, out) == (1, "")
    assert "rbee up" in err


@pytest.mark.parametrize("words", [["login"], ["hive", "join"]])
def test_a_queen_elsewhere_is_not_to_be_started_here(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, *words, "http://127.0.0.1:1")
    assert (code, out) == (1, "")
    assert "does not answer" in err
    assert "rbee up -d --bind 0.0.0.0" in err
    assert "on this machine" not in err


def test_a_daemon_that_does_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "queen", "status") == (3, "The queen is not running.\n", "")
    code, _, err = said(capsys, "hive", "stop")
    assert code == 0
    assert "was not running" in err
    code, out, _ = said(capsys, "queen", "status", "--json")
    assert code == 3
    assert '"running": false' in out
    assert said(capsys, "down")[0] == 0


def test_wrong_settings_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RBEE_CONFIG_DIR", str(tmp_path))
    (tmp_path / "config.toml").write_text("[keeper\n")
    code, _, err = said(capsys, "status")
    assert code == 1
    assert "config.toml" in err


@pytest.mark.parametrize("words", [["queen", "start"], ["status"], ["up"], ["queen", "status"]])
def test_a_port_that_is_none_is_a_wrong_setting(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RBEE_QUEEN_PORT", "80000")
    code, _, err = said(capsys, *words)
    assert code == 1
    assert "RBEE_QUEEN_PORT" in err
    assert "65535" in err
    assert "Unforeseen" not in err


def test_an_unforeseen_fault_shows_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rbee.keeper.cli.frame._COMMANDS", (("nowhere", "", ""),))
    code, _, err = said(capsys, "nowhere")
    assert code == 1
    assert "RBEE_DEBUG=1" in err


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (OSError(errno.ENOSPC, "No space left", "/data/x"), "no room left on the disk at /data/x"),
        (StorageError("The store is away."), "The store is away."),
        (ValueError("odd"), "Unforeseen ValueError: odd"),
    ],
)
def test_an_error_out_of_a_group_of_tasks_is_told_itself(
    cause: Exception,
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_nouns: Sequence[str]) -> App:
        raise ExceptionGroup("tasks", [ExceptionGroup("tasks", [cause])])

    monkeypatch.setattr("rbee.__main__.whole_app", fail)
    code, _, err = said(capsys, "status")
    assert code == 1
    assert words in err
    assert "Group" not in err


def test_a_prompt_is_words_or_stdin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert read_prompt(["Say", "hi"]) == "Say hi"
    letter = tmp_path / "letter"
    letter.write_text("Dear bee\n")
    for words in (["-"], []):
        with letter.open() as file:
            monkeypatch.setattr("sys.stdin", file)
            assert read_prompt(words) == "Dear bee\n"
    with pytest.raises(InvalidRequest, match="empty"):
        read_prompt(["  "])


def test_devices_as_they_are_typed() -> None:
    assert device_choice(None) is None
    assert device_choice(["0"]) == 0
    assert device_choice(["GPU-1"]) == "GPU-1"
    assert device_choice(["0,1"]) == [0, 1]
    assert device_choice(["0", "GPU-2"]) == [0, 2]
    with pytest.raises(InvalidRequest, match="cpu"):
        device_choice(["0", "cpu"])


def test_bytes_that_are_no_text_are_no_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = b"\xff\xfe GGUF".decode("utf-8", "surrogateescape")
    monkeypatch.setattr("sys.stdin", io.StringIO(broken))
    with pytest.raises(InvalidRequest, match="stdin is not text"):
        read_prompt(["-"])
