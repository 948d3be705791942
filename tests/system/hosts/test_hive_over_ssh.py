"""Hives put on other hosts over SSH: they join by a token over TLS, with and without rights there."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from rbee.testing.hosts import Daemon, Host, Lan
from rbee.testing.hosts.colony import KEY

pytestmark = pytest.mark.system

# Wheels are packed once for all runs, as the starter is fetched once.
CACHE = Path(os.environ.get("RBEE_TEST_CACHE") or Path(__file__).parents[3] / ".cache")
INSTALL_S = 300.0  # twenty seconds on a quiet machine of two cores

# What rbee uses of systemd, on a host that was not booted with it: enabled units run in a
# session of their own with their settings, and a stop sends TERM to the main process alone.
SYSTEMCTL = r"""#!/bin/sh
echo "$*" >>/run/systemctl.log
unit=/etc/systemd/system/rbee-hive.service pid=/run/rbee-hive.pid
stop() { [ -r $pid ] && kill "$(cat $pid)" 2>/dev/null; rm -f $pid; }
case $1 in
--user) exit 1 ;;
daemon-reload | enable | disable) ;;
stop) stop ;;
restart)
  stop
  set -a; . "$(sed -n 's/^EnvironmentFile=-//p' $unit)"; set +a
  user=$(sed -n 's/^User=//p' $unit)
  export HOME=$(getent passwd "$user" | cut -d: -f6)
  setsid setpriv --reuid "$user" --regid "$user" --init-groups \
    $(sed -n 's/^ExecStart=//p' $unit) >/run/hive.log 2>&1 </dev/null &
  echo $! >$pid ;;
*) exit 1 ;;
esac
"""


@pytest.fixture
def queen(lan: Lan) -> Host:
    """A host with a queen whom others reach, and the operator's key for SSH."""
    host = lan.host("queen")
    Daemon(host, "queen", key=KEY, bind="0.0.0.0").start()  # noqa: S104  a host of its own
    folder = host.home / ".ssh"
    folder.mkdir(exist_ok=True)
    key = folder / "id_ed25519"
    key.write_bytes(Path(lan.keys.private).read_bytes())
    key.chmod(0o600)
    return host


def rbee(host: Host, *words: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
    env = {"RBEE_API_KEY": KEY, "RBEE_CACHE_DIR": str(CACHE)}
    ran = host.rbee(*words, env=env, check=False, within_s=INSTALL_S)
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran


def test_an_account_without_rights_gets_a_hive_that_belongs_to_the_colony(
    lan: Lan, queen: Host
) -> None:
    box = lan.host("box")
    box.sshd()
    install = ["hive", "install", "--host", "bee@box", "--set", "scripted_engine=1"]
    refused = rbee(queen, *install, "--unit", "system", "--accept-new-host", code=1)
    assert "systemd" in refused.stderr

    done = json.loads(rbee(queen, *install, "--json").stdout)
    assert done["hive_id"] == "box"
    assert done["queen_url"] == f"https://{queen.address}:7833"
    member = json.loads(rbee(queen, "hive", "list", "--json").stdout)
    assert "box" in json.dumps(member)
    assert rbee(queen, "infer", "-m", "scripted", "Say hi").stdout.strip()

    # Neither the token nor the colony's key is anywhere on that host.
    found = box.run(["grep", "-rlE", f"{KEY}|rbee1\\.", "/home/bee"], check=False).stdout.split()
    assert not [path for path in found if "/lib/python" not in path and "/wheels/" not in path]
    rbee(queen, "hive", "uninstall", "--host", "bee@box", "--purge")


def test_root_gets_a_system_service(lan: Lan, queen: Host) -> None:
    box = lan.host("box")
    box.sshd()
    box.run(["sh", "-c", "cat >/usr/local/bin/systemctl"], input=SYSTEMCTL)
    box.run(["chmod", "755", "/usr/local/bin/systemctl"])
    box.run(["mkdir", "-p", "/run/systemd/system"])
    box.run(["systemctl", "daemon-reload"])

    done = json.loads(
        rbee(queen, "hive", "install", "--host", "box", "--accept-new-host", "--json",
             "--set", "scripted_engine=1").stdout
    )  # fmt: skip
    assert done["keeper"] == "system"
    unit = box.run(["cat", "/etc/systemd/system/rbee-hive.service"]).stdout
    assert "User=root" in unit
    assert json.loads(rbee(queen, "hive", "status", "--host", "box", "--json").stdout)["running"]
    rbee(queen, "hive", "stop", "--host", "box")
    rbee(queen, "hive", "status", "--host", "box", code=3)
    rbee(queen, "hive", "start", "--host", "box")
    rbee(queen, "hive", "uninstall", "--host", "box")
    asked = box.run(["cat", "/run/systemctl.log"]).stdout
    for words in ("enable rbee-hive.service", "restart rbee-hive.service", "disable rbee-hive"):
        assert words in asked
    gone = box.run(["ls", "/etc/systemd/system/rbee-hive.service"], check=False)
    assert gone.returncode != 0


def test_a_queen_behind_closed_doors_is_told(lan: Lan) -> None:
    host = lan.host("queen")
    Daemon(host, "queen", key=KEY).start()  # on 127.0.0.1 alone
    key = host.home / ".ssh" / "id_ed25519"
    key.parent.mkdir(exist_ok=True)
    key.write_bytes(Path(lan.keys.private).read_bytes())
    key.chmod(0o600)
    box = lan.host("box")
    box.sshd()
    said = rbee(host, "hive", "install", "--host", "bee@box", "--accept-new-host", code=1).stderr
    assert f"does not reach the queen: http://{host.address}:7833 refuses" in said
    assert "--bind 0.0.0.0" in said
    assert box.run(["ls", "/home/bee"]).stdout == ""
