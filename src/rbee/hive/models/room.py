"""Keep the models within the quota: called by ``downloads`` before each download.

``quota`` decides, this carries it out: one deletion after the other through the
catalogue, which refuses what a worker has taken meanwhile; then it is decided
anew. Blocking: call it in a thread, one caller at a time.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

from rbee.errors import Conflict, DiskFull
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.partial import bytes_in, part_folder
from rbee.hive.models.quota import Held, plan_clearing
from rbee.hive.models.wanted import Wanted


def make_room(
    catalog: Catalog,
    coming: Sequence[Wanted],
    quota_bytes: int,
    *,
    loaded: Callable[[], Collection[str]],
    active: Collection[str],
) -> list[str]:
    """Have room for the rest of what is ``coming``; one sentence for each removed model.

    A download of unknown size asks for nothing.

    Raises:
        DiskFull: what may go is not enough; nothing was removed then.
        StorageError: the file system refused.
    """
    said: list[str] = []
    while True:
        held = catalog.holdings(loaded=loaded(), active=active)
        needed = sum(_still_to_come(catalog, one) for one in coming)
        clearing = plan_clearing(held, needed, quota_bytes)
        if clearing.short_bytes:
            raise _too_small(held, needed, quota_bytes, clearing.short_bytes)
        try:
            for one in clearing.remove:
                freed = catalog.delete(one.id, loaded=loaded(), active=active)
                said.append(
                    f"Removed {one.id} ({freed / 1e9:,.2f} GB, last used {_day(one.used_at)}): it was"
                    f" the least recently used, and the quota is {quota_bytes / 1e9:,.2f} GB."
                )
        except Conflict:
            continue  # a worker has taken it since: it stays, so decide again
        return said


def _still_to_come(catalog: Catalog, wanted: Wanted) -> int:
    have = bytes_in(part_folder(catalog.root, wanted.id))
    return max(0, (wanted.disk_bytes or 0) - have)


def _too_small(held: Sequence[Held], needed: int, quota: int, short: int) -> DiskFull:
    kept = [f"{one.id} ({one.kept})" for one in held if one.kept and one.kept != "downloading"]
    stays = f"; these stay: {', '.join(kept)}" if kept else ""
    return DiskFull(
        f"{needed / 1e9:,.2f} GB more do not fit into the quota of {quota / 1e9:,.2f} GB for models:"
        f" {short / 1e9:,.2f} GB too much even without what may go{stays}.",
        remedy="Raise `[hive] models_quota_gb`, unpin a model (`rbee model unpin ID`), or stop a"
        " worker.",
    )


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).date().isoformat()
