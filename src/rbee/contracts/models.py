"""A model: one file (or folder) that an engine can serve."""

from typing import Literal

import msgspec

ModelStatus = Literal["available", "downloading", "corrupt"]


class Model(msgspec.Struct, kw_only=True, omit_defaults=False):
    """A row of a hive's catalogue, on the wire and in ``metadata.json``'s answers.

    ``id`` is what a request's ``model`` names: ``starter``, ``org/repo:file.gguf``
    or the stem of a local file. ``aliases`` are the other names that lead here,
    among them the one it was first asked for by. ``architecture``,
    ``context_length`` (tokens), ``quantization`` and ``chat_template`` come from
    the file's own header; null where the header does not say.
    """

    id: str
    name: str
    size_bytes: int | None = None
    status: ModelStatus = "available"
    quantization: str | None = None
    context_length: int | None = None
    loaded: bool = False
    aliases: list[str] = msgspec.field(default_factory=list[str])
    architecture: str | None = None
    chat_template: bool | None = None
    embedding: bool | None = None
    sha256: str | None = None
    source: str | None = None
    reason: str | None = None


class DownloadProgress(msgspec.Struct, kw_only=True):
    """``data`` of a ``model_download_progress`` event; unknown is null.

    ``rate_bytes_s`` is a moving average over the last seconds.
    """

    bytes: int
    total: int | None = None
    rate_bytes_s: float | None = None
    eta_s: float | None = None
    phase: Literal["download", "verify", "install"] = "download"
