"""A network of hosts on one machine, and what befalls it: use as a context manager.

Hosts hang on one switch (10.77.0.0/24), or behind a NAT that lets nothing in (its hosts
are in 192.168.1.0/24, as at so many homes; several NATs use the same addresses). Each
fault is a context manager and is gone after its block.
"""

import contextlib
import random
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rbee.testing.hosts import files, sshd
from rbee.testing.hosts.host import Host, Keys
from rbee.testing.hosts.needs import NoHosts, missing, program
from rbee.testing.hosts.space import Space
from rbee.testing.hosts.switch import GATEWAY, NETWORK, Switch, Way

HOSTS_MAX: Final = 200  # the addresses of one switch
_FIRST_ADDRESS: Final = 10  # below it: the gateway, and room for a test's own
_PRIVATE: Final = "192.168.1"
_NAT_RULES: Final = """\
table inet nat {
  chain out { type nat hook postrouting priority 100; oifname "eth0" masquerade; }
  chain through { type filter hook forward priority 0; policy accept;
    iifname "eth0" ct state new drop; }
  chain here { type filter hook input priority 0; policy accept;
    iifname "eth0" ct state new drop; }
}
"""


class Nat:
    """A router of somebody's home: out with its own address, nothing in."""

    def __init__(self, name: str, space: Space, *, address: str, port: int) -> None:
        self.name = name
        self.space = space
        self.address = address
        self.port = port
        self.hosts = 0


class Lan:
    """Hosts, their switch, their NATs. ``folder`` is an empty directory, for homes and logs.

    Raises:
        NoHosts: this machine cannot; ``missing`` says so beforehand.
    """

    def __init__(self, folder: Path) -> None:
        lack = missing()
        if lack is not None:
            raise NoHosts(lack)
        self.folder = folder
        self._ending = contextlib.ExitStack()
        self._switch = Switch()
        self._ending.callback(self._switch.end)
        self._ports = 0
        self.hosts: list[Host] = []
        self._nats: dict[str, Nat] = {}
        self._seed = random.Random(0)  # noqa: S311  repeatable, and guards nothing
        key = folder / "id_ed25519"
        self.keys = Keys(key, sshd.make_key(key))

    def __enter__(self) -> Self:
        """Only a switch so far: ask for hosts."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every program of every host, and take everything down."""
        self._ending.close()

    def host(self, name: str, *, behind: str | None = None) -> Host:
        """A new host; ``behind`` names a NAT, which is made when it is first named.

        All hosts know each other's names (/etc/hosts), those behind a NAT as its address.

        Raises:
            NoHosts: it did not come up.
        """
        folder = self.folder / name
        folder.mkdir()
        script = files.mounts(name, folder / "home")
        space = Space(f"{script}\n{sshd.preparations(self.keys.public)}")
        self._ending.callback(space.end)
        if behind is None:
            port, address = self._plug(space)
            seen_as = address
        else:
            nat = self._nat(behind)
            address, seen_as, port = _attach(nat, space), nat.address, nat.port
        host = Host(name, space, folder, address=address, seen_as=seen_as, port=port)
        self.hosts.append(host)
        self._tell_names()
        return host

    def _plug(self, space: Space) -> tuple[int, str]:
        if self._ports >= HOSTS_MAX:
            raise NoHosts(f"no more than {HOSTS_MAX} hosts on one switch")
        self._ports += 1
        address = f"{NETWORK}.{_FIRST_ADDRESS + self._ports}"
        self._switch.plug(self._ports, space)
        _configure(space, "eth0", address, GATEWAY)
        return self._ports, address

    def _nat(self, name: str) -> Nat:
        if name not in self._nats:
            space = Space("ip link set lo up")
            self._ending.callback(space.end)
            port, address = self._plug(space)
            space.run([program("nft"), "-f", "-"], input=_NAT_RULES)
            space.ip(
                "link add inside type bridge forward_delay 0",
                "link set inside up",
                f"address add {_PRIVATE}.1/24 dev inside",
            )
            space.run(["/bin/sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])
            self._nats[name] = Nat(name, space, address=address, port=port)
        return self._nats[name]

    def _tell_names(self) -> None:
        for host in self.hosts:
            near = {other.name: other.seen_as for other in self.hosts} | {host.name: host.address}
            lines = [f"{address} {name}" for name, address in near.items()]
            text = "\n".join(["127.0.0.1 localhost", "::1 localhost", *lines, ""])
            host.path("/etc/hosts").write_text(text, encoding="utf-8")

    @contextlib.contextmanager
    def cut(
        self, one: Host, other: Host | None = None, *, one_way: bool = False
    ) -> Generator[None]:
        """No packet passes between two hosts (``other`` None: between one and all others).

        ``one_way``: only those from ``one`` are lost. Hosts behind the same NAT are cut
        together: the fault is on the line outside.
        """
        ways = _ways(one, other, one_way=one_way)
        self._switch.cut(*ways)
        try:
            yield
        finally:
            self._switch.mend(*ways)

    @contextlib.contextmanager
    def loss(
        self, share: float, one: Host, other: Host | None = None, *, one_way: bool = False
    ) -> Generator[None]:
        """This share (0 to 1) of the packets is lost, each way, at random."""
        ways = _ways(one, other, one_way=one_way)
        self._switch.lose(share, *ways)
        try:
            yield
        finally:
            self._switch.lose(0, *ways)

    @contextlib.contextmanager
    def delay(self, one_way_s: float, host: Host, *, jitter_s: float = 0.0) -> Generator[None]:
        """All of a host's packets are held for so long, each way; a round trip takes it twice."""
        self._switch.delay(host.port, one_way_s, jitter_s, self._seed.randrange(1 << 30))
        try:
            yield
        finally:
            self._switch.hasten(host.port)

    @contextlib.contextmanager
    def rate(self, mbit: float, host: Host) -> Generator[None]:
        """A host's line carries so many Mbit/s at most, each way."""
        end = next((nat.space for nat in self._nats.values() if nat.port == host.port), host.space)
        self._switch.narrow(host.port, end, mbit)
        try:
            yield
        finally:
            self._switch.narrow(host.port, end, None)


def _ways(one: Host, other: Host | None, *, one_way: bool) -> list[Way]:
    far = None if other is None else other.port
    out: Way = (one.port, far)
    back: Way = (far, one.port)
    return [out] if one_way else [out, back]


def _attach(nat: Nat, space: Space) -> str:
    """Put a space behind a NAT; gives its private address."""
    nat.hosts += 1
    address = f"{_PRIVATE}.{_FIRST_ADDRESS + nat.hosts}"
    device = f"in{nat.hosts}"
    nat.space.join(device, space, "eth0")
    nat.space.ip(f"link set {device} master inside up")
    _configure(space, "eth0", address, f"{_PRIVATE}.1")
    return address


def _configure(space: Space, device: str, address: str, gateway: str) -> None:
    space.ip(
        f"address add {address}/24 dev {device}",
        f"link set {device} up",
        f"route add default via {gateway}",
    )
