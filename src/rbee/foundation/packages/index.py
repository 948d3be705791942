"""Find one wheel on the configured indexes: pages in, a link out.

The library ``unearth`` reads the pages (HTML and JSON, files and folders). It is
asked one place at a time, so that an index which does not answer is a note in
the error instead of the end, and it never sees a URL with credentials: they are
given to its authentication, and no log line can hold them. Blocking; the caller
runs it in a thread.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx2
import msgspec

from rbee.errors import HubError
from rbee.foundation.packages.certificates import trust
from rbee.foundation.packages.index_config import PUBLIC_INDEX, IndexConfig, without_credentials

if TYPE_CHECKING:  # unearth takes 0.15 s to load, and is rarely needed
    from packaging.tags import Tag
    from unearth import Link

INDEX_TIMEOUT_S: Final = 30.0  # an index page is small, a mirror may have to fetch it first


class WheelLink(msgspec.Struct, frozen=True, kw_only=True):
    """Where the wheel is: a URL without credentials, or a local file."""

    url: str
    hashes: Mapping[str, str]
    auth: httpx2.Auth | None = None
    local_path: Path | None = None


def find_wheel(wanted: str, config: IndexConfig, tags: "Sequence[Tag] | None" = None) -> WheelLink:
    """The best wheel for a requirement (``name==1.2``), from the first place that has one.

    ``tags`` are those of another machine, the best first; null is this one.

    Raises:
        HubError: no place has it; says where it was looked for.
    """
    # Imported here: 0.15 s that only a machine without the package pays, once.
    from unearth import PackageFinder, TargetPython  # noqa: PLC0415  as the line above says
    from unearth.auth import MultiDomainBasicAuth  # noqa: PLC0415  # as above
    from unearth.fetchers import PyPIClient  # noqa: PLC0415  # as above

    # Absent pages are normal here (several places are tried) and are in our own error.
    logging.getLogger("unearth").setLevel(logging.ERROR)
    secrets = [*config.find_links, *config.index_urls]
    auth = MultiDomainBasicAuth(prompting=False, index_urls=secrets)
    notes: list[str] = []
    target = TargetPython()
    if tags is not None:
        target.supported_tags = lambda: list(tags)  # it would make others from names of platforms
    with PyPIClient(
        trusted_hosts=config.trusted_hosts,
        verify=trust(config.ca_file),
        timeout=INDEX_TIMEOUT_S,
        auth=auth,
        follow_redirects=True,
    ) as session:
        for shown, links, indexes in _places(config):
            finder = PackageFinder(
                session,  # pyright: ignore[reportArgumentType]  # its own client, by its docs
                index_urls=indexes,
                find_links=links,
                target_python=target,
                only_binary=[":all:"],
            )
            try:
                best = finder.find_best_match(wanted).best
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
                notes.append(f"{shown} ({type(error).__name__})")
                continue
            if best is not None:
                return _wheel(best.link, auth)
            notes.append(shown)
    raise HubError(
        f"A wheel of {wanted} was not found at: {', '.join(notes) or 'no index'}.",
        remedy="Name a package index that has it (PIP_INDEX_URL or UV_DEFAULT_INDEX), check the"
        f" network, or install it by hand: `pip install --no-deps {wanted}`.",
    )


def _places(config: IndexConfig) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each place as (its name for people, links, indexes); both empty is the public index."""
    for place in config.find_links:
        yield without_credentials(place), [_bare(place)], []
    for place in config.index_urls:
        yield without_credentials(place), [], [_bare(place)]
    if config.public:
        yield PUBLIC_INDEX, [], []


def _wheel(link: "Link", auth: httpx2.Auth) -> WheelLink:
    hashes = {name: values[0] for name, values in (link.hash_option or {}).items()}
    return WheelLink(
        url=link.url_without_fragment,
        hashes=hashes,
        auth=auth,
        local_path=link.file_path if link.is_file else None,
    )


def _bare(place: str) -> str:
    parts = urlsplit(place)
    return (
        parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.netloc else place
    )
