"""``[queen.routing]``: by which policy requests find their workers, and what weighs.

Part of the queen's settings, and what ``inference.router`` decides by.
"""

from typing import Literal

import msgspec

PolicyName = Literal[
    "least-loaded",
    "round-robin",
    "weighted",
    "latency-aware",
    "prefix-affinity",
    "session-affinity",
    "local-first",
]


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[queen.routing]``: how the colony routes, and models that do it otherwise.

    Models are named by their ids.
    """

    default: PolicyName = "least-loaded"
    """By which policy requests find their worker; docs/routing.md compares them."""
    models: dict[str, PolicyName] = msgspec.field(default_factory=dict[str, PolicyName])
    """Models that are routed by another policy, by their ids."""
    weights: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    """Hives' shares under `weighted`; 1 where unnamed."""
    prefer: dict[str, frozenset[str]] = msgspec.field(default_factory=dict[str, frozenset[str]])
    """Labels of hives that a model's requests go to while one of these has a free slot; what a
    request itself asks for comes before."""
