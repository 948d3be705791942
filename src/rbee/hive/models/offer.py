"""What a model that is not here would be: its size and header, read where it lies.

For ``rbee plan``: the queen asks one hive about a name that no hive has. Nothing is
fetched but the header.
"""

import time

from rbee.contracts.models import Model
from rbee.errors import CorruptModel, HubError
from rbee.hive.models.metadata import Metadata, as_model
from rbee.hive.models.wanted import Wanted


async def offer_of(wanted: Wanted) -> Model:
    """The row that the model would have; without a header where the source shows none."""
    plain = Model(
        id=wanted.id,
        name=wanted.name or wanted.id,
        size_bytes=wanted.size_bytes,
        aliases=list(wanted.aliases),
        sha256=wanted.sha256,
        source=wanted.source,
    )
    if wanted.inspect is None or wanted.size_bytes is None:
        return plain
    try:
        header = await wanted.inspect()
    except (CorruptModel, HubError):
        return plain
    metadata = Metadata(
        id=wanted.id,
        name=plain.name,
        file=wanted.file,
        source=wanted.source,
        size_bytes=wanted.size_bytes,
        mtime_ns=0,
        added_at=time.time(),
        sha256=wanted.sha256,
        aliases=plain.aliases,
        header=header,
    )
    return as_model(metadata, loaded=False, reason=None)
