"""A machine joins a colony: whom it speaks to is checked before it says anything secret.

Over a connection that proves nothing yet it asks for the colony's CA, and compares
its hash with the one in the token. Only then it connects anew, to somebody whom that CA
signed for, and sends the token and a signing request. Without a token the CA is taken as
it comes, and a person compares a code that is made of both ends' keys. The
key stays here; what comes back is a certificate.
"""

import ssl
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import anyio
import anyio.to_thread
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from rbee.client.transport import Transport
from rbee.contracts.joining import ColonyCa, JoinAnswer, JoinRequest
from rbee.errors import QueenUnreachable, RateLimited, RbeeError, RemoteError, UntrustedPeer
from rbee.foundation.addresses import is_loopback
from rbee.foundation.files import make_private_dir, write_atomic
from rbee.foundation.http.tls import QUEEN, colony_context
from rbee.foundation.identity.folder import (
    Identity,
    fingerprint_of,
    hive_identity_dir,
    save_identity,
)
from rbee.foundation.identity.joined import Joined, write_joined
from rbee.foundation.identity.keys import (
    Key,
    key_fingerprint,
    key_from_pem,
    key_to_pem,
    make_key,
    pairing_code,
)
from rbee.foundation.identity.requests import make_request
from rbee.foundation.identity.tokens import JoinToken, parse_token

TRIES_MAX: Final = 4
"""A queen that restarts is back within seconds; asking again with the same key is harmless."""
TRY_AGAIN_S: Final = 1.5  # with the tries, longer than a queen's restart
ASK_AGAIN_MIN_S: Final = 1.0  # however often a queen wants to be asked
ASK_AGAIN_MAX_S: Final = 60.0  # she forgets who was silent for two minutes

_ASKING_FILE: Final = "asking.pem"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Who joins whom. ``ca_fingerprint`` pins the CA where there is no token."""

    url: str
    hive_id: str
    token: str | None = None
    hostname: str = ""
    version: str = ""
    ca_fingerprint: str | None = None


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """What a person compares while the hive waits for approval."""

    url: str
    code: str
    ca_fingerprint: str


async def join(wish: Wish, waiting: Callable[[Pending], Awaitable[None] | None]) -> Identity:
    """Join, and keep the identity; ``waiting`` is called once when an operator has to approve.

    Without a token this waits until somebody decides; cancel it to give up. Asking again
    later goes on with the same key, so the code stays the same.

    Raises:
        InvalidRequest: the token is none, or the queen finds the name unusable.
        UntrustedPeer: who answers is not the queen of that token.
        Forbidden, Conflict: the queen refused.
        QueenUnreachable: nobody answers there.
        StorageError: the identity cannot be written.
    """
    token = None if wish.token is None else parse_token(wish.token)
    url = secured(wish.url)
    ca = await _colony_ca(url, token, wish.ca_fingerprint)
    folder = hive_identity_dir()
    key = await anyio.to_thread.run_sync(_asking_key, folder)
    asked = JoinRequest(
        hive_id=wish.hive_id,
        request=make_request(key, wish.hive_id),
        token=None if token is None else token.text(),
        hostname=wish.hostname,
        version=wish.version,
    )
    async with _to_queen(url, ca) as transport:
        answer = await _ask(transport, asked)
        if answer.status == "pending":
            await _tell(waiting, url, ca, key)
        while answer.status == "pending":
            await anyio.sleep(_within(answer.retry_s))
            answer = await _ask(transport, asked)
    return await anyio.to_thread.run_sync(_keep, folder, url, key, ca, answer)


def secured(url: str) -> str:
    """An address to join: https, but for this machine's own queen.

    Raises:
        nothing: what is no URL fails when it is used.
    """
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return urlunsplit(parts._replace(scheme="https"))
    return url


async def _colony_ca(url: str, token: JoinToken | None, pinned: str | None) -> x509.Certificate:
    """The CA that the queen at ``url`` says is hers, checked where there is something to check."""
    nothing_proved = ssl.create_default_context()
    nothing_proved.check_hostname = False
    nothing_proved.verify_mode = ssl.CERT_NONE  # its answer is compared with the token's hash
    async with Transport(url, unreachable=QueenUnreachable, tls=nothing_proved) as transport:
        said = await transport.ask("GET", "/v1/hive/ca", ColonyCa)
    try:
        ca = x509.load_pem_x509_certificate(said.certificate.encode())
    except ValueError:
        raise UntrustedPeer(f"{url} shows something that is no CA.") from None
    wanted = pinned if token is None else token.ca_fingerprint
    if wanted is not None and fingerprint_of(ca) != wanted:
        raise UntrustedPeer(
            f"{url} is not the colony that the token is for: its CA has another fingerprint "
            f"({fingerprint_of(ca)[:16]}…). Nothing secret was sent.",
            remedy="Check the address. If it is right, somebody stands in between, or the token "
            "is of another colony: `rbee hive token` on the queen's machine makes a new one.",
        )
    return ca


@asynccontextmanager
async def _to_queen(url: str, ca: x509.Certificate) -> AsyncGenerator[Transport]:
    """A transport to whoever ``ca`` signed for as the queen, and to nobody else."""
    if url.startswith("http:"):
        async with Transport(url, unreachable=QueenUnreachable) as transport:
            yield transport
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ca.pem"
        path.write_bytes(ca.public_bytes(Encoding.PEM))
        tls = colony_context(path, expects=QUEEN)
    async with Transport(url, unreachable=QueenUnreachable, tls=tls) as transport:
        yield transport


async def _ask(transport: Transport, asked: JoinRequest) -> JoinAnswer:
    """One round, patient with a queen that restarts or is asked too often."""
    for left in range(TRIES_MAX - 1, -1, -1):
        try:
            return await transport.ask("POST", "/v1/hive/join", JoinAnswer, body=asked)
        except (QueenUnreachable, RateLimited):
            if not left:
                raise
        await anyio.sleep(TRY_AGAIN_S)
    raise RemoteError("not reached")  # the last round returns or raises


async def _tell(
    waiting: Callable[[Pending], Awaitable[None] | None], url: str, ca: x509.Certificate, key: Key
) -> None:
    fingerprint = fingerprint_of(ca)
    # Worked out here and not taken from the answer: comparing is what it is for.
    code = pairing_code(fingerprint, key_fingerprint(key.public_key()))
    told = waiting(Pending(url=url, code=code, ca_fingerprint=fingerprint))
    if told is not None:
        await told


def _within(retry_s: float | None) -> float:
    return min(max(retry_s or 0.0, ASK_AGAIN_MIN_S), ASK_AGAIN_MAX_S)


def _asking_key(folder: Path) -> Key:
    """The key of this try to join: that of the last one, if it did not come to its end."""
    path = folder / _ASKING_FILE
    try:
        return key_from_pem(path.read_bytes())
    except (OSError, RbeeError):
        key = make_key()
        make_private_dir(folder)
        write_atomic(path, key_to_pem(key))
        return key


def _keep(folder: Path, url: str, key: Key, ca: x509.Certificate, answer: JoinAnswer) -> Identity:
    """Write the identity, and last of all where it belongs."""
    pem = ca.public_bytes(Encoding.PEM)
    found = save_identity(folder, key, (answer.certificate or "").encode(), pem)
    if found.peer.id != answer.hive_id or not found.valid(time.time()):
        raise RemoteError(
            f"{url} sent a certificate that cannot be used here.",
            remedy="Check the clocks of both machines: it is valid from an hour before it was "
            "made. Then join again.",
        )
    joined = Joined(
        url=url,
        ca_fingerprint=found.ca_fingerprint,
        hive_id=found.peer.id,
        joined_at=time.time(),
    )
    write_joined(folder, joined)
    (folder / _ASKING_FILE).unlink(missing_ok=True)
    return found
