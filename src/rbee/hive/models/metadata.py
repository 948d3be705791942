"""``metadata.json``: what the catalogue knows of one model.

Written once, when a file has been taken in and its header read, so that listing
a catalogue costs a few ``stat`` calls and no header.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from rbee.contracts.models import Model, ModelFacts
from rbee.foundation.gguf import GgufHeader, read_header
from rbee.foundation.gguf_types import RANK_POOLING

MODEL_SUFFIX: Final = ".gguf"
FORMAT_VERSION: Final = 1

Facts: TypeAlias = GgufHeader


class Metadata(msgspec.Struct, kw_only=True):
    """One model. ``file`` is a name in its folder, or an absolute path when ``in_place``.

    ``size_bytes`` and ``mtime_ns`` are the file's when it was taken in;
    ``added_at`` and ``last_used_at`` are Unix seconds; ``aliases`` are all its other
    names. A ``pinned`` model is not removed for room. ``parts`` are the absolute paths
    of the other parts of an ``in_place`` model that lies in several files; then
    ``size_bytes`` and the header's sums are those of all.
    """

    id: str
    name: str
    file: str
    source: str
    size_bytes: int
    mtime_ns: int
    added_at: float
    in_place: bool = False
    sha256: str | None = None
    aliases: list[str] = msgspec.field(default_factory=list[str])
    pinned: bool = False
    last_used_at: float | None = None
    parts: list[str] = msgspec.field(default_factory=list[str])
    header: Facts
    format: int = FORMAT_VERSION

    def path(self, folder: Path) -> Path:
        """Where the file is, given the model's folder."""
        return Path(self.file) if self.in_place else folder / self.file


def describe(
    path: Path,
    *,
    id: str,
    source: str,
    name: str | None = None,
    aliases: list[str] | None = None,
    sha256: str | None = None,
    in_place: bool = False,
) -> Metadata:
    """Read the file's header and make its metadata.

    Raises:
        CorruptModel: the file is damaged, truncated or no model.
    """
    header = read_header(path)
    found = path.stat()
    return Metadata(
        id=id,
        name=name or header.name or path.stem,
        file=str(path) if in_place else path.name,
        source=source,
        size_bytes=found.st_size,
        mtime_ns=found.st_mtime_ns,
        added_at=time.time(),
        in_place=in_place,
        sha256=sha256,
        aliases=aliases or [],
        header=header,
    )


def with_parts(metadata: Metadata, parts: Sequence[Path]) -> Metadata:
    """The metadata of a model whose other files are ``parts``: their sizes are added.

    Raises:
        CorruptModel: a part is damaged, truncated or no model.
    """
    headers = [metadata.header, *map(read_header, parts)]
    weights = sum(header.tensor_bytes for header in headers)
    facts = metadata.header.facts
    header = msgspec.structs.replace(
        metadata.header,
        tensor_count=sum(header.tensor_count for header in headers),
        tensor_bytes=weights,
        parameters=sum(header.parameters for header in headers),
        facts=None if facts is None else msgspec.structs.replace(facts, weights_bytes=weights),
    )
    return msgspec.structs.replace(
        metadata,
        header=header,
        parts=[str(part) for part in parts],
        size_bytes=metadata.size_bytes + sum(part.stat().st_size for part in parts),
    )


def as_model(metadata: Metadata, *, loaded: bool, reason: str | None) -> Model:
    """The row of the wire; ``reason`` says what is wrong with the file, if anything is."""
    header = metadata.header
    ranks = header.pooling == RANK_POOLING
    return Model(
        id=metadata.id,
        name=metadata.name,
        size_bytes=metadata.size_bytes,
        status="corrupt" if reason else "available",
        quantization=header.quantization,
        context_length=header.context_length,
        loaded=loaded,
        aliases=metadata.aliases,
        architecture=header.architecture,
        chat_template=header.chat_template,
        embedding=header.embedding and not ranks,
        rerank=ranks,
        sha256=metadata.sha256,
        source=metadata.source,
        reason=reason,
        facts=_short(header.facts),
        tools=header.tools,
        system_role=header.system_role,
        pinned=metadata.pinned,
        last_used_at=metadata.last_used_at,
    )


def _short(facts: ModelFacts | None) -> ModelFacts | None:
    """The facts for the wire: beats carry whole catalogues, so single layers stay here."""
    return None if facts is None else msgspec.structs.replace(facts, layer_bytes=())


def complaint(metadata: Metadata, folder: Path) -> str | None:
    """What is wrong with the model's file now, as far as ``stat`` can tell; null if nothing."""
    size_bytes = 0
    for path in (metadata.path(folder), *map(Path, metadata.parts)):
        try:
            size_bytes += path.stat().st_size
        except OSError:
            return f"its file {path} is gone"
    if size_bytes != metadata.size_bytes:
        return f"its file has {size_bytes:,} bytes, not {metadata.size_bytes:,}"
    return None
