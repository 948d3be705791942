"""Ids of models as names of folders and files, on every file system.

Ids come from requests and from a hub, so they are hostile until they pass here:
no separator, no dot name, no name that Windows reserves, no more than
``FOLDER_LENGTH_MAX`` characters. Where a name had to be changed, or could be
another id's plain form, a part of the id's digest keeps the two apart. Ids that
differ only in case are one id.
"""

import hashlib
import re
from typing import Final

from rbee.contracts.aliases import parse_repository

FOLDER_LENGTH_MAX: Final = 120  # Windows allows 260 for the whole path
PART_SUFFIX: Final = ".part"
_DIGEST_LENGTH: Final = 10  # 40 bits: a collision needs a million models of one form
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_RESERVED: Final = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE
)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def sanitise_id(model_id: str) -> str:
    """The folder of a model: ``org/repo:f.gguf`` → ``org--repo--f.gguf``."""
    readable = re.sub(r"[/:]", "--", model_id)
    faithful = _PLAIN.fullmatch(model_id) or parse_repository(model_id)
    if "--" in model_id or model_id.count("/") > 1:
        faithful = None
    return _safe(readable, model_id, keep=faithful is not None)


def safe_file_name(name: str) -> str:
    """The last part of a path in a repository, as the name of a file here."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return _safe(last, name, keep=_PLAIN.fullmatch(last) is not None)


def is_sha256(text: str | None) -> bool:
    """Whether ``text`` is a digest in lower-case hex, and nothing else."""
    return text is not None and _SHA256.fullmatch(text) is not None


def _safe(readable: str, original: str, *, keep: bool) -> str:
    """``readable`` without what a file system minds; marked where it was changed."""
    name = _UNSAFE.sub("-", readable).strip(".-")
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    ending = name.lower().endswith(PART_SUFFIX)
    if keep and name and not ending and len(name) <= FOLDER_LENGTH_MAX:
        return name
    digest = hashlib.sha256(original.casefold().encode(errors="replace")).hexdigest()
    head = name[: FOLDER_LENGTH_MAX - _DIGEST_LENGTH - 1].strip(".-") or "model"
    return f"{head}-{digest[:_DIGEST_LENGTH]}"
