"""First contact with a colony on other machines: whose certificate is it, and is the key right?

``look`` speaks with whoever answers, sends nothing, and says what a person has to compare:
the fingerprint of the colony's CA, which ``rbee doctor`` on the queen's machine shows too.
Only what has been accepted (``accept``) is written down, and only then a key is sent.
"""

import re
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import msgspec

from rbee.client.queen import QueenClient
from rbee.client.transport import Transport
from rbee.contracts.daemon import Health, ServiceInfo
from rbee.contracts.joining import ColonyCa
from rbee.errors import InvalidRequest, QueenUnreachable, StorageError, UntrustedPeer
from rbee.foundation import secrets, trust
from rbee.foundation.http.tls import QUEEN, colony_context
from rbee.keeper.urls import PORTS, as_url

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_GROUP = 8  # eight groups of eight digits can be compared by eye


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers at an address.

    ``ca_pem`` is null where the system's CAs vouch for it, and for plain HTTP.
    """

    url: str
    ca_pem: str | None = None

    @property
    def fingerprint(self) -> str | None:
        """Of the CA, as 64 hexadecimal digits."""
        return None if self.ca_pem is None else trust.fingerprint_of(self.ca_pem)


def login_url(text: str) -> str:
    """What was typed, as a URL: https unless something else was written.

    Raises:
        InvalidRequest: it is no address.
    """
    if "://" in text:
        return as_url(text, param="URL")
    port = "" if urlsplit(f"//{text}").port else f":{PORTS['queen']}"
    return as_url(f"https://{text}{port}", param="URL")


def read_fingerprint(text: str) -> str:
    """A fingerprint as people write it: with colons, blanks, in capitals, or a join token's.

    Raises:
        InvalidRequest: it is none.
    """
    digits = re.sub(r"[\s:]", "", text.lower().removeprefix("sha256:"))
    if _FINGERPRINT.fullmatch(digits) is None:
        raise InvalidRequest(
            "A fingerprint has 64 hexadecimal digits.",
            remedy="`rbee doctor` on the queen's machine shows it.",
            param="--fingerprint",
        )
    return digits


def fingerprint_text(fingerprint: str) -> str:
    """A fingerprint for eyes."""
    groups = [fingerprint[at : at + _GROUP] for at in range(0, len(fingerprint), _GROUP)]
    return " ".join(groups)


@contextmanager
def queen_elsewhere() -> Generator[None]:
    """Advise about a queen on another machine where one does not answer.

    Raises:
        QueenUnreachable: with what helps there; the usual advice is to start one here.
    """
    try:
        yield
    except QueenUnreachable as error:
        raise QueenUnreachable(
            error.message,
            remedy="Is the address right, and does she listen for other machines? On hers: "
            "`rbee up -d --bind 0.0.0.0`.",
        ) from None


async def look(url: str) -> Found:
    """Who answers at ``url``; nothing but two harmless questions is sent.

    Raises:
        RbeeError: nobody answers, or what answers is no queen of ours.
    """
    if not url.startswith("https:"):
        async with QueenClient(url) as client:
            await client.health()
        return Found(url=url)
    try:
        await _health(url, ssl.create_default_context())
    except UntrustedPeer:
        pem = await _ask_ca(url)
        await _prove(url, pem)
        return Found(url=url, ca_pem=pem)
    return Found(url=url)


async def accept(found: Found, key: str | None, *, keyring: bool) -> ServiceInfo | None:
    """Trust what was found, keep the key, and try it. None: there is no key to try.

    Raises:
        RbeeError: the key is refused; the colony is trusted nevertheless.
        StorageError: the config folder cannot be written.
    """
    try:
        trust.remember(found.url, found.ca_pem)
    except OSError as error:
        raise StorageError(f"The config folder cannot be written: {error.strerror}.") from None
    if not key:
        return None
    async with QueenClient(found.url, key=key) as client:
        info = await client.info()
    secrets.keep(trust.key_name(found.url), key, keyring=keyring)
    return info


async def _ask_ca(url: str) -> str:
    """The CA that the colony says it has; believed by nobody yet."""
    blind = ssl.create_default_context()
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    async with Transport(url, unreachable=QueenUnreachable, tls=blind) as line:
        return (await line.ask("GET", "/v1/hive/ca", ColonyCa)).certificate


async def _prove(url: str, pem: str) -> None:
    """The CA it named must have signed what it shows, for a queen.

    Raises:
        UntrustedPeer: it has not.
    """
    with TemporaryDirectory(prefix="rbee-") as folder:
        path = Path(folder) / "ca.pem"
        path.write_text(pem, encoding="ascii", errors="replace")
        try:
            context = colony_context(path, expects=QUEEN)
        except (OSError, ValueError):
            raise UntrustedPeer(f"{url} names a CA that is none.") from None
    await _health(url, context)


async def _health(url: str, tls: ssl.SSLContext) -> None:
    async with Transport(url, unreachable=QueenUnreachable, tls=tls) as line:
        await line.ask("GET", "/health", Health)
