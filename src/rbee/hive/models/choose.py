"""Which file of a repository to take: pure.

A repository of GGUF files holds one model in a dozen qualities, beside things
that are no model at all (projectors, importance matrices). ``QUALITY_ORDER`` is
the order in which a quality is preferred when none was asked for: the usual
four-bit mix first, then its neighbours, then what is larger, then what is worse.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from rbee.contracts.aliases import ModelSource
from rbee.errors import NoUsableFile

QUALITY_ORDER: Final = (
    "Q4_K_M", "Q4_K_L", "Q4_K_XL", "Q4_K_S", "IQ4_XS", "IQ4_NL", "Q4_1", "Q4_0", "Q4",
    "MXFP4", "Q5_K_M", "Q5_K_L", "Q5_K_S", "Q5_1", "Q5_0", "Q6_K", "Q6_K_L", "Q8_0",
    "Q3_K_L", "Q3_K_XL", "Q3_K_M", "IQ3_M", "Q3_K_S", "IQ3_XS", "Q2_K", "Q2_K_L", "F16",
    "BF16", "F32",
)  # fmt: skip
_QUALITY: Final = re.compile(
    r"(?:^|[-._])(I?Q[1-8](?:_[A-Z0-9]{1,3}){0,3}|TQ[12]_0|MXFP4|BF16|FP?16|FP?32)(?=[-._]|$)",
    re.IGNORECASE,
)
_SPLIT: Final = re.compile(r"-(?P<index>\d{5})-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE)
_NO_MODEL: Final = re.compile(
    r"(?:^|[-_./])(?:mmproj|imatrix|ggml-vocab|vocab|lora|adapter)(?=[-_.])", re.IGNORECASE
)
PARTS_MAX: Final = 1_000  # the largest models known come in some 200
_SHOWN_MAX: Final = 12  # an error names so many files and counts the rest


class RepositoryFile(msgspec.Struct, frozen=True):
    """One file of a repository, as its listing says. Unknown is null."""

    path: str
    size_bytes: int | None = None
    sha256: str | None = None


def quality_of(path: str) -> str | None:
    """The quantisation that a file's name tells: ``…-Q4_K_M.gguf`` → ``Q4_K_M``."""
    stem = path.rsplit("/", 1)[-1].removesuffix(".gguf")
    found: list[str] = _QUALITY.findall(stem)
    if not found:
        return None
    return (
        found[-1].upper().replace("FP", "F") if found[-1].upper()[0] == "F" else found[-1].upper()
    )


def models_in(files: Sequence[RepositoryFile]) -> list[RepositoryFile]:
    """The files that are models: GGUF, and no projector, matrix or adapter."""
    return [
        file
        for file in files
        if file.path.lower().endswith(".gguf") and not _NO_MODEL.search(file.path)
    ]


class PartNames(NamedTuple):
    """The model that a part belongs to, and the names of all its parts, the first first."""

    stem: str
    names: tuple[str, ...]


def parts_of(name: str) -> PartNames | None:
    """What a file's name says of the parts of its model; None when it is a whole one.

    More than ``PARTS_MAX`` parts, or a part beyond the last, are no part's name.
    """
    found = _SPLIT.search(name)
    if found is None or not 1 <= int(found["index"]) <= int(found["count"]) <= PARTS_MAX:
        return None
    stem, count = name[: found.start()], int(found["count"])
    suffix = name[found.end("count") :]
    names = (f"{stem}-{index:05d}-of-{count:05d}{suffix}" for index in range(1, count + 1))
    return PartNames(stem, tuple(names))


def choose_file(
    files: Sequence[RepositoryFile], source: ModelSource, *, strict: bool
) -> RepositoryFile | None:
    """The file to take; None when the repository holds no GGUF model at all.

    ``strict``: the quality in ``source`` was asked for by a person and is not
    replaced by another.

    Raises:
        NoUsableFile: the file or quality asked for is not there, or the model
            is split into several files.
    """
    if source.file is not None:
        return _named(files, source)
    models = models_in(files)
    if not models:
        return None
    whole = [file for file in models if not _SPLIT.search(file.path)]
    wanted = source.quantization
    fitting = [file for file in whole if wanted and quality_of(file.path) == wanted]
    if fitting:
        return min(fitting, key=_plainness)
    if wanted and strict:
        if any(quality_of(_SPLIT.sub("", file.path)) == wanted for file in models):
            raise _split(source.repo, wanted)
        raise NoUsableFile(
            f"{source.repo} has no {wanted} file.",
            remedy=f"It has: {_shown(whole or models)}.",
        )
    if not whole:
        raise _split(source.repo, "every quality")
    return min(whole, key=_rank)


def open_choice(
    files: Sequence[RepositoryFile], source: ModelSource, *, strict: bool
) -> list[RepositoryFile]:
    """The qualities that may be taken when the choice is ours, the preferred first.

    One file of each quality. Empty when a file or (``strict``) a quality was asked
    for. A quality in ``source`` that is only a preference comes first.
    """
    if source.file is not None or (strict and source.quantization):
        return []
    whole = [file for file in models_in(files) if not _SPLIT.search(file.path)]
    best: dict[str, RepositoryFile] = {}
    for file in sorted(whole, key=_rank):
        best.setdefault(quality_of(file.path) or file.path, file)
    return sorted(best.values(), key=lambda f: quality_of(f.path) != source.quantization)


def _named(files: Sequence[RepositoryFile], source: ModelSource) -> RepositoryFile:
    wanted = (source.file or "").casefold()
    for file in files:
        if wanted in {file.path.casefold(), file.path.rsplit("/", 1)[-1].casefold()}:
            if _SPLIT.search(file.path):
                raise _split(source.repo, file.path)
            return file
    raise NoUsableFile(
        f"{source.repo} has no file {source.file}.",
        remedy=f"It has: {_shown(models_in(files))}.",
    )


def _split(repo: str, what: str) -> NoUsableFile:
    return NoUsableFile(
        f"{repo} holds {what} only split into several files, which rbee does not fetch yet.",
        remedy="Ask for a smaller quality (`org/repo:Q4_K_M`), or merge the parts with"
        " llama.cpp's gguf-split and give the file's path.",
    )


def _rank(file: RepositoryFile) -> tuple[int, int, int, str]:
    quality = quality_of(file.path)
    order = QUALITY_ORDER.index(quality) if quality in QUALITY_ORDER else len(QUALITY_ORDER)
    return (order, *_plainness(file))


def _plainness(file: RepositoryFile) -> tuple[int, int, str]:
    """Of equals the plainest name: fewest folders, then shortest."""
    return file.path.count("/"), len(file.path), file.path


def _shown(files: Sequence[RepositoryFile]) -> str:
    names = [file.path for file in files[:_SHOWN_MAX]]
    more = len(files) - len(names)
    return (", ".join(names) or "no GGUF file") + (f" and {more} more" if more > 0 else "")
