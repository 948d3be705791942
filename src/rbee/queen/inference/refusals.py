"""An engine's refusal as one of our errors, with numbers and a remedy where it has them."""

import msgspec

from rbee.errors import ContextExceeded, EngineError, InvalidRequest, RbeeError

_NOT_SUPPORTED = 501  # llama.cpp's word for "started without that feature"
_NO_SUCH_PATH = frozenset({404, 405})
_NO_SUCH_INPUT = "input is not supported"  # a picture or sound for a model of text: 500 there
_CONTEXT_EXCEEDED = "exceed_context_size_error"


class _Refusal(msgspec.Struct):
    message: str = ""
    type: str = ""
    n_prompt_tokens: int | None = None
    n_ctx: int | None = None


class _Envelope(msgspec.Struct):
    error: _Refusal


def refusal(status: int, body: bytes) -> RbeeError:
    """The error for an engine's answer that is not 200."""
    try:
        said = msgspec.json.decode(body, type=_Envelope).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        said = _Refusal(message=f"The worker answered {status}")
    if said.type == _CONTEXT_EXCEEDED:
        return ContextExceeded(
            f"The prompt has {said.n_prompt_tokens} tokens and the worker's context {said.n_ctx}."
        )
    message = said.message.rstrip(".") or "it gave no reason"
    if status in _NO_SUCH_PATH:
        return InvalidRequest(
            f"The worker's engine does not know this: {message}.",
            remedy="It may lack this endpoint; llama.cpp's server has all that is passed on.",
        )
    if _NO_SUCH_INPUT in message:
        # As a fault of the server clients would try it again, each time in vain.
        return InvalidRequest(
            f"This model cannot take that: {message.partition(' - hint')[0]}.",
            remedy="Ask in text, or choose a model that takes it.",
        )
    if 400 <= status < 500 or status == _NOT_SUPPORTED:  # noqa: PLR2004  4xx
        return InvalidRequest(f"The engine refused the request: {message}.")
    return EngineError(f"The engine failed: {message}.")
