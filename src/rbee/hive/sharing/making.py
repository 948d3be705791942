"""The parts of a hive that give and take models, made from its settings. For ``app``."""

import ssl
from collections.abc import Callable

import msgspec

from rbee.foundation.http.tls import identity_context
from rbee.foundation.identity.places import hive_identity_dir
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


def make_dial(settings: HiveSettings, key: str | None) -> Dial:
    """How this hive speaks to others of its colony, with its certificate once it has one."""

    def context(expects: str) -> ssl.SSLContext | None:
        return identity_context(hive_identity_dir(), expects=expects)

    return Dial(
        queen_url=settings.queen_url, key=key, tls=context, trusted=settings.trusted_networks
    )


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
