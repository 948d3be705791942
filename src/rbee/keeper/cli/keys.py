"""``rbee keys``: API keys for clients and teams, made, listed and revoked at the queen.

A new key is on stdout alone, once; what is said about it goes to stderr, so that
``KEY=$(rbee keys create ci)`` is all that a script needs.
"""

import re
import time
from collections.abc import Sequence
from typing import Annotated, Final, get_args

from cyclopts import App, Parameter

from rbee.client.keys import KeyClient
from rbee.contracts.keys import ApiKey, KeyWish
from rbee.contracts.principals import KeyScope
from rbee.errors import InvalidRequest
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import JsonFlag, QueenFlag
from rbee.keeper.clients import queen_client
from rbee.keeper.screen import note, out, out_json, out_table
from rbee.keeper.units import UNKNOWN, duration_text

keys_app = App(name="keys", help_epilogue=examples("rbee keys create alice", "rbee keys list"))

_SCOPES: Final[dict[str, KeyScope]] = {scope: scope for scope in get_args(KeyScope)}
_SPAN = re.compile(r"(\d{1,9})\s*([smhdw])")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@keys_app.command(
    help_epilogue=examples(
        "rbee keys create alice",
        "rbee keys create ci --scopes inference,jobs --expires 30d",
        "rbee keys create team --model 'llama-*' --requests-per-min 60",
        "rbee keys create grafana --scope read",
    )
)
async def create(
    name: Annotated[str, Parameter(help="Whose key it is: a client, a team, a program.")],
    /,
    *,
    scope: Annotated[
        list[str] | None,
        Parameter(
            name=["--scope", "--scopes"],
            help="What it may do: inference, jobs, read, operator. Repeat it, or put commas "
            "between. Without: inference.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        Parameter(
            name=["--model", "--models"],
            help="A model that it may use (`llama-*`); repeat it. Without: all.",
        ),
    ] = None,
    expires: Annotated[
        str | None, Parameter(help="How long it is good for: 12h, 30d, 8w. Without: for ever.")
    ] = None,
    requests_per_min: Annotated[int | None, Parameter(help="Requests a minute.")] = None,
    tokens_per_min: Annotated[int | None, Parameter(help="Tokens a minute.")] = None,
    tokens_per_day: Annotated[int | None, Parameter(help="Tokens a day (UTC).")] = None,
    priority: Annotated[int, Parameter(help="-100 to 100: how urgent its requests are.")] = 0,
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """Make a key. It is shown once and can never be shown again."""
    wish = KeyWish(
        name=name,
        scopes=scopes_of(scope or ["inference"]),
        models=model or [],
        expires_in_s=None if expires is None else seconds_of(expires),
        requests_per_min=requests_per_min,
        tokens_per_min=tokens_per_min,
        tokens_per_day=tokens_per_day,
        priority=priority,
    )
    async with queen_client(queen) as client:
        made = await KeyClient(client.transport).create(wish)
    if json:
        out_json(made)
        return
    note(f"{made.about.name} ({made.about.id}) may use: {', '.join(made.about.scopes)}.")
    note("This is the key. It is shown now and never again:")
    out(made.key)


@keys_app.command(name="list", help_epilogue=examples("rbee keys list", "rbee keys list --json"))
async def list_keys(*, json: JsonFlag = False, queen: QueenFlag = None) -> None:
    """Show all keys: whose they are, what they may do; never the keys themselves."""
    async with queen_client(queen) as client:
        found = await KeyClient(client.transport).list()
    if json:
        out_json(found)
        return
    out_table(
        ("name", "id", "key", "scopes", "models", "expires in", "limits"),
        [key_row(key, time.time()) for key in found],
        empty="There are no keys. `rbee keys create NAME` makes one.",
    )


@keys_app.command(help_epilogue=examples("rbee keys revoke alice", "rbee keys revoke key-1f2e3d"))
async def revoke(
    key: Annotated[str, Parameter(help="The key's name or id (`rbee keys list`).")],
    /,
    *,
    json: JsonFlag = False,
    queen: QueenFlag = None,
) -> None:
    """Have a key refused from now on, and whoever signed in with it signed out."""
    async with queen_client(queen) as client:
        revoked = await KeyClient(client.transport).revoke(key)
    if json:
        out_json(revoked)
        return
    out(f"The key {revoked.name} ({revoked.id}) is refused from now on.")


def key_row(key: ApiKey, now: float) -> tuple[str, ...]:
    """A key's cells: name, id, how it begins, scopes, models, time left, limits."""
    limits = [
        f"{number} {unit}"
        for number, unit in (
            (key.requests_per_min, "requests/min"),
            (key.tokens_per_min, "tokens/min"),
        )
        if number is not None
    ]
    if key.tokens_per_day is not None:
        limits.append(f"{key.tokens_today or 0} of {key.tokens_per_day} tokens today")
    left = "never" if key.expires_at is None else duration_text(key.expires_at - now)
    return (
        key.name,
        key.id,
        f"{key.hint}…" if key.hint else "config.toml",
        ", ".join(key.scopes),
        ", ".join(key.models) or "all",
        "expired" if key.expired else left,
        ", ".join(limits) or UNKNOWN,
    )


def scopes_of(words: Sequence[str]) -> list[KeyScope]:
    """Scopes as people write them: one a word, or several with commas between.

    Raises:
        InvalidRequest: one of them is none.
    """
    found: list[KeyScope] = []
    for text in (part.strip().lower() for word in words for part in word.split(",")):
        if text not in _SCOPES:
            raise InvalidRequest(
                f"{text!r} is no scope.",
                remedy=f"Choose from: {', '.join(_SCOPES)}.",
                param="--scope",
            )
        found.append(_SCOPES[text])
    return found


def seconds_of(text: str) -> float:
    """``90s``, ``15m``, ``12h``, ``30d``, ``8w`` in seconds.

    Raises:
        InvalidRequest: it is none of these.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise InvalidRequest(
            f"{text!r} is no length of time.",
            remedy="Write a number and a unit: 90s, 15m, 12h, 30d, 8w.",
            param="--expires",
        )
    return float(int(found[1]) * _UNIT_S[found[2]])
