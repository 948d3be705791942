"""A worker that costs nothing: prebuilt answers on raw sockets, llama.cpp's face.

Not an engine: it exists so that a benchmark measures the queen and not the
worker behind her. ``"stream"`` in the body decides between a stream of events and
one JSON answer, both fixed at start.

    python benchmarks/mock_worker.py PORT EVENTS
"""

import asyncio
import json
import re
import sys

_STREAM = re.compile(rb'"stream" *: *true')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _event(text: str, finish: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "starter",
        "choices": [choice],
    }


def _chunk(data: str) -> bytes:
    content = f"data: {data}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(content), content)


def prebuilt(events: int) -> tuple[bytes, list[bytes], bytes]:
    """The stream's head, its chunks (the last one with the end), and the unary answer."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunks = [_chunk(json.dumps(_event(f" w{n}"))) for n in range(events)]
    chunks.append(_chunk(json.dumps(_event("", "stop"))) + _chunk("[DONE]") + b"0\r\n\r\n")
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "starter",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi."},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
    }
    content = json.dumps(answer).encode()
    unary = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head, chunks, unary % len(content) + content


class MockWorker(asyncio.Protocol):
    """One connection: whole requests in, prebuilt bytes out."""

    def __init__(self, head: bytes, chunks: list[bytes], unary: bytes) -> None:
        self._head, self._chunks, self._unary = head, chunks, unary
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._resume = asyncio.Event()
        self._resume.set()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop writing."""
        _ = exc
        self._transport = None
        self._resume.set()

    def pause_writing(self) -> None:
        """The reader is slow: wait."""
        self._resume.clear()

    def resume_writing(self) -> None:
        """The reader is back."""
        self._resume.set()

    def data_received(self, data: bytes) -> None:
        """Answer as soon as the request is whole."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer[:end])
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) < whole or self._transport is None:
            return
        request, self._buffer = self._buffer[:whole], self._buffer[whole:]
        if _STREAM.search(request[end:]):
            self._transport.write(self._head)
            self._task = asyncio.get_running_loop().create_task(self._stream())
        else:
            self._transport.write(self._unary)

    async def _stream(self) -> None:
        # One write per event and a turn of the loop between them, as an engine's tokens come.
        for chunk in self._chunks:
            await self._resume.wait()
            if self._transport is None:
                return
            self._transport.write(chunk)
            await asyncio.sleep(0)


async def main(port: int, events: int) -> None:
    """Serve for ever."""
    built = prebuilt(events)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: MockWorker(*built), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
