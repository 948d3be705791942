"""The two lines above the table: the colony in figures, and how old they are. Pure."""

from typing import Final

from rich.text import Text

from rbee.client.state import STALE_S, Row, StateFeed, StateTables
from rbee.keeper.top.lines import bar
from rbee.keeper.units import UNKNOWN, count_text, duration_text

SPARK_MAX: Final = 60  # a minute of seconds
_SPARKS: Final = "▁▂▃▄▅▆▇█"
_BAR: Final = 10  # cells
_WIDE: Final = 110  # columns from which there is room for bars
_MIB_PER_GIB: Final = 1024


def summary(tables: StateTables, host: str) -> Text:
    """``⬢ rbee  gaming-pc:7833  3/3 hives · 12 GPUs · 8 workers   4 running · 2 waiting``."""
    colony = tables["colony"].get("queen", {})
    hives, up = colony.get("hives"), colony.get("hives_available")
    parts = [
        UNKNOWN if hives is None else f"{up}/{count_text(hives, 'hive')}",
        *(count_text(colony[key], noun) for key, noun in _COUNTED if colony.get(key) is not None),
    ]
    if colony.get("joins_waiting"):
        parts.append(f"{count_text(colony['joins_waiting'], 'hive')} to approve")
    text = Text.assemble(("⬢ rbee", "bold yellow"), "  ", (host, "bold"), "  ", " · ".join(parts))
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


_COUNTED: Final = (("gpus", "GPU"), ("workers", "worker"), ("models", "model"))


def load(tables: StateTables, speeds: list[float], width: int) -> Text:
    """Tokens a second with its last minute, requests, GPUs and their memory."""
    colony = tables["colony"].get("queen", {})
    right = _gpus(colony, bars=width >= _WIDE)
    speed, running, waiting = (colony.get(k) for k in ("tokens_per_s", "running", "waiting"))
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{running or 0} running · {waiting or 0} waiting · ")
    text.append(f"{UNKNOWN if speed is None else format(speed, ',.0f')} tok/s ")
    room = width - len(text) - len(right) - 4  # the margins, and two blanks between
    text.append(spark(speeds, max(0, min(SPARK_MAX, room))), "green")
    return text.append(right)


def _gpus(colony: Row, *, bars: bool) -> Text:
    text = Text()
    util, used, total = (colony.get(k) for k in ("gpu_util_pct", "vram_used_mb", "vram_total_mb"))
    if util is not None:
        text.append("  GPU ").append(bar(util / 100, _BAR if bars else 0), "green")
        text.append(f" {util:.0f} %".lstrip() if not bars else f" {util:.0f} %")
    if used is not None and total:
        text.append("  VRAM ").append(bar(used / total, _BAR if bars else 0), "cyan")
        gib = f"{used / _MIB_PER_GIB:,.0f}/{total / _MIB_PER_GIB:,.0f} GiB"
        text.append(f" {gib}" if bars else gib)
    return text


def spark(values: list[float], width: int) -> str:
    """The last values as a line of blocks, the largest of them full height."""
    shown = values[-width:]
    top = max(shown, default=0.0)
    if top <= 0:
        return "▁" * len(shown)
    return "".join(_SPARKS[min(7, int(8 * value / top))] for value in shown).rjust(width)


def standing(feed: StateFeed, paused_s: float | None) -> Text:
    """How it is with the connection: live, paused, or how old what is shown is."""
    age_s = feed.age_s
    if paused_s is not None:
        return Text(f"❚❚ paused {duration_text(paused_s)}", "black on yellow")
    if feed.connection == "live" and age_s is not None and age_s <= STALE_S:
        return Text.assemble(("● ", "green"), "live")
    if age_s is None:
        why = f": {feed.problem.message}" if feed.problem else ""
        return Text(f"connecting{why}", no_wrap=True, overflow="ellipsis")
    return Text(f"● lost, {duration_text(age_s)} old", "white on red")
