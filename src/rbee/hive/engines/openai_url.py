"""Any OpenAI-compatible server as a worker: Ollama, LM Studio, SGLang, another machine's.

``rbee worker spawn MODEL --worker http://localhost:11434`` starts a relay of ours
(``rbee.worker``, engine ``upstream``) on a port from 9000: supervision, key, slots
and routing stay as for every worker, and the server itself is neither started nor
stopped. The rule: a URL comes from the operator (a spawn, or ``[[hive.upstreams]]``),
never from a request for tokens, and is http or https without credentials. A key
that the server wants stands in a file that the settings name.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rbee.errors import InvalidRequest
from rbee.hive.engine_settings import Takes, UpstreamSettings
from rbee.hive.engines.engine import (
    Adapter,
    Launch,
    LaunchSpec,
    Place,
    engine_env,
    worker_argv,
)

NAME: Final = "openai-url"
_SCHEMES: Final = ("http://", "https://")


def is_url(worker: str) -> bool:
    """Whether a spawn's ``worker`` is a URL."""
    return worker.strip().lower().startswith(_SCHEMES)


def checked_url(text: str) -> str:
    """The URL of a server without its path: ``/v1`` is added to every request.

    Raises:
        InvalidRequest: it cannot be used; says why.
    """
    parts = urlsplit(text.strip())
    path = parts.path.rstrip("/").removesuffix("/v1")
    try:
        wrong = not parts.hostname or parts.port == 0
    except ValueError:
        wrong = True
    if wrong or parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
        raise InvalidRequest(
            "That URL is no server's, at `$.worker`.",
            remedy="Write http://HOST:PORT or https://HOST:PORT.",
            param="$.worker",
        )
    if "@" in parts.netloc:
        raise InvalidRequest(
            "The URL has credentials in it, at `$.worker`.",
            remedy="Put the key into a file of mode 0600 and name it in [[hive.upstreams]].",
            param="$.worker",
        )
    return f"{parts.scheme}://{parts.netloc}{path}"


class OpenAIUrl(Adapter):
    """The relay to a server; ``known`` are those of the settings."""

    name = NAME
    takes: Takes = "name"
    unary_cancel = True

    def __init__(self, known: Sequence[UpstreamSettings] = ()) -> None:
        """Check the settings' URLs.

        Raises:
            InvalidRequest: one of them cannot be used.
        """
        self._known = {one.name.lower(): (checked_url(one.url), one) for one in known}

    def server_of(self, worker: str) -> str | None:
        """The server that a spawn's ``worker`` means, its name or its URL; None: none of them.

        Raises:
            InvalidRequest: it is a URL that cannot be used.
        """
        name = worker.strip().lower()
        if name in self._known:
            return name
        return checked_url(worker) if is_url(worker) else None

    def launch(self, spec: LaunchSpec, place: Place) -> Launch:
        """A relay of ours. The key's file is named, never its content."""
        server = spec.upstream or ""
        url, named = self._known.get(server, (server, None))
        more = ["--upstream", url]
        keys = [one.key_file for known, one in self._known.values() if known == url]
        if keys and keys[0] is not None:
            more += ["--upstream-key-file", str(Path(keys[0]).expanduser().absolute())]
        if named is not None and named.model is not None:
            more += ["--upstream-model", named.model]
        argv = worker_argv(spec, place, model_path=spec.model, engine="upstream", more=more)
        return Launch(argv=argv, env=engine_env(place, spec.env))
