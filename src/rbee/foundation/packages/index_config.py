"""Where this machine's packages come from: what pip and uv are told, read without them.

The starter model is in a package, and a machine that reaches packages only
through a mirror says so in pip's or uv's configuration: environment variables,
``pip.conf``, ``uv.toml``. Neither program needs to be installed. An environment
variable wins over a file, a nearer file over a farther one. Index URLs may hold
credentials, so nothing here is ever logged; ``shown`` is what a person may see.
"""

import configparser
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec

PUBLIC_INDEX: Final = "the public package index"
_CA_VARIABLES: Final = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_PIP_SECTIONS: Final = ("global", "install", "download")  # a later one wins


class IndexConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Places to look for a package, in order: links, indexes, then the public one.

    ``public`` says whether the public index counts too; its address is the
    library's own default.
    """

    find_links: tuple[str, ...] = ()
    index_urls: tuple[str, ...] = ()
    public: bool = True
    trusted_hosts: tuple[str, ...] = ()
    ca_file: str | None = None

    def __repr__(self) -> str:
        return f"IndexConfig({', '.join(self.shown())})"

    def shown(self) -> list[str]:
        """The places without credentials."""
        places = [without_credentials(place) for place in (*self.find_links, *self.index_urls)]
        return [*places, PUBLIC_INDEX] if self.public else places


class _Told(msgspec.Struct):
    """What one program is told."""

    default: str | None = None
    extra: list[str] = msgspec.field(default_factory=list[str])
    links: list[str] = msgspec.field(default_factory=list[str])
    no_index: bool = False
    trusted: list[str] = msgspec.field(default_factory=list[str])
    cert: str | None = None


def read_index_config(environ: Mapping[str, str] = os.environ) -> IndexConfig:
    """Read both programs' settings. A file that cannot be read counts as absent."""
    pip, uv = _pip(environ), _uv(environ)
    none = pip.no_index or uv.no_index
    indexes = [] if none else [pip.default, uv.default, *pip.extra, *uv.extra]
    named = next((environ[name] for name in _CA_VARIABLES if environ.get(name)), None)
    return IndexConfig(
        find_links=_unique([*pip.links, *uv.links]),
        index_urls=_unique(indexes),
        public=not none and pip.default is None and uv.default is None,
        trusted_hosts=_unique([*pip.trusted, *uv.trusted]),
        ca_file=environ.get("PIP_CERT") or pip.cert or named,
    )


def without_credentials(place: str) -> str:
    """A URL without user, password, query and fragment; a path as it is."""
    parts = urlsplit(place)
    if not parts.netloc:
        return place
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _unique(places: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(place for place in places if place))


# ── pip ──────────────────────────────────────────────────────────────────────


def _pip(environ: Mapping[str, str]) -> _Told:
    settings: dict[str, str] = {}
    for path in _pip_files(environ):
        settings.update(_read_ini(path))
    for key in ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert"):
        if value := environ.get(f"PIP_{key.replace('-', '_').upper()}"):
            settings[key] = value
    return _Told(
        default=settings.get("index-url", "").strip() or None,
        extra=settings.get("extra-index-url", "").split(),
        links=settings.get("find-links", "").split(),
        no_index=_truth(settings.get("no-index", "")),
        trusted=settings.get("trusted-host", "").split(),
        cert=settings.get("cert", "").strip() or None,
    )


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Pip's files, the farthest first, as its documentation lists them."""
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    if sys.platform == "win32":
        yield Path(environ.get("PROGRAMDATA", "C:\\ProgramData")) / "pip" / "pip.ini"
        yield home / "pip" / "pip.ini"
        yield Path(environ.get("APPDATA", home)) / "pip" / "pip.ini"
        yield Path(sys.prefix) / "pip.ini"
    else:
        if sys.platform == "darwin":
            yield Path("/Library/Application Support/pip/pip.conf")
        for folder in reversed(environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")):
            yield Path(folder) / "pip" / "pip.conf"
        yield Path("/etc/pip.conf")
        yield home / ".pip" / "pip.conf"
        if sys.platform == "darwin":
            yield home / "Library/Application Support/pip/pip.conf"
        yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
        yield Path(sys.prefix) / "pip.conf"
    if chosen:
        yield Path(chosen).expanduser()


def _read_ini(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}
    found: dict[str, str] = {}
    for section in _PIP_SECTIONS:
        if parser.has_section(section):
            found.update({key.replace("_", "-"): value for key, value in parser.items(section)})
    return found


def _truth(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on", "y", "t"}


# ── uv ───────────────────────────────────────────────────────────────────────


def _uv(environ: Mapping[str, str]) -> _Told:
    told = _Told()
    for path in _uv_files(environ):
        _add_toml(told, path)
    if default := environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL"):
        told.default = _uv_url(default)
    extra = (environ.get("UV_INDEX", "") + " " + environ.get("UV_EXTRA_INDEX_URL", "")).split()
    if extra:
        told.extra = [_uv_url(entry) for entry in extra]
    if links := environ.get("UV_FIND_LINKS"):
        told.links = links.replace(",", " ").split()
    if hosts := environ.get("UV_INSECURE_HOST"):
        told.trusted = hosts.split()
    told.no_index = told.no_index or _truth(environ.get("UV_NO_INDEX", ""))
    return told


def _uv_files(environ: Mapping[str, str]) -> Iterator[Path]:
    if _truth(environ.get("UV_NO_CONFIG", "")):
        return
    if chosen := environ.get("UV_CONFIG_FILE"):
        yield Path(chosen).expanduser()
        return
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    if sys.platform == "win32":
        yield Path(environ.get("PROGRAMDATA", "C:\\ProgramData")) / "uv" / "uv.toml"
        yield Path(environ.get("APPDATA", home)) / "uv" / "uv.toml"
        return
    yield Path("/etc/uv/uv.toml")
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "uv" / "uv.toml"


def _add_toml(told: _Told, path: Path) -> None:
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return
    pip_section = settings.get("pip")
    tables = [settings]
    if isinstance(pip_section, dict):
        tables.insert(0, cast("dict[str, Any]", pip_section))
    for table in tables:
        if isinstance(url := table.get("index-url"), str):
            told.default = url
        told.extra.extend(_strings(table.get("extra-index-url")))
        told.links.extend(_strings(table.get("find-links")))
        told.trusted.extend(_strings(table.get("allow-insecure-host")))
        told.no_index = told.no_index or table.get("no-index") is True
        for entry in _tables(table.get("index")):
            if not isinstance(url := entry.get("url"), str):
                continue
            if entry.get("default") is True:
                told.default = url
            else:
                told.extra.append(url)


def _strings(value: object) -> list[str]:
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]


def _tables(value: object) -> list[dict[str, Any]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]


def _uv_url(entry: str) -> str:
    """Uv writes ``name=url`` where it names an index."""
    name, equals, url = entry.strip().partition("=")
    return url if equals and "://" not in name else entry.strip()
