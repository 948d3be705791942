"""A server's certificates: read from files, shown according to who asks, renewed in place.

Programs of the colony say so in their ClientHello (``tls.ALPN``): they see the certificate
of the colony's own CA and may show theirs. All others see the one that the operator gave,
else the colony's too, and are asked for none: a browser would show its user a box.
``http.door`` asks for a context for each connection, so files that are renewed count from
the next second on.
"""

import ssl
from pathlib import Path
from typing import Final

from rbee.errors import BadSettings
from rbee.foundation import logs
from rbee.foundation.http.tls import ALPN, HTTP, PemFiles, load_files

_OFFER: Final = bytes([len(ALPN)]) + ALPN.encode()  # as it stands in a ClientHello

_log = logs.get(__name__)


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
    load_files(context, files)
    if files.ca is not None:
        context.load_verify_locations(files.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols([ALPN, HTTP])
    return context


def public_server_context(files: PemFiles) -> ssl.SSLContext:
    """For everybody else: nobody is asked for a certificate.

    Raises:
        OSError, ValueError: as ``colony_server_context``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # browsers and clients of all ages
    load_files(context, files)
    context.set_alpn_protocols([HTTP])
    return context


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


def _words(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error).replace("_", " ").lower()
    return str(getattr(error, "strerror", None) or error)
