"""Numbers as people read them: sizes, rates, durations. Pure.

Sizes are decimal (1 MB is 1,000,000 bytes), as model hubs and disk makers count.
"""

_STEP = 1000  # decimal units
_SIZE_UNITS = ("B", "kB", "MB", "GB", "TB")
_MINUTE_S = 60  # seconds in a minute
_HOUR_S = 3600  # seconds in an hour
_DAY_S = 86_400  # seconds in a day
_ONE_DECIMAL_BELOW = 10  # two digits are what people read at a glance

UNKNOWN = "-"


def size_text(size_bytes: float | None) -> str:
    """``105 MB``, ``4.7 GB``; a dash when unknown."""
    if size_bytes is None:
        return UNKNOWN
    value = float(size_bytes)
    for unit in _SIZE_UNITS:
        if round(value) < _STEP or unit == _SIZE_UNITS[-1]:
            decimals = 1 if 0 < value < _ONE_DECIMAL_BELOW and unit not in {"B", "kB"} else 0
            return f"{value:.{decimals}f} {unit}"
        value /= _STEP
    raise AssertionError  # the last unit returns


def rate_text(bytes_per_s: float | None) -> str:
    """``12 MB/s``; a dash when unknown."""
    return UNKNOWN if bytes_per_s is None else f"{size_text(bytes_per_s)}/s"


def duration_text(duration_s: float | None) -> str:
    """``0.4 s``, ``42 s``, ``3 min 5 s``, ``2 h 10 min``, ``3 d 4 h``; a dash when unknown."""
    if duration_s is None:
        return UNKNOWN
    if duration_s < _ONE_DECIMAL_BELOW:
        return f"{max(duration_s, 0):.1f} s"
    whole = round(duration_s)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return _two(whole, _MINUTE_S, "min", 1, "s")
    if whole < _DAY_S:
        return _two(whole, _HOUR_S, "h", _MINUTE_S, "min")
    return _two(whole, _DAY_S, "d", _HOUR_S, "h")


def percent_text(part: float, whole: float | None) -> str:
    """``45 %``; a dash when the whole is unknown."""
    return UNKNOWN if not whole else f"{min(100, 100 * part / whole):.0f} %"


def count_text(number: int, noun: str) -> str:
    """``1 worker``, ``3 workers``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _two(whole: int, large_s: int, large: str, small_s: int, small: str) -> str:
    rest = whole % large_s // small_s
    return f"{whole // large_s} {large}" + (f" {rest} {small}" if rest else "")
