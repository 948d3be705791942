"""Find one wheel on the configured indexes: pages in, a link out.

The library ``unearth`` reads the pages (HTML and JSON, files and folders). It is
asked one place at a time, so that an index which does not answer is a note in
the error instead of the end, and it never sees a URL with credentials: they are
given to its authentication, and no log line can hold them. Blocking; the caller
runs it in a thread.
"""

import logging
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2
import msgspec

from rbee.errors import HubError
from rbee.hive.models.index_config import IndexConfig, without_credentials

INDEX_TIMEOUT_S: Final = 30.0  # an index page is small, a mirror may have to fetch it first


class WheelLink(msgspec.Struct, frozen=True, kw_only=True):
    """Where the wheel is: a URL without credentials, or a local file."""

    url: str
    hashes: Mapping[str, str]
    auth: httpx2.Auth | None = None
    local_path: Path | None = None


def find_wheel(distribution: str, version: str, config: IndexConfig) -> WheelLink:
    """The wheel of exactly this version, from the first place that has it.

    Raises:
        HubError: no place has it; says where it was looked for.
    """
    # Imported here: 0.15 s that only a machine without the package pays, once.
    from unearth import PackageFinder  # noqa: PLC0415
    from unearth.auth import MultiDomainBasicAuth  # noqa: PLC0415
    from unearth.fetchers import PyPIClient  # noqa: PLC0415

    # Absent pages are normal here (several places are tried) and are in our own error.
    logging.getLogger("unearth").setLevel(logging.ERROR)
    places = [("links", place) for place in config.find_links]
    places += [("index", place) for place in config.index_urls]
    auth = MultiDomainBasicAuth(prompting=False, index_urls=[place for _, place in places])
    notes: list[str] = []
    with PyPIClient(
        trusted_hosts=config.trusted_hosts,
        verify=trust(config.ca_file),
        timeout=INDEX_TIMEOUT_S,
        auth=auth,
        follow_redirects=True,
    ) as session:
        for kind, place in places:
            shown = without_credentials(place)
            clean = _bare(place)
            finder = PackageFinder(
                session,  # pyright: ignore[reportArgumentType]  # its own client, by its docs
                index_urls=[clean] if kind == "index" else [],
                find_links=[clean] if kind == "links" else [],
                only_binary=[":all:"],
            )
            try:
                best = finder.find_best_match(f"{distribution}=={version}").best
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
                notes.append(f"{shown} ({type(error).__name__})")
                continue
            if best is not None:
                link = best.link
                hashes = {name: values[0] for name, values in (link.hash_option or {}).items()}
                return WheelLink(
                    url=link.url_without_fragment,
                    hashes=hashes,
                    auth=auth,
                    local_path=link.file_path if link.is_file else None,
                )
            notes.append(shown)
    raise HubError(
        f"The package {distribution} {version} was not found at: {', '.join(notes) or 'no index'}.",
        remedy="Name a package index that has it (PIP_INDEX_URL or UV_DEFAULT_INDEX), check the"
        f" network, or install it by hand: `pip install --no-deps {distribution}=={version}`.",
    )


def trust(ca_file: str | None) -> ssl.SSLContext | bool:
    """The certificates to believe: the configured file or folder, else the platform's."""
    if ca_file is None or not Path(ca_file).exists():
        return True
    if Path(ca_file).is_dir():
        return ssl.create_default_context(capath=ca_file)
    return ssl.create_default_context(cafile=ca_file)


def _bare(place: str) -> str:
    parts = urlsplit(place)
    return (
        parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.netloc else place
    )
