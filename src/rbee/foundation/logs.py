"""Logs of the daemons: one event per line on stderr, readable or JSON.

Prompts, answers and keys are never logged: call sites pass names, counts and
ids, and ``_hide_secrets`` is the net below them. Every line that is written while a
request or a job is at work says which one (``of_request``).
"""

import logging
import os
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, TextIO, cast

import structlog

from rbee.foundation.log_ring import OWN, Tee

_SECRET_WORDS = ("key", "token", "secret", "authorization", "password", "prompt")
_HARMLESS = frozenset({"tokens", "max_tokens", "key_count"})


def set_up(room: str, *, level: str = "info") -> None:
    """Configure logging for this process. ``RBEE_LOG_FORMAT=json`` gives JSON lines."""
    tee = Tee(sys.stderr, OWN)
    as_json = os.environ.get("RBEE_LOG_FORMAT", "").lower() == "json"
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=0, pad_level=False
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _say_request,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _hide_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
        ),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", tee)),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(room=room)
    logging.basicConfig(level=logging.WARNING, stream=tee, format="%(message)s")


_request: ContextVar[tuple[str, str]] = ContextVar("rbee_request", default=("", ""))


def of_request(job_id: str, request_id: str = "") -> None:
    """All lines of this task, and of those that it starts, are about this request.

    One variable of a tuple, read only when a line is written: binding each name in
    structlog's own way costs a request twenty times as much.
    """
    _request.set((job_id, request_id))


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a module."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


def _say_request(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    job_id, request_id = _request.get()
    if job_id:
        event.setdefault("job", job_id)
        if request_id and request_id != job_id:  # the client gave one of its own
            event.setdefault("request", request_id)
    return event


def _hide_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name in event:
        lowered = name.lower()
        if lowered not in _HARMLESS and any(word in lowered for word in _SECRET_WORDS):
            event[name] = "(hidden)"
    return event
