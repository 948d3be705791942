"""Figures as tools and drivers write them: a number in its bounds, or unknown.

Drivers say ``[N/A]``, ``65535`` or nothing where they do not know, and a cut or
localised output is no number at all. One strict reading for all makers.
"""

import re
from typing import Final

MIB: Final = 1024 * 1024  # bytes

_NUMBER: Final = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,9})?")
_ANY_MAX: Final = 1e18  # more than any figure here; the text form allows as many digits
_PCT_MAX: Final = 100.0  # a share; drivers write 65535 for "unknown"
_TEMP_C_MAX: Final = 150.0  # chips shut down near 110
_POWER_W_MAX: Final = 10_000.0  # ten times today's largest; more is "unknown" in some unit
_MEMORY_MIB_MAX: Final = 64 * 1024 * 1024  # 64 TiB, above any machine


def number(said: object) -> float | None:
    """A plain number from a driver's value or a tool's words; anything else is unknown."""
    if isinstance(said, bool):
        return None
    if isinstance(said, (int, float)):
        return float(said) if abs(said) < _ANY_MAX else None  # neither NaN nor infinite
    if isinstance(said, str) and _NUMBER.fullmatch(said.strip()):
        return float(said)
    return None


def share_pct(said: object) -> float | None:
    """A utilisation in percent."""
    return _within(number(said), 0.0, _PCT_MAX)


def temperature_c(said: object) -> float | None:
    """A temperature in degrees Celsius; 0 is what drivers say of a sensor that is off."""
    found = _within(number(said), 0.0, _TEMP_C_MAX)
    return found or None


def power_w(said: object) -> float | None:
    """A power in watts."""
    found = _within(number(said), 0.0, _POWER_W_MAX)
    return None if found is None else round(found, 1)


def memory_mb(said: object, *, unit_bytes: int = MIB) -> float | None:
    """An amount of memory in MiB, given in ``unit_bytes``."""
    found = number(said)
    if found is None:
        return None
    found = _within(found * unit_bytes / MIB, 0.0, _MEMORY_MIB_MAX)
    return None if found is None else round(found, 1)


def left_mb(total_mb: float | None, used_mb: float | None) -> float | None:
    """What is free of an amount in MiB, when both are known."""
    if total_mb is None or used_mb is None:
        return None
    return round(max(0.0, total_mb - used_mb), 1)


def count(said: object) -> int | None:
    """A whole number from 0 up."""
    found = number(said)
    return int(found) if found is not None and found >= 0 and found.is_integer() else None


def words(said: object) -> str | None:
    """A name or version; placeholders and control characters are no name."""
    if isinstance(said, bytes):
        said = said.decode("utf-8", errors="replace")
    if not isinstance(said, str):
        return None
    text = " ".join(said.split())
    if not text or not text.isprintable() or text.strip("[]").lower() in _PLACEHOLDERS:
        return None
    return text[:_WORDS_LENGTH_MAX]


_WORDS_LENGTH_MAX: Final = 200  # the longest product name seen has 60
_PLACEHOLDERS: Final = frozenset(
    {"n/a", "na", "not supported", "unknown", "unknown error", "err!", "none"}
)


def _within(value: float | None, low: float, high: float) -> float | None:
    return value if value is not None and low <= value <= high else None
