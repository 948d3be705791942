"""Logging in to a real sshd: keys and agents, known hosts, jumps, and every way in which it fails."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from rbee.errors import InvalidRequest
from rbee.remote import ssh
from rbee.remote.ssh import SESSIONS_MAX, SshHost, log_in
from rbee.remote.troubles import HostNotTrusted, HostUnreachable, LoginRefused
from rbee.remote.trust import Trust
from rbee.testing.listening import listening
from rbee.testing.sshd import NoSshd, Server, sshd
from rbee.testing.workers import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.system]

ANYBODY = Trust(accept_new=True)
NOBODY = Trust()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's own."""
    home = tmp_path / "operator"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return home


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with _sshd(tmp_path / "server") as server:
        yield server


@contextlib.contextmanager
def _sshd(folder: Path, lines: str = "") -> Iterator[Server]:
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(sshd(folder, lines=lines))
        except NoSshd as error:
            pytest.skip(str(error))
        yield server


def configure(home: Path, *blocks: str) -> None:
    (home / ".ssh" / "config").write_text("\n".join(blocks))


async def test_a_new_machine_is_shown_accepted_and_then_known(home: Path, server: Server) -> None:
    configure(home, server.config("box"))
    with pytest.raises(HostNotTrusted) as caught:
        await log_in("box", NOBODY)
    assert server.fingerprint in caught.value.message
    assert f"--fingerprint {server.fingerprint}" in caught.value.remedy
    asked: list[tuple[str, str]] = []

    def ask(name: str, fingerprint: str) -> bool:
        asked.append((name, fingerprint))
        return True

    async with await log_in("box", Trust(ask=ask)) as host:
        assert (await host.run("echo $HOME")).out.strip() == str(server.home)
    assert asked == [("box", server.fingerprint)]
    assert (home / ".ssh" / "known_hosts").read_text() == server.known_line
    async with await log_in("box", NOBODY):
        pass


async def test_a_wrong_fingerprint_is_refused_whatever_else_is_said(
    home: Path, server: Server
) -> None:
    configure(home, server.config("box"))
    with pytest.raises(HostNotTrusted, match="and not SHA256:other"):
        await log_in("box", Trust(fingerprint="SHA256:other", accept_new=True))
    assert not (home / ".ssh" / "known_hosts").exists()


async def test_a_changed_key_is_refused_whatever_the_flags_and_the_config_say(
    home: Path, server: Server, tmp_path: Path
) -> None:
    with _sshd(tmp_path / "other") as other:
        changed = other.known_line.replace(f":{other.port} ", f":{server.port} ")
    (home / ".ssh" / "known_hosts").write_text(changed)
    for more in ("", "  StrictHostKeyChecking no\n", "  UserKnownHostsFile none\n"):
        configure(home, server.config("box", more))
        with pytest.raises(HostNotTrusted) as caught:
            await log_in("box", ANYBODY)
        assert "another key" in caught.value.message
        assert server.fingerprint in caught.value.message
        assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in caught.value.remedy


async def test_a_refused_key_says_which_account_and_what_to_do(
    home: Path, server: Server, tmp_path: Path
) -> None:
    with _sshd(tmp_path / "other") as other:
        configure(home, server.config("box").replace(str(server.key), str(other.key)))
    with pytest.raises(LoginRefused) as caught:
        await log_in("box", ANYBODY)
    assert f"{server.user}@box" in caught.value.message
    assert "ssh-copy-id" in caught.value.remedy


async def test_a_locked_key_is_named_and_works_through_an_agent(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home, server.config("box").replace(f"  IdentityFile {server.key}\n", ""))
    locked = home / ".ssh" / "id_ed25519"
    shutil.copy(server.key, locked)
    _run("ssh-keygen", "-q", "-p", "-N", "a phrase", "-f", str(locked))
    with pytest.raises(LoginRefused) as caught:
        await log_in("box", ANYBODY)
    assert f"{locked} has a passphrase" in caught.value.message
    assert f"ssh-add {locked}" in caught.value.remedy
    said = _run("ssh-agent", "-s")
    agent = dict(word.split("=", 1) for word in said.replace("\n", ";").split(";") if "=" in word)
    monkeypatch.setenv("SSH_AUTH_SOCK", agent["SSH_AUTH_SOCK"])
    try:
        _run("ssh-add", "-q", str(server.key))
        async with await log_in("box", NOBODY) as host:
            assert (await host.run("true")).ok
    finally:
        os.kill(int(agent["SSH_AGENT_PID"]), 15)


async def test_nobody_of_this_name(home: Path) -> None:
    with pytest.raises(HostUnreachable) as caught:
        await log_in("no-such-machine.invalid", ANYBODY)
    assert "no machine called no-such-machine.invalid" in caught.value.message
    assert "HostName" in caught.value.remedy
    assert not (home / ".ssh" / "known_hosts").exists()


@pytest.mark.usefixtures("home")
async def test_nobody_listens() -> None:
    with pytest.raises(HostUnreachable, match="refuses connections") as caught:
        await log_in(f"127.0.0.1:{free_port()}", ANYBODY)
    assert "systemctl enable --now ssh" in caught.value.remedy


@pytest.mark.usefixtures("home")
async def test_somebody_who_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "CONNECT_S", 0.3)

    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(silent) as port:
        with pytest.raises(HostUnreachable, match="does not answer within"):
            await log_in(f"127.0.0.1:{port}", ANYBODY)


async def test_a_config_that_cannot_be_read(home: Path) -> None:
    configure(home, "Host box\n  Port eleven\n")
    with pytest.raises(InvalidRequest, match="ssh/config"):
        await log_in("box", ANYBODY)


async def test_a_jump_is_made_and_trusted_on_its_own(
    home: Path, server: Server, tmp_path: Path
) -> None:
    with _sshd(tmp_path / "jump") as jump:
        configure(home, jump.config("gate"), server.config("box", "  ProxyJump gate\n"))
        (home / ".ssh" / "known_hosts").write_text(server.known_line)
        with pytest.raises(HostNotTrusted, match="gate is not known"):
            await log_in("box", NOBODY)
        async with await log_in("box", ANYBODY) as host:
            assert (await host.run("echo $HOME")).out.strip() == str(server.home)
        assert jump.known_line in (home / ".ssh" / "known_hosts").read_text()


async def test_a_jump_that_does_not_lead_on(home: Path, server: Server, tmp_path: Path) -> None:
    with _sshd(tmp_path / "jump", "AllowTcpForwarding no\n") as jump:
        configure(home, jump.config("gate"), server.config("box", "  ProxyJump gate\n"))
        with pytest.raises(HostUnreachable, match="failed"):
            await log_in("box", ANYBODY)


async def test_the_config_gives_a_machine_another_name_in_known_hosts(
    home: Path, server: Server
) -> None:
    configure(home, server.config("box", "  HostKeyAlias the-box\n"))
    async with await log_in("box", ANYBODY):
        pass
    assert (home / ".ssh" / "known_hosts").read_text().startswith("the-box ssh-ed25519 ")
    async with await log_in("box", NOBODY):
        pass


async def test_commands_their_input_and_their_end(home: Path, server: Server) -> None:
    async with await _box(home, server) as host:
        done = await host.run("cat; echo oops >&2; exit 7", b"hello")
        assert (done.status, done.out, done.err, done.last_words) == (7, "hello", "oops\n", "oops")
        big = b"x" * 5_000_000
        assert (await host.run("wc -c", big)).out.strip() == "5000000"
        assert (await host.run("exit 3", big)).status == 3  # it reads nothing of it
        assert (await host.run("printf '%s' \"it's $((1 + 1))\"")).out == "it's 2"
        slow = await host.run("sleep 30", within_s=0.2)
        assert slow.status == 124
        assert "longer" in slow.last_words
        assert (await host.run("kill -9 $$")).status != 0


async def test_never_more_sessions_than_a_machine_lets_in(home: Path, tmp_path: Path) -> None:
    with _sshd(tmp_path / "server", f"MaxSessions {SESSIONS_MAX}\n") as server:
        async with await _box(home, server) as host, anyio.create_task_group() as tasks:
            done: list[str] = []

            async def one(number: int) -> None:
                done.append((await host.run(f"sleep 0.02; echo {number}")).out.strip())

            for number in range(3 * SESSIONS_MAX):
                tasks.start_soon(one, number)
        assert sorted(map(int, done)) == list(range(3 * SESSIONS_MAX))


async def test_a_lost_machine_is_told(home: Path, server: Server) -> None:
    async with await _box(home, server) as host:
        with pytest.raises(HostUnreachable, match="was lost"):
            await host.run("kill -9 $PPID; sleep 5")


async def _box(home: Path, server: Server) -> SshHost:
    configure(home, server.config("box"))
    return await log_in("box", ANYBODY)


def _run(program: str, *words: str) -> str:
    path = shutil.which(program)
    assert path is not None
    return subprocess.run([path, *words], capture_output=True, text=True, check=True).stdout
