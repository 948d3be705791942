"""Bodies of requests, as llama.cpp's server reads them: tolerant, ``model`` ignored."""

from typing import Literal, TypeAlias, TypeVar

import msgspec

from rbee.contracts.openai import StreamOptions
from rbee.worker.api.answers import Refusal


class TextPart(msgspec.Struct):
    """One part of a message's content; parts other than text are not for this engine."""

    type: str = "text"
    text: str = ""


class Message(msgspec.Struct):
    """One message of a chat."""

    role: str
    content: str | list[TextPart] | None = None

    def as_text(self) -> str:
        """The content as one string."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class Generation(msgspec.Struct, kw_only=True):
    """What the three generating routes share. -1 or null is no limit."""

    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n_predict: int | None = None

    @property
    def limit(self) -> int | None:
        """The most tokens to generate; llama.cpp makes at least one."""
        for asked in (self.max_completion_tokens, self.max_tokens, self.n_predict):
            if asked is not None and asked >= 0:
                return max(1, asked)
        return None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with its token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatRequest(Generation, kw_only=True):
    """``POST /v1/chat/completions``."""

    messages: list[Message]

    @property
    def turns(self) -> list[tuple[str, str]]:
        """The messages as (role, text) pairs."""
        return [(message.role, message.as_text()) for message in self.messages]

    @property
    def given(self) -> str:
        """The text that the request brought for its answer; a whole answer restates it."""
        last = self.messages[-1] if self.messages else None
        return last.as_text() if last and last.role == "assistant" else ""


class CompletionRequest(Generation, kw_only=True):
    """``POST /v1/completions`` and ``POST /completion``."""

    prompt: str


TextRequest: TypeAlias = ChatRequest | CompletionRequest


class TokenizeRequest(msgspec.Struct):
    """``POST /tokenize``."""

    content: str = ""
    with_pieces: bool = False


class EmbeddingsRequest(msgspec.Struct):
    """``POST /v1/embeddings``. ``model`` is echoed, as llama.cpp does."""

    input: str | list[str]
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"

    @property
    def texts(self) -> list[str]:
        """One text per wanted vector."""
        return [self.input] if isinstance(self.input, str) else self.input


Body = TypeVar("Body", bound=msgspec.Struct)


def read(body: bytes, type_: type[Body]) -> Body:
    """Decode a body, whatever its Content-Type.

    Raises:
        Refusal: 400, no JSON, or a field is missing or of the wrong type.
    """
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, str(error), "invalid_request_error") from None
