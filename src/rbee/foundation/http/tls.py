"""TLS inside the colony: who is who, and how a client checks it.

Two kinds of programs connect. Those of the colony say so in their ClientHello (ALPN
``rbee/1``): they are shown the certificate of the colony's own CA, may show theirs, and
know each other by the URI in it (``rbee://queen``, ``rbee://hive/ID``), never by an address,
which changes. All others (browsers, OpenAI clients) see the certificate that the operator
gave, else the colony's too, and are asked for none: a browser would show its user a box.

The server's side is ``http.certificates``, what a user trusts ``foundation.trust``. Files are
``foundation.identity``'s; here they are only read.
"""

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from rbee.contracts.ids import is_hive_id

ALPN: Final = "rbee/1"
"""What programs of the colony offer; the server then asks for a certificate."""

ANYONE: Final = "rbee://"
"""``expects`` of a client that talks to any member of the colony."""

QUEEN: Final = "rbee://queen"
HIVE: Final = "rbee://hive/"
"""Any hive; with its id behind it, that one."""

HTTP: Final = "http/1.1"
"""What everybody offers."""


class PemFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate (with what leads to its CA), its key, and the CA that the others must have."""

    cert: Path
    key: Path
    ca: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """All of the files."""
        return (self.cert, self.key) if self.ca is None else (self.cert, self.key, self.ca)


def files_in(folder: Path) -> PemFiles:
    """The files of an identity, as ``foundation.identity.folder`` names them."""
    return PemFiles(cert=folder / "cert.pem", key=folder / "key.pem", ca=folder / "ca.pem")


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Who is at the other end, as the colony's CA signed it. Revocation is not looked at here."""

    uri: str
    serial: int
    not_after_s: float
    """Unix seconds."""

    @property
    def hive_id(self) -> str | None:
        """The hive that it is; None: it is the queen."""
        return self.uri.removeprefix(HIVE) if self.uri.startswith(HIVE) else None


def colony_context(
    ca: Path, *, expects: str, cert: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """For a client inside the colony: trusts ``ca`` alone, and whom ``expects`` names.

    ``expects`` is the URI in the other's certificate (``QUEEN``, ``HIVE`` + id), or how it
    begins where that ends with a slash (``HIVE``: any hive, ``ANYONE``). Host names are not looked at. ``cert`` and ``key`` are shown when asked for.

    Raises:
        OSError, ValueError: a file is missing or is not what it should be.
    """
    context = _ColonyContext(ssl.PROTOCOL_TLS_CLIENT)
    context.expects = expects
    context.check_hostname = False  # the URI says who it is: see `_CheckedObject`
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(ca)
    context.set_alpn_protocols([HTTP])
    if cert is not None and key is not None:
        load_files(context, PemFiles(cert=cert, key=key))
    return context


def identity_context(folder: Path, *, expects: str) -> ssl.SSLContext | None:
    """``colony_context`` with the identity in ``folder``; None where there is none (yet).

    A hive dials with ``hive_identity_dir()``, the queen with ``queen_client_dir()``.
    Make it anew after a renewal: certificates are read when it is made.
    """
    files = files_in(folder)
    try:
        return colony_context(folder / "ca.pem", expects=expects, cert=files.cert, key=files.key)
    except (OSError, ValueError):
        return None


def peer_of(certificate: dict[str, Any] | None) -> Peer | None:
    """Who a verified certificate (``getpeercert()``) belongs to; None: nobody of the colony."""
    if not certificate:
        return None
    names: Iterable[tuple[str, str]] = certificate.get("subjectAltName", ())
    uris = [name for kind, name in names if kind == "URI"]
    if len(uris) != 1 or not _names_somebody(uris[0]):
        return None  # our CA signs exactly one: with two it could be taken for either
    return Peer(
        uri=uris[0],
        serial=int(certificate["serialNumber"], 16),
        not_after_s=float(ssl.cert_time_to_seconds(certificate["notAfter"])),
    )


def _names_somebody(uri: str) -> bool:
    """As ``foundation.identity.peers`` has it, without the time that its imports take."""
    return uri == QUEEN or (uri.startswith(HIVE) and is_hive_id(uri.removeprefix(HIVE)))


def load_files(context: ssl.SSLContext, files: PemFiles) -> None:
    """Show this certificate.

    Raises:
        OSError, ValueError: as ``colony_context``.
    """
    # An empty passphrase makes an encrypted key an error; without it OpenSSL asks the terminal.
    context.load_cert_chain(files.cert, files.key, password="")


def _check(certificate: Any, expects: str) -> None:  # noqa: ANN401  ssl's own dict
    peer = peer_of(certificate)
    if peer is None or not (
        peer.uri == expects or (expects.endswith("/") and peer.uri.startswith(expects))
    ):
        found = "nobody of this colony" if peer is None else peer.uri
        message = f"expected {expects}, and it is {found}"
        raise ssl.SSLCertVerificationError(message)


class _CheckedObject(ssl.SSLObject):
    """Ends a handshake by looking at who it was with."""

    def do_handshake(self) -> None:
        super().do_handshake()
        context = self.context
        if isinstance(context, _ColonyContext):
            _check(self.getpeercert(), context.expects)


class _CheckedSocket(ssl.SSLSocket):
    """The same for sockets that block."""

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        context = self.context
        if isinstance(context, _ColonyContext):
            _check(self.getpeercert(), context.expects)


class _ColonyContext(ssl.SSLContext):
    """Offers ``ALPN`` whatever a library asks for, and checks the URI after each handshake."""

    sslobject_class = _CheckedObject
    sslsocket_class = _CheckedSocket
    expects: str = ANYONE

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Ours before theirs: HTTP libraries set their own list with each connection."""
        super().set_alpn_protocols([ALPN, *(name for name in alpn_protocols if name != ALPN)])
