"""Bring a wheel for another machine from the package index that this machine uses. Blocking."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx2
from packaging.requirements import Requirement
from packaging.tags import Tag

from rbee.errors import CorruptModel, HubError
from rbee.foundation.files import write_atomic
from rbee.foundation.packages.certificates import trust
from rbee.foundation.packages.index import WheelLink, find_wheel
from rbee.foundation.packages.index_config import IndexConfig, read_index_config

DOWNLOAD_S: Final = 60.0  # between two pieces of it, not for the whole


def fetch(requirement: Requirement, tags: Sequence[Tag], folder: Path) -> Path | None:
    """The best wheel of a package for these tags, in ``folder``; None where no index has one.

    Raises:
        CorruptModel: what came is not what the index said.
    """
    config = read_index_config()
    try:
        link = find_wheel(f"{requirement.name}{requirement.specifier}", config, tags)
        name = unquote(urlsplit(link.url).path.rpartition("/")[2])
        path = folder / name
        if not path.exists():
            write_atomic(path, _content(link, config))
    except (HubError, httpx2.HTTPError, OSError):
        return None  # it is left to the other machine's own index, and that is told
    return path


def _content(link: WheelLink, config: IndexConfig) -> bytes:
    if link.local_path is not None:
        content = link.local_path.read_bytes()
    else:
        with httpx2.Client(
            verify=trust(config.ca_file),
            auth=link.auth,
            timeout=DOWNLOAD_S,
            follow_redirects=True,
        ) as client:
            content = client.get(link.url).raise_for_status().content
    wanted = link.hashes.get("sha256")
    if wanted is not None and hashlib.sha256(content).hexdigest() != wanted:
        raise CorruptModel(
            f"{link.url.rpartition('/')[2]} is not what its index says: the digests differ.",
            remedy="Try again; if it stays, the index or a proxy in between is at fault.",
        )
    return content
