"""The test hosts themselves: they are apart, their faults are what they say, and they end."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from rbee.testing.hosts import Host, Lan
from rbee.testing.hosts.switch import rules
from rbee.testing.waiting import until_now

SSH = 22
ECHO = 5000
# Sends back what it gets, one connection after the other.
ECHO_PROGRAM = """
import socket
server = socket.create_server(("0.0.0.0", 5000))
while True:
    line, _ = server.accept()
    while piece := line.recv(65536):
        line.sendall(piece)
    line.close()
"""


def echo(host: Host) -> Host:
    host.start(["python3", "-c", ECHO_PROGRAM], log="echo.log")
    until_now(lambda: host.reaches("127.0.0.1", ECHO))
    return host


def dial(host: Host, to: Host) -> socket.socket:
    with host.network():
        return socket.create_connection((to.seen_as, ECHO), timeout=5)


def round_trip_s(line: socket.socket) -> float:
    started = time.monotonic()
    line.sendall(b"?")
    assert line.recv(1) == b"?"
    return time.monotonic() - started


def test_hosts_are_apart_in_all_but_the_network(lan: Lan) -> None:
    one, two = lan.host("one"), lan.host("two")
    for host in (one, two):
        assert host.run(["cat", "/etc/hostname", "/proc/sys/kernel/hostname"]).stdout == (
            f"{host.name}\n{host.name}\n"
        )
    one.run(["useradd", "-m", "keeper-of-one"])
    for place in ("/etc/mark", "/var/mark", "/home/root/mark", "/tmp/mark", "/run/mark"):  # noqa: S108  the hosts' own
        one.run(["touch", place])
        assert not two.path(place).exists()
        assert not Path(place).exists()
    assert "keeper-of-one" not in two.run(["cat", "/etc/passwd"]).stdout
    assert not one.path("/run/systemd").exists()
    seen = one.run(["sh", "-c", "ls -d /proc/[0-9]* | wc -l"]).stdout
    assert int(seen) < 10
    assert one.run(["getent", "hosts", "two"]).stdout.split() == [two.address, "two"]


def test_a_host_behind_a_nat_reaches_out_and_nothing_reaches_in(lan: Lan) -> None:
    outside = echo(lan.host("outside"))
    inside = echo(lan.host("inside", behind="home"))
    neighbour = lan.host("neighbour", behind="home")
    other = lan.host("other", behind="another-home")
    assert inside.address != inside.seen_as == neighbour.seen_as
    assert other.address == inside.address  # so many homes have the same addresses
    line = dial(inside, outside)
    assert line.getpeername()[0] == outside.address
    assert round_trip_s(line) < 1
    line.close()
    for host in (outside, other):
        assert not host.reaches(inside.seen_as, ECHO)
    assert not outside.reaches(inside.address, ECHO)  # silent, as any foreign private address
    assert neighbour.reaches(inside.address, ECHO)


def test_a_cut_drops_what_it_should_and_mends(lan: Lan) -> None:
    one, two, third = lan.host("one"), echo(lan.host("two")), lan.host("third")
    with dial(one, two) as line:
        with lan.cut(one, two):
            assert not one.reaches(two.address, ECHO)
            assert third.reaches(two.address, ECHO)
            line.settimeout(0.3)
            line.sendall(b"?")
            with pytest.raises(TimeoutError):
                line.recv(1)
        line.settimeout(5)
        assert line.recv(1) == b"?"  # TCP sends again: an open line outlives the cut
        with lan.cut(two, one, one_way=True):
            line.sendall(b"?")  # arrives there; the answer does not arrive here
            line.settimeout(0.3)
            with pytest.raises(TimeoutError):
                line.recv(1)
        line.settimeout(5)
        assert line.recv(1) == b"?"
        with lan.cut(two):
            assert not third.reaches(two.address, ECHO)


def test_a_slow_line_takes_its_time_and_keeps_the_order(lan: Lan) -> None:
    one, two = lan.host("one"), echo(lan.host("two"))
    with dial(one, two) as line:
        assert round_trip_s(line) < 0.1
        with lan.delay(0.15, two, jitter_s=0.01):
            assert 0.28 < round_trip_s(line) < 2
        assert round_trip_s(line) < 0.25


def test_a_lossy_line_loses_and_tcp_mends_it(lan: Lan) -> None:
    one, two = lan.host("one"), lan.host("two")
    with one.network():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with two.network():
        receiver = socket.create_server((two.address, 0), family=socket.AF_INET)
        port = receiver.getsockname()[1]
        receiver.close()
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ear.bind((two.address, port))
    ear.settimeout(0.3)
    with sender, ear, lan.loss(0.3, two):
        for _ in range(500):
            sender.sendto(b"?", (two.address, port))
        arrived = 0
        with contextlib.suppress(TimeoutError):
            while ear.recv(1):
                arrived += 1
    assert 250 < arrived < 450


def test_a_narrow_line_carries_no_more_than_it_should(lan: Lan) -> None:
    one, two = lan.host("one"), echo(lan.host("two"))
    with lan.rate(4, two), dial(one, two) as line:
        size_bytes = 400_000  # 0.8 s at 4 Mbit/s, less the bucket
        started = time.monotonic()
        line.sendall(bytes(size_bytes))
        line.shutdown(socket.SHUT_WR)
        received = 0
        while piece := line.recv(65536):
            received += len(piece)
        took_s = time.monotonic() - started
    assert received == size_bytes
    assert 0.6 < took_s < 5


def test_sshd_lets_the_key_in_and_nothing_else(lan: Lan) -> None:
    laptop, server = lan.host("laptop"), lan.host("server")
    server.sshd()
    key = laptop.home / "key"
    key.write_text(lan.keys.private.read_text())
    key.chmod(0o600)
    (laptop.home / "known").write_text(f"server {server.host_key()}\n")
    ssh = ["ssh", "-o", "UserKnownHostsFile=/home/root/known", "-o", "BatchMode=yes"]
    for user in ("root", "bee"):
        said = laptop.run([*ssh, "-i", "/home/root/key", f"{user}@server", "whoami; hostname"])
        assert said.stdout == f"{user}\nserver\n"
    refused = laptop.run([*ssh, "bee@server", "true"], check=False)
    assert refused.returncode == 255
    assert laptop.open_ports(server.address, range(1, 1024)) == {SSH}


KILLED = """
import sys, time
from pathlib import Path
from rbee.testing.hosts import Lan

with Lan(Path(sys.argv[1])) as lan:
    one, two = lan.host("one"), lan.host("two", behind="home")
    one.sshd()
    sleeper = two.start(["sleep", "1000"], log="sleep.log")
    with lan.delay(0.1, one):
        print(one.space.pid, two.space.pid, sleeper.pid, flush=True)
        time.sleep(1000)
"""


def test_nothing_is_left_of_a_test_that_was_killed(lan: Lan, tmp_path: Path) -> None:
    assert lan.hosts == []  # the fixture only says whether this machine can
    (tmp_path / "killed").mkdir()
    before = {link.name for link in Path("/sys/class/net").iterdir()}
    test = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path / "killed"], stdout=subprocess.PIPE, text=True
    )
    assert test.stdout is not None
    pids = [int(word) for word in test.stdout.readline().split()]
    test.stdout.close()
    assert len(pids) == 3
    spaces = {Path(f"/proc/{pid}/ns/pid").readlink() for pid in pids[:2]}
    test.send_signal(signal.SIGKILL)
    test.wait()
    until_now(lambda: not any(psutil.pid_exists(pid) for pid in pids))
    assert not spaces & set(_spaces())
    assert {link.name for link in Path("/sys/class/net").iterdir()} == before
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    assert str(tmp_path / "killed") not in mounts


def _spaces() -> list[Path]:
    found: list[Path] = []
    for process in psutil.process_iter():
        try:
            found.append(Path(f"/proc/{process.pid}/ns/pid").readlink())
        except OSError:
            continue
    return found


def test_rules_name_both_ends_of_a_line() -> None:
    text = rules({(1, 2)}, {(None, 3): 0.1})
    assert 'iifname { "port1", "far1" } oifname { "port2", "far2" } ether type ip drop' in text
    assert 'oifname { "port3", "far3" } ether type ip numgen random mod 1000 < 100 drop' in text
    assert text.startswith("table bridge wire\ndelete table bridge wire\n")
