"""Certificates of a colony that exists for a test: a CA, hives and a queen, as folders."""

import ssl
import time
from pathlib import Path

from rbee.foundation.identity.authority import open_authority
from rbee.foundation.identity.folder import save_identity
from rbee.foundation.identity.keys import make_key


class Identities:
    """Everything lies below ``folder``; an identity is a folder with key, certificate and CA."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = open_authority(folder / "ca", time.time())

    def hive(self, hive_id: str) -> Path:
        """The identity of a hive."""
        key = make_key()
        certificate = self.authority.issue_hive(key.public_key(), hive_id, time.time())
        save_identity(self._folder / hive_id, key, certificate, self.authority.pem)
        return self._folder / hive_id

    def queen(self) -> Path:
        """The identity of the queen as a client."""
        key = make_key()
        certificate = self.authority.issue_queen_client(key.public_key(), time.time())
        save_identity(self._folder / "queen", key, certificate, self.authority.pem)
        return self._folder / "queen"


def client_context(identity: Path | None, ca: bytes, alpn: str) -> ssl.SSLContext:
    """TLS as a client of the colony; without an identity it shows no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca.decode())
    if identity is not None:
        context.load_cert_chain(identity / "cert.pem", identity / "key.pem")
    context.set_alpn_protocols([alpn])
    return context
