"""Python's collector of cycles, made calm: requests leave no cycles, and looking costs them."""

import gc
from typing import Final

YOUNG_OBJECTS: Final = 50_000
"""Made since the last look before the next one, instead of 700. A burst of a thousand new streams
makes as many, and all of them stay a while: each look would go through them for nothing. What the
control plane leaves in cycles meanwhile is a few MiB."""
_OLDER: Final = 20  # looks at the young before one at the older; twice Python's own patience


def calm_collector() -> None:
    """What lives by now lives as long as the process: it is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, _OLDER, _OLDER)
