"""What a Tab offers: by the tree of commands, by the colony's names, and the script that asks for it."""

from pathlib import Path

import pytest
from cyclopts import App

from rbee.__main__ import run, whole_app
from rbee.keeper.completion.scripts import SCRIPTS, place_of
from rbee.keeper.completion.tree import kept_tree, tree_of
from rbee.keeper.completion.words import wanted
from rbee.testing.workers import free_port

TREE = tree_of(whole_app(("queen", "hive")))


def offered(*typed: str) -> set[str]:
    return set(wanted(TREE, list(typed)).words)


def kind(*typed: str) -> str:
    return wanted(TREE, list(typed)).kind


def test_commands_then_their_own() -> None:
    assert {"infer", "top", "worker"} <= offered("")
    assert {"spawn", "list", "logs"} <= offered("worker", "")
    assert "run" in offered("queen", "")
    assert "drill" not in offered("")


def test_names_where_names_stand() -> None:
    assert kind("worker", "stop", "") == "workers"
    assert kind("worker", "stop", "--force", "") == "workers"
    assert kind("worker", "stop", "w-1", "") == ""
    assert kind("model", "delete", "--hive-id", "") == "hives"
    assert kind("model", "delete", "--hive-id", "far", "") == "models"
    assert kind("model", "download", "") == "sources"
    assert kind("infer", "-m", "") == "sources"
    assert kind("why", "") == "jobs"


def test_flags_when_they_are_begun_and_each_once() -> None:
    assert {"--json", "--hive-id", "--help"} <= offered("worker", "list", "-")
    assert "--json" not in offered("worker", "list", "--json", "-")


def test_a_flag_and_its_value_in_one_word() -> None:
    found = wanted(TREE, ["infer", "--model=sta"])
    assert (found.lead, found.begun, found.kind) == ("--model=", "sta", "sources")


def test_words_of_a_choice() -> None:
    assert offered("completion", "") == {"bash", "zsh", "fish"}
    assert offered("worker", "spawn", "x", "--split-mode", "") == {"none", "layer", "row"}
    assert "operator" in offered("keys", "create", "x", "--scope", "")


def test_the_tree_is_kept_until_a_command_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RBEE_CACHE_DIR", str(tmp_path))
    assert kept_tree(lambda: whole_app(("queen", "hive"))) == TREE

    def never() -> App:
        raise AssertionError

    assert kept_tree(never) == TREE
    monkeypatch.setattr("rbee.__version__", "99")
    with pytest.raises(AssertionError):
        kept_tree(never)


def test_without_a_colony_it_offers_what_is_known_and_fails_never(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RBEE_QUEEN_PORT", str(free_port()))
    assert run(["__complete", "model", "download", "st"]) == 0
    assert capsys.readouterr() == ("starter\t\n", "")
    for words in (["worker", "stop", ""], ["nonsense", ""], [], ["why", "--queen", "ftp://", ""]):
        assert run(["__complete", *words]) == 0
        assert capsys.readouterr().err == ""


def test_it_is_installed_where_the_shell_looks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/zsh")
    assert run(["completion", "--install"]) == 0
    path = place_of("zsh")
    assert path.is_relative_to(tmp_path)
    assert path.read_text() == SCRIPTS["zsh"]
    assert "fpath" in capsys.readouterr().err
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert run(["completion"]) == 2
    assert "bash, zsh, fish" in capsys.readouterr().err
