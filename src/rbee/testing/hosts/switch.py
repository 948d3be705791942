"""The switch between hosts: a bridge in a space of its own, and what it does to their lines.

Every host hangs on a port. What passes from port to port is decided by one nftables table,
written anew as a whole at each change (``rules``, pure), so that a change is one atomic step.
Rates are token buckets at both ends of a line; delay is a line in user space, put between
the host's port and the bridge.
"""

import select
import subprocess
import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

from rbee.testing.hosts import slow_line
from rbee.testing.hosts.needs import NoHosts, program
from rbee.testing.hosts.space import Space

Way: TypeAlias = tuple[int | None, int | None]
"""From a port to a port; None: any. Packets of that direction."""

NETWORK: Final = "10.77.0"  # private, and nobody's habit; each Lan has it for itself
GATEWAY: Final = f"{NETWORK}.1"
"""The way out for hosts. It leads nowhere, silently, as a foreign private address does."""
_START_WITHIN_S: Final = 10.0  # Python starts in a tenth of a second
# A burst holds one packet as the kernel hands it over (64 KiB); what waits longer than
# this is dropped, as a home router drops it.
_BURST: Final = "64kb"
_QUEUE: Final = "400ms"


def rules(cuts: AbstractSet[Way], losses: Mapping[Way, float]) -> str:
    """The table for these cuts and losses (0 to 1); replaces the one before it.

    Only IP is cut: the hosts go on knowing each other's Ethernet addresses, so what is
    sent into a cut line vanishes without an error, as in the middle of a network.
    """
    lines = [f"{_between(way)} ether type ip drop" for way in sorted(cuts, key=str)]
    for way, share in sorted(losses.items(), key=str):
        lines.append(
            f"{_between(way)} ether type ip numgen random mod 1000 < {round(share * 1000)} drop"
        )
    chain = "\n".join(f"    {line}" for line in lines)
    return (
        "table bridge wire\ndelete table bridge wire\ntable bridge wire {\n"
        f"  chain pass {{\n    type filter hook forward priority 0; policy accept;\n{chain}\n  }}\n}}\n"
    )


def _between(way: Way) -> str:
    words: list[str] = []
    for number, which in zip(way, ("iifname", "oifname"), strict=True):
        if number is not None:
            words.append(f'{which} {{ "{port(number)}", "{_far(number)}" }}')
    return " ".join(words)


def port(number: int) -> str:
    """The name of the port in the switch's space."""
    return f"port{number}"


def _far(number: int) -> str:
    """The end of a slow line that is plugged into the bridge instead of the port."""
    return f"far{number}"


class Switch:
    """The bridge, its ports and their faults."""

    def __init__(self) -> None:
        self.space = Space("ip link set lo up")
        self._cuts: set[Way] = set()
        self._losses: dict[Way, float] = {}
        self._delayed: dict[int, subprocess.Popen[bytes]] = {}
        # No snooping: a switch without a querier would forget who listens to mDNS.
        self.space.ip(
            "link add wire type bridge mcast_snooping 0 forward_delay 0",
            "link set wire up",
            f"address add {GATEWAY}/24 dev wire",
        )

    def plug(self, number: int, space: Space) -> None:
        """Give a space a device ``eth0`` whose other end is this port."""
        name = port(number)
        self.space.join(name, space, "eth0")
        self.space.ip(f"link set {name} master wire up")

    def cut(self, *ways: Way) -> None:
        """Drop everything on these ways."""
        self._cuts.update(ways)
        self._apply()

    def mend(self, *ways: Way) -> None:
        """Let everything pass again."""
        self._cuts.difference_update(ways)
        self._apply()

    def lose(self, share: float, *ways: Way) -> None:
        """Drop this share (0 to 1) of the packets on these ways; 0 ends it."""
        for way in ways:
            if share:
                self._losses[way] = share
            else:
                self._losses.pop(way, None)
        self._apply()

    def _apply(self) -> None:
        self.space.run([program("nft"), "-f", "-"], input=rules(self._cuts, self._losses))

    def narrow(self, number: int, space: Space, mbit: float | None) -> None:
        """Limit a line to so many Mbit/s each way; None takes the limit away."""
        for where, device in ((self.space, port(number)), (space, "eth0")):
            tc = [program("tc"), "qdisc"]
            if mbit is None:
                where.run([*tc, "del", "dev", device, "root"])
                continue
            bucket = ["tbf", "rate", f"{round(mbit * 1000)}kbit", "burst", _BURST]
            where.run([*tc, "replace", "dev", device, "root", *bucket, "latency", _QUEUE])

    def delay(self, number: int, delay_s: float, jitter_s: float, seed: int) -> None:
        """Hold every frame of a line for so long, each way; once for each line.

        Raises:
            NoHosts: the slow line did not start.
        """
        near, far, aside = f"near{number}", _far(number), f"aside{number}"
        self.space.ip(
            f"tuntap add {near} mode tap",
            f"tuntap add {far} mode tap",
            f"link add {aside} type bridge mcast_snooping 0 forward_delay 0",
            f"link set {aside} up",
            f"link set {near} master {aside} up",
            f"link set {far} master wire up",
        )
        argv = [sys.executable, "-I", "-S", slow_line.__file__, near, far]
        process = subprocess.Popen(
            self.space.entering([*argv, str(delay_s), str(jitter_s), str(seed)]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self._delayed[number] = process
        assert process.stdout is not None  # noqa: S101  it was asked for above
        ready, _, _ = select.select([process.stdout], [], [], _START_WITHIN_S)
        if not ready or process.stdout.readline() != slow_line.READY:
            raise NoHosts("the slow line did not start")
        self.space.ip(f"link set {port(number)} master {aside}")

    def hasten(self, number: int) -> None:
        """Take the slow line out again; what was on its way is lost."""
        names = (f"near{number}", _far(number), f"aside{number}")
        self.space.ip(
            f"link set {port(number)} master wire", *(f"link delete {name}" for name in names)
        )
        _bury(self._delayed.pop(number))

    def end(self) -> None:
        """Take it down with all its lines."""
        self.space.end()
        for process in self._delayed.values():
            _bury(process)


def _bury(process: "subprocess.Popen[bytes]") -> None:
    process.wait(_START_WITHIN_S)
    if process.stdout is not None:
        process.stdout.close()
