"""A member's certificate is renewed long before its end, with the key that it has.

Of 30 days, 20 are left when it is due; a queen that is away is asked again each hour, so
three weeks of trouble cost nothing. The new certificate is in force with the next
connection; those that are open go on.
"""

import random
import ssl
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from rbee.client.transport import Transport
from rbee.contracts.joining import JoinAnswer, RenewRequest
from rbee.errors import QueenUnreachable, RbeeError
from rbee.foundation import logs
from rbee.foundation.http.tls import QUEEN, identity_context
from rbee.foundation.identity.folder import load_identity, read_key, save_certificate
from rbee.foundation.identity.requests import make_request
from rbee.hive.joining.membership import expired

LOOK_EVERY_S: Final = 3600.0  # of 20 days in which it may succeed
SPREAD: Final = 0.2  # ten thousand hives that joined together do not come back together

_log = logs.get(__name__)


class Renewal:
    """Keeps the certificate in ``folder`` fresh. ``tls`` is told of each new one."""

    def __init__(self, queen_url: str, folder: Path, tls: ssl.SSLContext | None) -> None:
        self._queen_url = queen_url
        self._folder = folder
        self._tls = tls

    async def run(self) -> None:
        """Look now and then hourly, until cancelled."""
        if urlsplit(self._queen_url).scheme != "https":
            return  # a queen of this machine: nothing is shown to her
        while True:
            await self.look(time.time())
            spread = random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311  spreading, not secrecy
            await anyio.sleep(LOOK_EVERY_S * spread)

    async def look(self, now_s: float) -> bool:
        """Renew if it is due at ``now_s`` (Unix time); whether there is a new certificate."""
        identity = await anyio.to_thread.run_sync(load_identity, self._folder)
        if identity is None or not identity.due(now_s):
            return False
        if (words := expired(self._folder)) is not None:
            _log.error("certificate expired", what=words)
            return False
        try:
            await self._renew(identity.peer.id)
        except RbeeError as error:
            _log.warning("certificate not renewed", reason=error.message, remedy=error.remedy)
            return False
        _log.info("certificate renewed", hive=identity.peer.id)
        return True

    async def _renew(self, hive_id: str) -> None:
        key = read_key(self._folder)
        tls = identity_context(self._folder, expects=QUEEN)
        if key is None or tls is None:
            return
        asked = RenewRequest(request=make_request(key, hive_id))
        async with Transport(self._queen_url, unreachable=QueenUnreachable, tls=tls) as transport:
            answer = await transport.ask("POST", "/v1/hive/renew", JoinAnswer, body=asked)
        pem = (answer.certificate or "").encode()
        identity = await anyio.to_thread.run_sync(save_certificate, self._folder, pem)
        if self._tls is not None:
            self._tls.load_cert_chain(identity.cert_file, identity.key_file)
