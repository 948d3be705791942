"""``rbee login`` and ``rbee logout``: use a colony that runs on other machines."""

import getpass
import sys
from typing import Annotated

from cyclopts import App, Parameter

from rbee.errors import InvalidApiKey, InvalidRequest, NotFound
from rbee.foundation import config, trust
from rbee.keeper.addresses import KeeperSettings
from rbee.keeper.cli.frame import examples
from rbee.keeper.login import (
    Found,
    accept,
    fingerprint_text,
    login_url,
    look,
    queen_elsewhere,
    read_fingerprint,
)
from rbee.keeper.screen import note

login_app = App(
    name="login",
    help_epilogue=examples(
        "rbee login gaming-pc",
        "rbee login https://gaming-pc:7833 --fingerprint 3f9a... --key - < key-file",
    ),
)
logout_app = App(name="logout", help_epilogue=examples("rbee logout gaming-pc"))


@login_app.default
async def login(
    url: Annotated[str, Parameter(help="The queen's address; https and 7833 unless written.")],
    /,
    *,
    fingerprint: Annotated[
        str | None, Parameter(help="The fingerprint that its CA must have; then nothing is asked.")
    ] = None,
    key: Annotated[
        str | None,
        Parameter(
            help="`-` reads the API key from stdin. It is never an argument.",
            allow_leading_hyphen=True,
        ),
    ] = None,
) -> None:
    """Trust a colony on other machines, and use it from now on."""
    if key not in {None, "-"}:
        raise InvalidRequest(
            "A key is no argument: other programs of this machine could read it.",
            remedy="`--key -` reads it from stdin; without the flag you are asked.",
            param="--key",
        )
    wanted = None if fingerprint is None else read_fingerprint(fingerprint)
    given = sys.stdin.readline().strip() if key == "-" else None
    with queen_elsewhere():
        found = await look(login_url(url))
    _compare(found, wanted)
    if key is None and sys.stdin.isatty():
        given = getpass.getpass("API key (Enter for none): ").strip()
    keyring = config.load("keeper", KeeperSettings).keyring
    try:
        info = await accept(found, given, keyring=keyring)
    except InvalidApiKey as error:
        raise InvalidApiKey(
            f"{found.url} is trusted now, and it refuses this key.",
            remedy="`rbee keys create NAME` on the queen's machine makes one; then log in again.",
        ) from error
    who = f" ({info.service} {info.version})" if info else ""
    note(f"Logged in: commands go to {found.url}{who} from now on. `rbee logout` ends it.")


@logout_app.default
async def logout(
    url: Annotated[str | None, Parameter(help="Which; without: the last one.")] = None, /
) -> None:
    """Trust a colony no longer, and forget its key."""
    target = login_url(url) if url else trust.usual()
    if target is None or not trust.forget(target):
        raise NotFound(
            f"Nobody is logged in to {target or 'any colony'} here.",
            remedy="`rbee login URL` does that.",
        )
    note(f"Logged out of {trust.origin_of(target)}.")


def _compare(found: Found, wanted: str | None) -> None:
    """Compare the fingerprint, or let a person do it.

    Raises:
        InvalidRequest: it is another one, nobody is there to be asked, or the answer was no.
    """
    there = found.fingerprint
    if wanted is not None and there != wanted:
        raise InvalidRequest(
            f"{found.url} is not the colony with this fingerprint"
            + (f": its CA has {fingerprint_text(there)}." if there else "."),
            remedy="Compare with `rbee doctor` on the queen's machine. If they differ, "
            "something else answers at this address.",
            param="--fingerprint",
        )
    if there is None or wanted is not None:
        return
    note(f"The colony at {found.url} has a CA with this fingerprint (SHA-256):\n")
    note(f"    {fingerprint_text(there)}\n")
    if not sys.stdin.isatty():
        raise InvalidRequest(
            "Nobody is here to compare it.",
            remedy=f"Pass `--fingerprint {there}` once you have.",
            param="--fingerprint",
        )
    note("`rbee doctor` on the queen's machine shows hers. Are they the same? [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise InvalidRequest("Nothing was trusted, nothing was sent.", param="URL")
