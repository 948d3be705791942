"""What will be done on a machine, as values: in order, repeatable, and with no secret in sight."""

import shlex
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.errors import InvalidRequest
from rbee.remote.layout import Installed, Keeper, layout_of, word
from rbee.remote.plan import (
    Plan,
    Wanted,
    install_plan,
    missing_command,
    missing_question,
    named,
    settings_text,
    uninstall_plan,
)
from rbee.remote.starting import status_command, unit_text
from unit.remote.machines import QUEEN, choice, installed, layout, machine, wheels

KEEPERS: list[Keeper] = ["system", "user", "process"]
PLAIN = Wanted(queen_url=QUEEN)
SECRET = "rbee1.a-token-nobody-may-see"


def plan(
    keeper: Keeper = "system",
    *,
    before: Installed | None = None,
    wanted: Wanted | None = PLAIN,
    left: tuple[str, ...] = (),
) -> Plan:
    brought = wheels(left=left)
    facts = machine(installed=before)
    return install_plan(layout(), facts, choice(keeper), brought, list(named(brought)), wanted)


@pytest.mark.parametrize("keeper", KEEPERS)
@pytest.mark.parametrize(
    "wanted", [Wanted(queen_url=QUEEN, key=SECRET), Wanted(queen_url=QUEEN, token=SECRET)]
)
def test_secrets_go_through_stdin_and_are_never_shown(keeper: Keeper, wanted: Wanted) -> None:
    doing = plan(keeper, wanted=wanted)
    steps = (*doing.prepare, *doing.switch, *doing.finish, *doing.rollback)
    assert [step for step in steps if SECRET.encode() in step.stdin]
    assert not [step for step in steps if SECRET in step.command]
    assert SECRET not in "\n".join(doing.shown())
    assert SECRET.encode() not in msgspec.json.encode(doing.installed)


def test_nothing_that_runs_changes_before_the_new_version_was_tried_out() -> None:
    whats = [step.what for step in plan().prepare]
    assert whats == [
        "making room",
        "sending 3 wheels",
        "making an environment",
        "installing the packages",
        "trying it out",
    ]
    touched = " ".join(step.command for step in plan().prepare)
    assert "systemctl" not in touched
    assert "/current" not in touched


def test_a_join_token_leaves_the_queens_address_to_the_join() -> None:
    doing = plan(wanted=Wanted(queen_url="https://q:7833", token=SECRET))
    join = next(step for step in doing.switch if "hive join" in step.command)
    assert "hive join https://q:7833 --token -" in join.command
    assert "RBEE_HIVE_QUEEN_URL" not in settings_text(Wanted(queen_url="https://q", token=SECRET))
    assert f"RBEE_HIVE_QUEEN_URL='{QUEEN}'" in settings_text(Wanted(queen_url=QUEEN))


def test_what_is_left_over_is_asked_of_the_machines_own_index() -> None:
    def pip(doing: Plan) -> str:
        return next(step.command for step in doing.prepare if "-m pip" in step.command)

    assert "--no-index" in pip(plan())
    assert "PIP_CONFIG_FILE=/dev/null" in pip(plan())
    assert "--no-index" not in pip(plan(left=("xllamacpp==1",)))
    assert "PIP_CONFIG_FILE" not in pip(plan(left=("xllamacpp==1",)))


def test_an_upgrade_keeps_settings_and_knows_the_way_back() -> None:
    before = installed("0.1.0-old")
    doing = plan(before=before, wanted=None)
    assert not [step for step in doing.switch if "hive.env" in step.command and step.stdin]
    assert doing.installed.previous == "0.1.0-old"
    assert doing.installed.queen_url == QUEEN
    assert "versions/0.1.0-old" in doing.rollback[0].command
    assert "restart rbee-hive" in doing.rollback[1].command
    tidy = doing.finish[-1].command
    assert "0.1.0-aaaa|0.1.0-old)" in tidy


def test_installing_the_same_build_again_keeps_the_version_before() -> None:
    before = msgspec.structs.replace(installed("0.1.0-aaaa"), previous="0.1.0-older")
    assert plan(before=before).installed.previous == "0.1.0-older"


def test_a_new_keeper_makes_the_old_one_let_go_first() -> None:
    doing = plan("user", before=installed(keeper="system"))
    first = [step.command for step in doing.switch[:5]]
    assert any("hive stop --keep-workers" in line for line in first)
    assert any("sudo -n systemctl disable rbee-hive.service" in line for line in first)
    assert all(step.may_fail for step in doing.switch[:5])


@pytest.mark.parametrize("keeper", KEEPERS)
def test_a_first_installation_that_fails_is_stopped(keeper: Keeper) -> None:
    assert "hive stop" in plan(keeper).rollback[0].command
    assert all(step.may_fail for step in plan(keeper).rollback)


@pytest.mark.parametrize("keeper", KEEPERS)
def test_root_needs_no_sudo_and_others_never_a_password(keeper: Keeper) -> None:
    def lines(sudo: str) -> str:
        facts = machine(sudo=sudo)
        made = install_plan(layout(), facts, choice(keeper), wheels(), [], None)
        return "\n".join(step.command for step in made.switch)

    assert "sudo" not in lines("root").replace("sudo -n loginctl", "")
    assert lines("free").count("sudo") == lines("free").count("sudo -n")


@pytest.mark.parametrize("keeper", KEEPERS)
def test_every_command_is_sh(keeper: Keeper) -> None:
    doing = plan(keeper, before=installed(), wanted=Wanted(queen_url=QUEEN, key="k", token="t"))
    steps = [*doing.prepare, *doing.switch, *doing.finish, *doing.rollback]
    steps += uninstall_plan(layout(), machine(), installed(keeper=keeper), purge=True)
    for step in steps:
        checked = subprocess.run(
            ["/bin/sh", "-n", "-c", step.command], capture_output=True, check=False
        )
        assert checked.returncode == 0, step.command


def test_only_a_purge_takes_models_and_keys() -> None:
    def gone(*, purge: bool) -> str:
        return uninstall_plan(layout(), machine(), installed(), purge=purge)[-1].command

    assert gone(purge=False) == "rm -rf /home/ada/.local/lib/rbee"
    assert "/home/ada/.cache/rbee" in gone(purge=True)


def test_the_unit_starts_the_current_version_and_spares_the_workers() -> None:
    system = unit_text(layout(), "system", "ada")
    assert "User=ada\n" in system
    assert "ExecStart=/home/ada/.local/lib/rbee/current/bin/rbee hive run\n" in system
    assert "KillMode=process\n" in system
    assert "WantedBy=multi-user.target\n" in system
    user = unit_text(layout(), "user", "ada")
    assert "User=" not in user
    assert "WantedBy=default.target\n" in user


@pytest.mark.parametrize("value", ["it's", 'a"b', "a$b", "a\\b", "a\nb", "`id`"])
def test_settings_that_sh_and_systemd_read_differently_are_refused(value: str) -> None:
    with pytest.raises(InvalidRequest):
        settings_text(Wanted(queen_url=QUEEN, settings={"RBEE_HIVE_LABELS": value}))


def test_a_prefix_with_blanks_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="blanks"):
        layout_of("/home/a b", None)


@pytest.mark.parametrize(
    ("prefix", "whole"),
    [
        (None, "/home/ada/.local/lib/rbee"),
        ("/opt/rbee/", "/opt/rbee"),
        ("~/rbee", "/home/ada/rbee"),
        ("rbee", "/home/ada/rbee"),
    ],
)
def test_where_it_is_installed(prefix: str | None, whole: str) -> None:
    assert layout_of("/home/ada", prefix).prefix == whole


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1))
def test_a_word_is_one_word_to_the_shell(text: str) -> None:
    assert shlex.split(word(text)) == [text]


def test_the_settings_reach_the_command(tmp_path: Path) -> None:
    place = layout_of(str(tmp_path), "p")
    rbee = Path(place.rbee)
    rbee.parent.mkdir(parents=True)
    rbee.write_text('#!/bin/sh\necho "$RBEE_HIVE_LABELS|$*"\n')
    rbee.chmod(0o755)
    wanted = Wanted(queen_url=QUEEN, settings={"RBEE_HIVE_LABELS": "gpu, room 2"})
    Path(place.env_file).write_text(settings_text(wanted))
    said = subprocess.run(
        ["/bin/sh", "-c", status_command(place)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "gpu, room 2|hive status --json\n"


def test_missing_and_damaged_wheels_are_found(tmp_path: Path) -> None:
    brought = wheels()
    place = layout_of(str(tmp_path), "p")
    Path(place.wheels, brought.build).mkdir(parents=True)
    Path(place.wheels, "anyio-4.16.0-py3-none-any.whl").write_bytes(b"half of it")
    said = subprocess.run(
        ["/bin/sh", "-c", missing_command(place, "python3")],
        input=missing_question(brought),
        capture_output=True,
        check=True,
    )
    assert set(said.stdout.decode().split()) == set(named(brought))
