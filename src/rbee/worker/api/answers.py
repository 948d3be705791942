"""Answers in llama.cpp's shapes, as recorded from its server.

Nothing here knows of HTTP but the framing of an event: every function returns
one JSON value, or the bytes of one whole SSE event.
"""

import base64
import secrets
import struct
import time
from typing import Literal, TypeAlias

import msgspec

FINGERPRINT = "scripted"
DONE_EVENT = b"data: [DONE]\n\n"
PING = b":\n\n"
GARBAGE_EVENT = b'data: {"choices":[{"delta":\x00\xff not json\n\n'

Json: TypeAlias = dict[str, object]
Finish: TypeAlias = Literal["stop", "length"]
Route: TypeAlias = Literal["chat", "completions", "completion"]


class Refusal(Exception):
    """A request that ends with an error in llama.cpp's shape, which is not rbee's own."""

    def __init__(self, status: int, message: str, type_: str, **more: int) -> None:
        super().__init__(message)
        self.status = status
        error: Json = {"code": status, "message": message, "type": type_, **more}
        self.body: Json = {"error": error}


def event(value: Json) -> bytes:
    """One SSE event."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


class Tally(msgspec.Struct, kw_only=True):
    """What one request used. Times in seconds."""

    prompt_tokens: int
    predicted_tokens: int = 0
    prompt_s: float = 0.0
    predicted_s: float = 0.0

    def usage(self) -> Json:
        """OpenAI's token counts."""
        return {
            "completion_tokens": self.predicted_tokens,
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": self.prompt_tokens + self.predicted_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
        }

    def timings(self) -> Json:
        """llama.cpp's ``timings``; rates are 0 where nothing took time."""
        return {
            "cache_n": 0,
            **_pace("prompt", self.prompt_tokens, self.prompt_s),
            **_pace("predicted", self.predicted_tokens, self.predicted_s),
        }


def _pace(name: str, tokens: int, seconds: float) -> Json:
    return {
        f"{name}_n": tokens,
        f"{name}_ms": seconds * 1_000,
        f"{name}_per_token_ms": seconds * 1_000 / tokens if tokens else 0.0,
        f"{name}_per_second": tokens / seconds if seconds else 0.0,
    }


class Scribe:
    """Writes one request's answer: the same id and time in every event of it."""

    def __init__(self, route: Route, model: str, tally: Tally) -> None:
        self._route: Route = route
        self._model = model
        self._tally = tally
        self._id = "chatcmpl-" + secrets.token_hex(16)
        self._created = int(time.time())

    def opening(self) -> bytes:
        """What comes with the first token: in a chat, the role."""
        if self._route != "chat":
            return b""
        return event(self._chunk({"role": "assistant", "content": None}, None))

    def token(self, text: str) -> bytes:
        """The event of one token."""
        match self._route:
            case "chat":
                return event(self._chunk({"content": text}, None))
            case "completions":
                return event(self._text_choice(text, None))
            case "completion":
                tally = self._tally
                return event(
                    {
                        "index": 0,
                        "content": text,
                        "tokens": [],
                        "stop": False,
                        "id_slot": -1,
                        "tokens_predicted": tally.predicted_tokens,
                        "tokens_evaluated": tally.prompt_tokens,
                    }
                )

    def ending(self, finish: Finish, prompt: str, *, usage: bool) -> bytes:
        """The last events of a stream; ``/completion`` alone has no ``[DONE]``."""
        timings = self._tally.timings()
        match self._route:
            case "completion":
                return event(self._native("", finish, prompt))
            case "completions":
                last = self._text_choice("", finish) | {"timings": timings}
                if usage:
                    last["usage"] = self._tally.usage()
                return event(last) + DONE_EVENT
            case "chat":
                last = self._chunk({}, finish)
                if not usage:
                    return event(last | {"timings": timings}) + DONE_EVENT
                counts: Json = {"choices": [], "usage": self._tally.usage(), "timings": timings}
                return event(last) + event(last | counts) + DONE_EVENT

    def whole(self, text: str, finish: Finish, prompt: str) -> Json:
        """The answer to a caller who does not stream."""
        tail: Json = {"usage": self._tally.usage(), "timings": self._tally.timings()}
        match self._route:
            case "completion":
                return self._native(text, finish, prompt)
            case "completions":
                return self._text_choice(text, finish) | tail
            case "chat":
                choice: Json = {
                    "finish_reason": finish,
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                }
                return {"choices": [choice], **self._head("chat.completion"), **tail}

    def _head(self, object_: str) -> Json:
        return {
            "created": self._created,
            "id": self._id,
            "model": self._model,
            "system_fingerprint": FINGERPRINT,
            "object": object_,
        }

    def _chunk(self, delta: Json, finish: Finish | None) -> Json:
        choice: Json = {"finish_reason": finish, "index": 0, "delta": delta}
        return {"choices": [choice], **self._head("chat.completion.chunk")}

    def _text_choice(self, text: str, finish: Finish | None) -> Json:
        choice: Json = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
        return {"choices": [choice], **self._head("text_completion")}

    def _native(self, text: str, finish: Finish, prompt: str) -> Json:
        tally = self._tally
        return {
            "index": 0,
            "content": text,
            "tokens": [],
            "id_slot": 0,
            "stop": True,
            "model": self._model,
            "tokens_predicted": tally.predicted_tokens,
            "tokens_evaluated": tally.prompt_tokens,
            "generation_settings": {},
            "prompt": prompt,
            "has_new_line": False,
            "truncated": False,
            "stop_type": "limit" if finish == "length" else "eos",
            "stopping_word": "",
            "tokens_cached": tally.prompt_tokens + tally.predicted_tokens,
            "timings": tally.timings(),
        }


def embeddings(model: str, vectors: list[list[float]], tokens: int, *, as_base64: bool) -> Json:
    """``POST /v1/embeddings``: one row per text, as numbers or as little-endian floats."""
    rows: list[Json] = [
        {
            "embedding": _packed(vector) if as_base64 else vector,
            "index": index,
            "object": "embedding",
            **({"encoding_format": "base64"} if as_base64 else {}),
        }
        for index, vector in enumerate(vectors)
    ]
    usage: Json = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"model": model, "object": "list", "usage": usage, "data": rows}


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def models(alias: str, context_tokens: int) -> Json:
    """``GET /v1/models``: the one that is loaded."""
    row: Json = {
        "id": alias,
        "aliases": [alias],
        "tags": [],
        "object": "model",
        "created": int(time.time()),
        "owned_by": "rbee",
        "meta": {"n_ctx": context_tokens, "n_ctx_train": context_tokens},
    }
    return {"object": "list", "data": [row]}


def props(alias: str, context_tokens: int, slots: int) -> Json:
    """``GET /props``: the part that a hive and a queen read."""
    return {
        "default_generation_settings": {"params": {}, "n_ctx": context_tokens},
        "total_slots": slots,
        "model_alias": alias,
        "model_path": alias,
        "modalities": {"vision": False, "video": False, "audio": False},
        "endpoint_slots": True,
        "endpoint_props": False,
        "endpoint_metrics": True,
        "ui": False,
        "chat_template": "",
        "chat_template_caps": {
            "supports_string_content": True,
            "supports_system_role": True,
            "supports_tools": False,
            "supports_tool_calls": False,
            "supports_parallel_tool_calls": False,
        },
        "build_info": FINGERPRINT,
        "is_sleeping": False,
    }
