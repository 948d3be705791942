"""How a hive is started, stopped and kept running on its machine: commands only. Pure.

Three keepers (``layout.Keeper``): the system's systemd, the user's, or nobody. The
rule: whoever it is, stopping asks the hive itself first, so that requests finish;
and a restart leaves the workers to the next hive.
"""

from typing import Final

from rbee.remote.layout import SYSTEM_UNIT, UNIT, Installed, Keeper, Layout, word
from rbee.remote.step import Step

STOP_S: Final = 150.0  # a drain may take 120 s (wire.md), and a little for the rest
START_S: Final = 60.0  # half a second usually; a first start compiles and probes every engine
_SESSION: Final = "XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"


def unit_text(layout: Layout, keeper: Keeper, user: str) -> str:
    """The unit file: restarted when it fails, its workers left alone."""
    account = f"User={user}\n" if keeper == "system" else ""
    wanted = "multi-user.target" if keeper == "system" else "default.target"
    return (
        "# Written by `rbee hive install`; its settings are in the file named below.\n"
        "[Unit]\n"
        "Description=rbee hive: devices, models and workers of this machine\n"
        "Wants=network-online.target\n"
        "After=network-online.target\n"
        "StartLimitIntervalSec=0\n"
        "\n"
        "[Service]\n"
        f"{account}"
        f"EnvironmentFile=-{layout.env_file}\n"
        f"ExecStart={layout.rbee} hive run\n"
        "# TERM lets the workers live for the next hive; they have limits of their own.\n"
        "KillMode=process\n"
        "Restart=on-failure\n"
        "RestartSec=2\n"
        "TimeoutStopSec=30\n"
        "Delegate=yes\n"
        "OOMScoreAdjust=-100\n"
        "\n"
        "[Install]\n"
        f"WantedBy={wanted}\n"
    )


def install_steps(layout: Layout, keeper: Keeper, user: str, sudo: str) -> list[Step]:
    """Bring the unit to where its systemd finds it; nothing for a plain process."""
    if keeper == "process":
        return []
    text = unit_text(layout, keeper, user).encode()
    if keeper == "system":
        unit = word(SYSTEM_UNIT)
        return [
            Step(what="writing the service", command=f"{sudo}tee {unit} >/dev/null", stdin=text),
            Step(what="enabling the service", command=f"{_ctl(keeper, sudo)} daemon-reload"),
            Step(what="enabling the service", command=f"{_ctl(keeper, sudo)} enable {UNIT}"),
        ]
    unit = word(layout.user_unit)
    folder = word(layout.user_unit.rpartition("/")[0])
    return [
        Step(what="writing the service", command=f"mkdir -p {folder} && cat >{unit}", stdin=text),
        Step(what="enabling the service", command=f"{_ctl(keeper, sudo)} daemon-reload"),
        Step(what="enabling the service", command=f"{_ctl(keeper, sudo)} enable {UNIT}"),
        Step(
            what="letting the service live without a login",
            command=f"loginctl enable-linger || {sudo or 'sudo -n '}loginctl enable-linger {word(user)}",
            may_fail="The hive ends when the last login ends: `sudo loginctl enable-linger "
            f"{user}` on that machine changes that.",
        ),
    ]


def start_steps(layout: Layout, keeper: Keeper, sudo: str) -> list[Step]:
    """Start it, or restart it with its workers left alone; return when it answers."""
    if keeper == "process":
        rbee = word(layout.rbee)
        line = f"{rbee} hive stop --keep-workers && {rbee} hive start"
        return [
            Step(
                what="starting the hive",
                command=with_settings(layout, line),
                within_s=START_S + STOP_S,
            )
        ]
    return [
        Step(what="starting the hive", command=f"{_ctl(keeper, sudo)} restart {UNIT}"),
        Step(
            what="waiting for the hive to answer",
            command=with_settings(layout, _until_it_answers(layout)),
            within_s=START_S + 5,
        ),
    ]


def stop_steps(layout: Layout, keeper: Keeper, sudo: str, *, keep_workers: bool) -> list[Step]:
    """Ask the hive to end, then tell its keeper."""
    more = " --keep-workers" if keep_workers else ""
    ask = Step(
        what="stopping the hive",
        command=with_settings(layout, f"{word(layout.rbee)} hive stop{more}"),
        within_s=STOP_S,
    )
    if keeper == "process":
        return [ask]
    return [ask, Step(what="stopping the service", command=f"{_ctl(keeper, sudo)} stop {UNIT}")]


def remove_steps(layout: Layout, keeper: Keeper, sudo: str) -> list[Step]:
    """Take the unit away."""
    if keeper == "process":
        return []
    ctl = _ctl(keeper, sudo)
    unit = f"{sudo}rm -f {SYSTEM_UNIT}" if keeper == "system" else f"rm -f {word(layout.user_unit)}"
    return [
        Step(what="removing the service", command=f"{ctl} disable {UNIT}"),
        Step(what="removing the service", command=unit),
        Step(what="removing the service", command=f"{ctl} daemon-reload"),
    ]


def status_command(layout: Layout) -> str:
    """Ask the installed rbee about its hive; JSON on stdout."""
    return with_settings(layout, f"{word(layout.rbee)} hive status --json")


def log_command(layout: Layout, installed: Installed, sudo: str) -> str:
    """The hive's last words, wherever its keeper puts them."""
    if installed.keeper == "process":
        return with_settings(layout, f"{word(layout.rbee)} logs hive | tail -n 5")
    scope = "" if installed.keeper == "system" else "--user "
    return f"{sudo}journalctl {scope}-u {UNIT} -n 5 -o cat --no-pager"


def sudo_prefix(sudo: str) -> str:
    """What stands before a command that needs root; never asks for a password."""
    return "" if sudo == "root" else "sudo -n "


def with_settings(layout: Layout, line: str) -> str:
    """The line with the hive's settings in its environment, as the unit has them."""
    file = word(layout.env_file)
    return f"set -a; [ ! -r {file} ] || . {file}; set +a; {line}"


def _until_it_answers(layout: Layout) -> str:
    """Look twice a second; the status is that of the last look."""
    return (
        f"n=0; until {word(layout.rbee)} hive status; do "
        f"n=$((n + 1)); [ $n -lt {int(START_S * 2)} ] || exit 1; sleep 0.5; done"
    )


def _ctl(keeper: Keeper, sudo: str) -> str:
    return f"{sudo}systemctl" if keeper == "system" else f"{_SESSION} systemctl --user"
