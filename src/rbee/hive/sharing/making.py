"""The parts of a hive that give and take models, made from its settings. For ``app``."""

from collections.abc import Callable

import msgspec

from rbee.hive.models.catalog import Catalog
from rbee.hive.models.pick import Judge
from rbee.hive.settings import HiveSettings
from rbee.hive.sharing.giving import Sharing
from rbee.hive.sharing.near import Dial
from rbee.hive.sharing.shelf import Shelf
from rbee.hive.sharing.source import ColonySource
from rbee.hive.sharing.uploads import Uploads


class SharingParts(msgspec.Struct, frozen=True):
    """``source`` takes from other hives, ``doors`` give to them."""

    source: ColonySource
    doors: Sharing


def make_sharing(
    settings: HiveSettings,
    hive_id: str,
    dial: Dial,
    catalog: Catalog,
    judge: Callable[[], Judge],
) -> SharingParts:
    """Both directions for one hive."""
    shelf = Shelf(catalog)
    uploads = Uploads(
        shelf,
        uploads_max=settings.uploads_max,
        rate_max_mb_s=settings.upload_rate_max_mb_s,
    )
    return SharingParts(ColonySource(hive_id, dial, judge=judge), Sharing(shelf, uploads))
