"""What a hive gives to others of its colony: tickets, and files to those who may have them.

``api/model_files`` is the door in front of it and decides who may ask.
"""

import time

import anyio
import anyio.to_thread
from starlette.types import Receive, Scope, Send

from rbee.contracts.sharing import FILES_PATH, ModelTicket, TicketAsk, is_digest
from rbee.errors import CapacityError, InvalidRequest
from rbee.hive.sharing.shelf import Shelf
from rbee.hive.sharing.tickets import Tickets
from rbee.hive.sharing.uploads import Uploads


class Sharing:
    """What a hive gives to others: its shelf, the tickets, the uploads."""

    def __init__(self, shelf: Shelf, uploads: Uploads) -> None:
        self.shelf = shelf
        self.uploads = uploads
        self.tickets = Tickets()
        self._reading = anyio.Lock()  # one file at a time is read for its digest

    async def ticket(self, asked: TicketAsk) -> ModelTicket:
        """A ticket for ``asked.reader``; reads the whole file where its digest is not known.

        Raises:
            CapacityError: another file is being read for its digest, or this one.
            RbeeError: as ``Shelf.by_id``.
        """
        found = await anyio.to_thread.run_sync(self.shelf.known, asked.model)
        if found is None:
            try:
                self._reading.acquire_nowait()
            except anyio.WouldBlock:
                raise CapacityError(
                    "This hive reads a model file for its digest now.", retry_after_s=1
                ) from None
            try:
                found = await anyio.to_thread.run_sync(self.shelf.read, asked.model)
            finally:
                self._reading.release()
        ticket, expires_at = self.tickets.issue(found.sha256, asked.reader, time.time())
        return ModelTicket(
            model=found.model,
            file=found.path.name,
            sha256=found.sha256,
            size_bytes=found.size_bytes,
            ticket=ticket,
            expires_at=expires_at,
        )

    async def send(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a file whose asker is known to be allowed.

        Raises:
            RbeeError: as ``Uploads.answer``, before anything was sent.
        """
        headers: dict[bytes, bytes] = dict(scope["headers"])
        asked = headers.get(b"range")
        await self.uploads.answer(
            digest_in(scope["path"]),
            asked.decode("latin-1") if asked is not None else None,
            receive,
            send,
            head=scope["method"] == "HEAD",
        )


def digest_in(path: str) -> str:
    """The digest that a path of this door names.

    Raises:
        InvalidRequest: it is none.
    """
    digest = path.removeprefix(FILES_PATH)
    if not is_digest(digest):
        raise InvalidRequest("A model file is named by 64 hex digits, its sha256.", param="sha256")
    return digest
