"""``rbee hive join`` on the new machine; ``token pending approve reject revoke list`` beside the queen.

The two sides of one thing: an operator makes a token and pastes the line that is shown, or the
new machine asks without one and the operator approves it by the code that both show. A
token is taken from stdin (``--token -``) or RBEE_JOIN_TOKEN too, where argv is seen by others.
"""

import os
import socket
import sys
import time
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from rbee import __version__
from rbee.client.discovery import FoundQueen, find_queens
from rbee.client.join import Pending, Wish, secured
from rbee.client.join import join as join_colony
from rbee.client.joining import JoiningClient
from rbee.client.queen import QueenClient
from rbee.contracts.joining import JoinTokenWish, Member
from rbee.errors import Conflict, InvalidRequest, QueenUnreachable
from rbee.foundation import config
from rbee.foundation.announcements import find_announced
from rbee.foundation.hive_id import hive_dir, keep_hive_id, stable_hive_id
from rbee.foundation.trust import key_for
from rbee.keeper.addresses import address_of
from rbee.keeper.cli.keys import seconds_of
from rbee.keeper.cli.options import JsonFlag, QueenFlag
from rbee.keeper.login import queen_elsewhere
from rbee.keeper.screen import note, out, out_json, out_table
from rbee.keeper.units import UNKNOWN, duration_text
from rbee.keeper.urls import as_url

TOKEN_VARIABLE: Final = "RBEE_JOIN_TOKEN"  # noqa: S105  a variable's name

_TOKEN_CHARS_MAX: Final = 1024  # of stdin: a token has 128, and blanks around it are forgiven
_LOOK_S: Final = 3.0  # queens answer within a second; a sleepy access point takes two

CodeFlag = Annotated[
    str | None, Parameter(help="The code that the hive shows; refuses any other one.")
]
Name = Annotated[str, Parameter(help="The hive's id, or the code that it shows.")]


class JoinDone(msgspec.Struct, kw_only=True):
    """``rbee hive join --json``."""

    hive_id: str
    queen_url: str
    ca_fingerprint: str
    expires_at: float


async def join(
    url: Annotated[
        str | None, Parameter(help="The queen's address; without one this network is searched.")
    ] = None,
    /,
    *,
    token: Annotated[
        str | None,
        Parameter(
            help="From `rbee hive token`; `-` reads it from stdin. Also RBEE_JOIN_TOKEN.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    hive_id: Annotated[
        str | None, Parameter(name="--hive-id", help="This hive's name; else the host's name.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Make this machine's hive a member of a colony."""
    name = hive_id or stable_hive_id(config.one("hive", "hive_id", str, "") or None, hive_dir())
    shown = _token(token)
    found = await _discovered() if url is None else None
    wish = Wish(
        url=as_url(url, param="URL") if found is None and url else (found.url if found else ""),
        hive_id=name,
        token=shown,
        hostname=socket.gethostname(),
        version=__version__,
        ca_fingerprint=None if found is None or shown else found.ca_fingerprint,
    )
    with queen_elsewhere():
        identity = await join_colony(wish, _ask_for_approval)
    if hive_id:
        keep_hive_id(hive_id, hive_dir())
    peer = identity.peer
    done = JoinDone(
        hive_id=peer.id,
        queen_url=secured(wish.url),
        ca_fingerprint=identity.ca_fingerprint,
        expires_at=peer.not_after,
    )
    if json:
        out_json(done)
    else:
        out(f"{peer.id} belongs to the colony of {done.queen_url} now.")
    note(_what_next(peer.id))


async def token(
    *,
    hive_id: Annotated[
        list[str] | None,
        Parameter(name="--hive-id", help="Only a hive of this name may use it; repeat it."),
    ] = None,
    expires: Annotated[str, Parameter(help="How long it is good for: 15m, 1h, 2d.")] = "1h",
    drop: Annotated[
        str | None, Parameter(help="Take a token back, by its id (`rbee hive pending`).")
    ] = None,
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """Make a token with which one machine may join, and show the line to paste there."""
    async with _queen(queen) as client:
        desk = JoiningClient(client.transport)
        if drop is not None:
            done = await desk.drop_token(drop)
            out_json(done) if json else out(done.message)
            return
        wish = JoinTokenWish(hive_ids=hive_id or [], expires_s=seconds_of(expires))
        made = await desk.new_token(wish)
    if json:
        out_json(made)
        return
    who = f"a machine, as {' or '.join(made.hive_ids)}" if made.hive_ids else "one machine"
    note(f"With this line {who} may join, once, within {expires}. It is shown this once:")
    if not made.urls:
        note(
            "This queen listens on her own machine alone, so nobody else can use it: bind her to "
            "another address first (`[queen] bind`, docs/joining.md)."
        )
    url = made.urls[0] if made.urls else address_of("queen", queen).url
    out(f"rbee hive join {url} --token {made.token}")


async def pending(*, json: JsonFlag = False, queen: QueenFlag = None) -> None:
    """The machines that wait to be let in, and the tokens that are open."""
    async with _queen(queen) as client:
        desk = JoiningClient(client.transport)
        found = await desk.requests()
        tokens = (await desk.tokens()).tokens
    if json:
        out_json({**msgspec.to_builtins(found), "tokens": msgspec.to_builtins(tokens)})
        return
    now = time.time()
    out_table(
        ("hive", "code", "from", "host", "version", "waits"),
        [
            (
                row.hive_id + (" (replaces a member)" if row.replaces else ""),
                row.code,
                row.address,
                row.hostname or UNKNOWN,
                row.version or UNKNOWN,
                duration_text(now - row.asked_at),
            )
            for row in found.requests
        ],
        empty="No machine waits to be let in.",
    )
    if found.requests:
        note("Compare the code with the one that the machine shows, then: rbee hive approve NAME")
    for row in tokens:
        names = f" for {', '.join(row.hive_ids)}" if row.hive_ids else ""
        note(f"Token {row.id}{names} is open for {duration_text(row.expires_at - now)} more.")


async def approve(
    name: Name,
    /,
    *,
    code: CodeFlag = None,
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """Let a waiting machine in. Compare the codes first."""
    async with _queen(queen) as client:
        done = await JoiningClient(client.transport).decide(name, approve=True, code=code)
    out_json(done) if json else out(f"Approved. {done.message}")


async def reject(
    name: Name,
    /,
    *,
    code: CodeFlag = None,
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """Send a waiting machine away."""
    async with _queen(queen) as client:
        done = await JoiningClient(client.transport).decide(name, approve=False, code=code)
    out_json(done) if json else out(f"Rejected {done.id}. {done.message}")


async def revoke(
    hive_id: Annotated[str, Parameter(help="The hive's id.")],
    /,
    *,
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """Shut a hive out of the colony, at once. It may join again with a new token."""
    async with _queen(queen) as client:
        done = await JoiningClient(client.transport).revoke(hive_id)
    out_json(done) if json else out(f"Revoked {done.id}. {done.message}")


async def list_hives(*, json: JsonFlag = False, queen: QueenFlag = None) -> None:
    """The hives of the colony, and how each belongs to it."""
    async with _queen(queen) as client:
        found = await JoiningClient(client.transport).members()
    if json:
        out_json(found)
        return
    out_table(
        ("hive", "state", "belongs by", "address", "host", "certificate"),
        [
            (
                row.hive_id,
                {"fresh": "up", None: UNKNOWN}.get(row.state, row.state or UNKNOWN),
                {"open": "no certificate"}.get(row.membership, row.membership),
                row.url or UNKNOWN,
                row.hostname or UNKNOWN,
                _lasts(row, time.time()),
            )
            for row in found.hives
        ],
        empty="No hive has joined. `rbee hive start` starts the one of this machine; "
        "`rbee hive token` makes a token for another one.",
    )


def _queen(flag: str | None) -> QueenClient:
    url = address_of("queen", flag).url
    return QueenClient(url, key=key_for(url))


def _lasts(row: Member, now: float) -> str:
    if row.revoked_at is not None:
        return f"revoked {duration_text(now - row.revoked_at)} ago"
    return UNKNOWN if row.expires_at is None else f"{duration_text(row.expires_at - now)} left"


def _token(flag: str | None) -> str | None:
    """The token, from wherever it was given; None: join by approval.

    Raises:
        InvalidRequest: stdin was named and holds none.
    """
    if flag != "-":
        return flag or os.environ.get(TOKEN_VARIABLE, "").strip() or None
    line = sys.stdin.readline(_TOKEN_CHARS_MAX).strip()
    if not line:
        raise InvalidRequest(
            "There is no token on stdin.", remedy="Pipe one line into it.", param="--token"
        )
    return line


async def _discovered() -> FoundQueen:
    """The one queen of this network.

    Raises:
        QueenUnreachable: none announces herself.
        Conflict: several do.
    """
    note(f"Looking for a queen on this network for {_LOOK_S:.0f} s …")
    found = await find_queens(_LOOK_S)
    if not found:
        raise QueenUnreachable(
            "No queen announces herself on this network.",
            remedy="Name her: `rbee hive join https://HOST:7833`. She announces herself when she "
            "listens on another address than 127.0.0.1, and mDNS does not cross routers.",
        )
    if len(found) > 1:
        addresses = ", ".join(f"{queen.url} ({queen.host})" for queen in found)
        raise Conflict(
            f"{len(found)} queens announce themselves on this network: {addresses}.",
            remedy="Say which one: `rbee hive join URL`.",
        )
    note(f"Found {found[0].url} ({found[0].host}).")
    return found[0]


def _ask_for_approval(pending: Pending) -> None:
    note(
        f"{pending.url} has to let this machine in: `rbee hive pending` there shows it.\n"
        f"Approve it only if this code is shown there too:\n\n    {pending.code}\n\n"
        f"(The colony's fingerprint is {pending.ca_fingerprint}.)\n"
        "Waiting. Ctrl+C gives up; the same command goes on with the same code."
    )


def _what_next(hive_id: str) -> str:
    if find_announced("hive") is None:
        return "Start it: rbee hive start"
    return (
        f"The hive that runs here takes it up within a second, unless its id is not {hive_id}: "
        "then restart it (rbee hive stop --keep-workers; rbee hive start)."
    )
