"""Which hives have a model that another one wants, likely nearest first. Pure.

Nearness is guessed from what the queen knows: the same machine, then the same network,
then whoever has least to do. The reader measures before it takes the first.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from rbee.contracts.models import Model
from rbee.contracts.workers import SERVING
from rbee.foundation.addresses import is_loopback
from rbee.queen.registry.hives import HiveView
from rbee.queen.registry.liveness import HiveState

_ANSWERING: Final[frozenset[HiveState]] = frozenset({"fresh", "degraded"})
_NETWORK_BITS: Final = {4: 24, 6: 64}  # the usual sizes of one local network


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A hive that has it, and its row of the model."""

    hive: HiveView
    model: Model


def find_holders(
    model_id: str,
    hives: Sequence[HiveView],
    reader: HiveView,
    *,
    sha256: str | None = None,
    from_hive: str | None = None,
    failed: Iterable[str] = (),
) -> list[Holder]:
    """The hives that ``reader`` could take the model from, all with one and the same content.

    The content is ``sha256``, else that of ``from_hive``, else that of the first. Where no
    row has a digest, one hive is given, which computes it when it is asked for a ticket.
    """
    passed_over = {str(reader.id), *failed}
    found = [
        Holder(hive=hive, model=model)
        for hive in hives
        if str(hive.id) not in passed_over and hive.state in _ANSWERING
        for model in hive.models
        if _counts(model, model_id, sha256)
    ]
    found.sort(key=lambda one: _rank(one, reader, from_hive))
    named = bool(found) and str(found[0].hive.id) == from_hive
    known = [one for one in found if one.model.sha256 is not None]
    if not known or (named and found[0].model.sha256 is None):
        return found[:1]
    content = sha256 or known[0].model.sha256
    return [one for one in known if one.model.sha256 == content]


def same_machine(one: HiveView, other: HiveView) -> bool:
    """Whether two hives stand on one machine. Host names alone do not say it: images share them."""
    if one.info is None or other.info is None or one.info.hostname != other.info.hostname:
        return False
    addresses = {one.info.address, other.info.address}
    return len(addresses) == 1 or any(is_loopback(address.lower()) for address in addresses)


def direct_url(holder: HiveView, reader: HiveView) -> str | None:
    """Where ``reader`` may dial the holder; None where it cannot be seen from there."""
    info = holder.info
    if info is None or not info.port or not holder.url.startswith(("http://", "https://")):
        return None
    if is_loopback(info.address.lower()) and not same_machine(holder, reader):
        return None
    return holder.url


def _counts(model: Model, model_id: str, sha256: str | None) -> bool:
    if model.status != "available":
        return False
    if sha256 is not None and model.sha256 is not None:
        return model.sha256 == sha256
    return model.id == model_id


def _rank(one: Holder, reader: HiveView, from_hive: str | None) -> tuple[bool, int, int, str]:
    hive = one.hive
    busy = sum(worker.slots_busy or 0 for worker in hive.workers if worker.status in SERVING)
    return str(hive.id) != from_hive, _distance(hive, reader), busy, str(hive.id)


def _distance(hive: HiveView, reader: HiveView) -> int:
    """0: the same machine, 1: the same network, 2: elsewhere."""
    if same_machine(hive, reader):
        return 0
    if hive.info is None or reader.info is None:
        return 2
    return 1 if _network(hive.info.address) == _network(reader.info.address) else 2


def _network(address: str) -> object:
    """What addresses of one local network share; a name is a network of its own."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return ipaddress.ip_network((found, _NETWORK_BITS[found.version]), strict=False)
