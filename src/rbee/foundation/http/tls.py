"""TLS at the doors and inside the colony: certificates in, contexts and peers out.

Two kinds of programs connect. Those of the colony say so in their ClientHello (ALPN
``rbee/1``): they are shown the certificate of the colony's own CA, may show theirs, and
know each other by the URI in it (``rbee://queen``, ``rbee://hive/ID``), never by an address,
which changes. All others (browsers, OpenAI clients) see the certificate that the operator
gave, else the colony's too, and are asked for none: a browser would show its user a box.

``http.door`` asks ``Tls`` for a context for each connection, so files that are renewed
count from the next second on. Files are ``foundation.identity``'s; here they are only read.
"""

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from rbee.contracts.ids import is_hive_id
from rbee.errors import BadSettings
from rbee.foundation import logs

ALPN: Final = "rbee/1"
"""What programs of the colony offer; the server then asks for a certificate."""

ANYONE: Final = "rbee://"
"""``expects`` of a client that talks to any member of the colony."""

QUEEN: Final = "rbee://queen"
HIVE: Final = "rbee://hive/"

_OFFER: Final = bytes([len(ALPN)]) + ALPN.encode()  # as it stands in a ClientHello
_HTTP: Final = "http/1.1"

_log = logs.get(__name__)


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


def given_files(cert: str | None, key: str | None) -> PemFiles | None:
    """The settings ``tls_cert`` and ``tls_key``.

    Raises:
        BadSettings: one of them without the other.
    """
    if cert and key:
        return PemFiles(cert=Path(cert).expanduser(), key=Path(key).expanduser())
    if cert or key:
        raise BadSettings("`tls_cert` and `tls_key` go together, and one of them is missing.")
    return None


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


class Tls:
    """A server's certificates. ``refresh`` each second; ``context_for`` each connection."""

    def __init__(self, own: PemFiles | None = None, given: PemFiles | None = None) -> None:
        """``own`` may appear later (a hive that joins); ``given`` must be there.

        Raises:
            BadSettings: what was given cannot be used.
        """
        self._own = _Watched(own)
        self._given = _Watched(given)
        self._colony: ssl.SSLContext | None = None
        self._public: ssl.SSLContext | None = None
        if given is not None:
            try:
                self._public = public_server_context(given)
            except (OSError, ValueError) as error:
                raise BadSettings(
                    f"The certificate {given.cert} with the key {given.key} cannot be used: "
                    f"{_words(error)}.",
                    remedy="`tls_cert` and `tls_key` want PEM files that belong together and "
                    "that this user may read; the key without a passphrase.",
                ) from None
        self.refresh()

    @property
    def ready(self) -> bool:
        """Whether there is any certificate to show."""
        return self._colony is not None or self._public is not None

    def refresh(self) -> None:
        """Read files that changed. What cannot be read leaves the old certificate in force."""
        own, given = self._own, self._given
        if own.changed() and own.files is not None:
            try:
                self._colony = colony_server_context(own.files)
                if given.files is None:
                    self._public = public_server_context(own.files)
            except (OSError, ValueError) as error:
                _log.warning("certificate not read", cert=str(own.files.cert), why=_words(error))
        if given.changed() and given.files is not None:
            try:
                self._public = public_server_context(given.files)
            except (OSError, ValueError) as error:
                _log.warning("certificate not read", cert=str(given.files.cert), why=_words(error))

    def context_for(self, hello: bytes) -> ssl.SSLContext | None:
        """The context to answer a ClientHello with; None: there is no certificate (yet)."""
        return self._colony if self._colony and _OFFER in hello else self._public


class _Watched:
    """Files, and whether they are others than at the last look."""

    def __init__(self, files: PemFiles | None) -> None:
        self.files = files
        self._seen: tuple[tuple[int, int], ...] = ()

    def changed(self) -> bool:
        """Whether all are there and one is new. A look costs some microseconds."""
        if self.files is None:
            return False
        try:
            found = [path.stat() for path in self.files.all]
        except OSError:
            return False
        marks = tuple((entry.st_mtime_ns, entry.st_ino) for entry in found)
        changed, self._seen = marks != self._seen, marks
        return changed


def colony_server_context(files: PemFiles) -> ssl.SSLContext:
    """For programs of the colony: the own CA's certificate, theirs welcome and checked.

    Raises:
        OSError, ValueError: a file cannot be read, or the two do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # only our own programs come here
    context.num_tickets = 0  # they keep their connections; a resumed one would be checked less
    _load(context, files)
    if files.ca is not None:
        context.load_verify_locations(files.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols([ALPN, _HTTP])
    return context


def public_server_context(files: PemFiles) -> ssl.SSLContext:
    """For everybody else: nobody is asked for a certificate.

    Raises:
        OSError, ValueError: as ``colony_server_context``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # browsers and clients of all ages
    _load(context, files)
    context.set_alpn_protocols([_HTTP])
    return context


def colony_context(
    ca: Path, *, expects: str, cert: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """For a client inside the colony: trusts ``ca`` alone, and whom ``expects`` names.

    ``expects`` is the URI in the other's certificate (``QUEEN``, ``HIVE`` + id) or
    ``ANYONE``. Host names are not looked at. ``cert`` and ``key`` are shown when asked for.

    Raises:
        OSError, ValueError: a file is missing or is not what it should be.
    """
    context = _ColonyContext(ssl.PROTOCOL_TLS_CLIENT)
    context.expects = expects
    context.check_hostname = False  # the URI says who it is: see `_CheckedObject`
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(ca)
    context.set_alpn_protocols([_HTTP])
    if cert is not None and key is not None:
        _load(context, PemFiles(cert=cert, key=key))
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


def _load(context: ssl.SSLContext, files: PemFiles) -> None:
    # An empty passphrase makes an encrypted key an error; without it OpenSSL asks the terminal.
    context.load_cert_chain(files.cert, files.key, password="")


def _words(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error).replace("_", " ").lower()
    return str(getattr(error, "strerror", None) or error)


def _check(certificate: Any, expects: str) -> None:  # noqa: ANN401  ssl's own dict
    peer = peer_of(certificate)
    if peer is None or (expects not in {peer.uri, ANYONE}):
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
