"""How pip and others build rbee: hatchling, with the console built before it packs.

A wheel and an sdist hold the built console; a wheel made from that sdist finds it up to date.
Whether Node must be fetched for it is decided here, for each kind of build, which a hook of
hatchling's cannot do: an editable install (a checkout, where ``make console`` is run) builds
no console and must not fetch 60 MB for it.
"""

import build_console
from hatchling import build as hatchling
from hatchling.build import *  # noqa: F403  its interface is ours, but for what stands below

_Settings = dict[str, object] | None


def get_requires_for_build_wheel(config_settings: _Settings = None) -> list[str]:
    """Node as a package, where this machine has none and the console must be built."""
    return [*hatchling.get_requires_for_build_wheel(config_settings), *_node()]


def get_requires_for_build_sdist(config_settings: _Settings = None) -> list[str]:
    """As for a wheel: the sdist brings the console along."""
    return [*hatchling.get_requires_for_build_sdist(config_settings), *_node()]


def build_wheel(
    wheel_directory: str,
    config_settings: _Settings = None,
    metadata_directory: str | None = None,
) -> str:
    """The console, then the wheel."""
    build_console.build(in_place=False)
    return hatchling.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: _Settings = None) -> str:
    """The console, then the sdist."""
    build_console.build(in_place=False)
    return hatchling.build_sdist(sdist_directory, config_settings)


def _node() -> list[str]:
    needed = build_console.requirement()
    return [] if needed is None else [needed]
