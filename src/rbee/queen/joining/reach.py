"""Where other machines reach the queen: the addresses that stand in the line to paste."""

import ipaddress
from collections.abc import Iterable


def urls(hosts: Iterable[str], port: int, outward: str | None) -> list[str]:
    """URLs (https) for the names and addresses of a server, the likeliest first. Pure.

    ``outward`` is the machine's address on its way out: machines have bridges and tunnels
    whose addresses nobody else can use.
    """
    ranked: list[tuple[int, str, str]] = []
    for host in hosts:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            if host != "localhost":
                ranked.append((2, host, host))
            continue
        if address.is_loopback or address.is_unspecified or address.is_link_local:
            continue
        rank = 0 if host == outward else 1 if address.version == 4 else 3  # noqa: PLR2004  IPv4
        ranked.append((rank, host, f"[{host}]" if address.version == 6 else host))  # noqa: PLR2004  IPv6
    return [f"https://{shown}:{port}" for _rank, _host, shown in sorted(ranked)]
