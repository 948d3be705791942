"""Hives as the queen sees them: the last beat, and what earlier beats said once.

``take`` folds a beat into the entry and says what it changed and what the next one
should carry. A beat that is older than the last one (two posts overtook each other)
and a beat of a second machine under the same id change nothing. Ten thousand hives
beat ten thousand times a second, so a beat is compared while it is folded in, and
never copied.
"""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from rbee.contracts.hives import Capabilities, Heartbeat, HiveInfo, NodeStats, Wanted
from rbee.contracts.ids import HiveId
from rbee.contracts.models import Download, Model
from rbee.contracts.workers import WorkerStats
from rbee.errors import InvalidRequest
from rbee.foundation.addresses import is_loopback
from rbee.queen.registry.liveness import (
    DEGRADED_AFTER_S,
    REMOTE_REVIVE_AFTER_S,
    REVIVE_AFTER_S,
    HiveState,
    may_route,
)
from rbee.queen.registry.workers import WorkerEntry

WORKERS_MAX: Final = 1000  # a machine with 16 GPUs runs dozens; this bounds the queen's memory
MODELS_MAX: Final = 10_000  # the catalogue of a large shared disk
DOWNLOADS_MAX: Final = 200  # a hive tells 100: what nobody will look through
DEVICES_MAX: Final = 256  # twice the largest machine on the market
LABELS_MAX: Final = 64  # an operator's own words for one machine
NAME_LENGTH_MAX: Final = 256  # ids and host names; DNS allows 253
KEY_LENGTH_MAX: Final = 1024  # a bearer secret is 43 characters
MODEL_NAME_LENGTH_MAX: Final = 1024  # `org/repo:file.gguf` with all parts at their longest
_REORDER_S: Final = 5.0  # posts overtake each other by less; more is a clock that was set back
_PORT_MAX: Final = 65_535  # a port is 16 bits
_URL_LENGTH_MAX: Final = 512  # a host name has at most 253 characters


class HiveEntry(msgspec.Struct, kw_only=True):
    """A hive in the registry. ``beat_at`` is null until its first beat.

    ``labels`` are ``info.labels``, as a set that all its workers share. ``near`` is
    whether its last beat came from the queen's own machine, null where that is not known.
    """

    id: HiveId
    url: str
    joined_at: float
    info: HiveInfo | None = None
    beat_at: float | None = None
    beat_stamp: float = 0.0
    node: NodeStats = msgspec.field(default_factory=NodeStats)
    capabilities: Capabilities | None = None
    models: list[Model] | None = None
    workers: dict[str, WorkerEntry] = msgspec.field(default_factory=dict[str, WorkerEntry])
    state: HiveState = "down"
    local: bool = False
    labels: frozenset[str] = frozenset()
    near: bool | None = None
    downloads: list[Download] = msgspec.field(default_factory=list[Download])


class HiveView(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot for decisions and for people; holds no keys.

    ``told_models`` is false until a beat brought the catalogue: then ``models`` is
    empty because nothing is known.
    """

    id: HiveId
    url: str
    state: HiveState
    local: bool
    beat_age_s: float | None
    info: HiveInfo | None
    node: NodeStats
    capabilities: Capabilities | None
    models: list[Model]
    told_models: bool
    workers: list[WorkerStats]
    downloads: list[Download] = msgspec.field(default_factory=list[Download])


def check_beat(beat: Heartbeat) -> None:
    """Refuse a beat that is out of bounds: a faulty hive must not cost the queen her memory.

    Raises:
        InvalidRequest: names the field.
    """
    check_hive_id(beat.hive_id)
    if beat.hive_info.id != beat.hive_id:
        raise _bad("hive_info.id", f"{beat.hive_info.id!r} is not the hive_id {beat.hive_id!r}")
    _short("hive_info.hostname", beat.hive_info.hostname, NAME_LENGTH_MAX)
    _short("hive_info.address", beat.hive_info.address, NAME_LENGTH_MAX)
    _port("hive_info.port", beat.hive_info.port)
    _few("hive_info.labels", len(beat.hive_info.labels), LABELS_MAX)
    for label in beat.hive_info.labels:
        _short("hive_info.labels", label, NAME_LENGTH_MAX)
    _few("workers", len(beat.workers), WORKERS_MAX)
    _few("models", len(beat.models or ()), MODELS_MAX)
    _few("worker_keys", len(beat.worker_keys or ()), WORKERS_MAX)
    _few("downloads", len(beat.downloads or ()), DOWNLOADS_MAX)
    _few("node.gpus", len(beat.node.gpus), DEVICES_MAX)
    for index, worker in enumerate(beat.workers):
        if not (  # one condition: ten thousand beats a second are in bounds
            0 < len(worker.worker_id) <= NAME_LENGTH_MAX
            and _fits_a_header(worker.worker_id)
            and 0 < len(worker.model) <= MODEL_NAME_LENGTH_MAX
            and 0 < len(worker.address) <= NAME_LENGTH_MAX
            and 0 <= worker.port <= _PORT_MAX
        ):
            _check_worker(f"workers[{index}]", worker)
    for index, model in enumerate(beat.models or ()):
        _short(f"models[{index}].id", model.id, MODEL_NAME_LENGTH_MAX)
    for index, download in enumerate(beat.downloads or ()):
        _short(f"downloads[{index}].model", download.model, MODEL_NAME_LENGTH_MAX)
    for worker_id, key in (beat.worker_keys or {}).items():
        if not 0 < len(key) <= KEY_LENGTH_MAX or not key.isascii() or not key.isprintable():
            raise _bad("worker_keys", f"the key of {worker_id[:NAME_LENGTH_MAX]!r} is no key")


def _check_worker(field: str, worker: WorkerStats) -> None:
    """Name the field of a worker that is out of bounds."""
    _short(f"{field}.worker_id", worker.worker_id, NAME_LENGTH_MAX)
    if not _fits_a_header(worker.worker_id):
        raise _bad(f"{field}.worker_id", "something else than printable ASCII")
    _short(f"{field}.model", worker.model, MODEL_NAME_LENGTH_MAX)
    _short(f"{field}.address", worker.address, NAME_LENGTH_MAX)
    _port(f"{field}.port", worker.port)


def check_hive_id(hive_id: str) -> None:
    """Refuse what cannot be a hive's id.

    Raises:
        InvalidRequest: empty, too long, or not printable.
    """
    _short("hive_id", hive_id, NAME_LENGTH_MAX)
    if not hive_id.isprintable() or hive_id != hive_id.strip():
        raise _bad("hive_id", "it holds blanks at its ends or unprintable characters")


def is_twin(entry: HiveEntry, beat: Heartbeat, now: float) -> bool:
    """Whether this beat comes from a second hive with the id of one that is alive."""
    if entry.info is None or entry.beat_at is None or now - entry.beat_at > DEGRADED_AFTER_S:
        return False
    return _place(entry.info) != _place(beat.hive_info)


def is_overtaken(entry: HiveEntry, beat: Heartbeat) -> bool:
    """Whether a later beat of the same hive was here first."""
    return 0 < entry.beat_stamp - beat.timestamp < _REORDER_S


class Taken(msgspec.Struct, frozen=True, gc=False):
    """What a beat did to its hive's entry.

    ``changed`` says whether anything beside figures differs from before, ``models``
    whether the catalogue does. ``gone`` are the workers that it no longer names.
    """

    wanted: list[Wanted]
    changed: bool
    models: bool
    gone: list[WorkerEntry]


def take(entry: HiveEntry, beat: Heartbeat, now: float) -> Taken:
    """Fold a beat into the entry; see ``Taken``."""
    changed = entry.beat_at is None or entry.state != "fresh"
    if entry.info is None or entry.info.labels != beat.hive_info.labels:
        entry.labels = frozenset(beat.hive_info.labels)
        changed = True
    entry.info = beat.hive_info
    entry.beat_at = now
    entry.beat_stamp = beat.timestamp
    entry.node = beat.node
    entry.downloads = beat.downloads or []
    if beat.capabilities is not None and beat.capabilities != entry.capabilities:
        entry.capabilities = beat.capabilities
        changed = True
    models = beat.models is not None and beat.models != entry.models
    if models:
        entry.models = beat.models
    differ, keyless, gone = _take_workers(entry, beat, now)
    wanted: list[Wanted] = []
    if entry.capabilities is None:
        wanted.append("capabilities")
    if entry.models is None:
        wanted.append("models")
    if keyless:
        wanted.append("worker_keys")
    return Taken(wanted, changed or models or differ or bool(gone), models, gone)


def view(entry: HiveEntry, now: float) -> HiveView:
    """The entry as a value."""
    return HiveView(
        id=entry.id,
        url=entry.url,
        state=entry.state,
        local=entry.local,
        beat_age_s=None if entry.beat_at is None else max(0.0, now - entry.beat_at),
        info=entry.info,
        node=entry.node,
        capabilities=entry.capabilities,
        models=list(entry.models or ()),
        told_models=entry.models is not None,
        workers=[worker.shown for worker in entry.workers.values()],
        downloads=entry.downloads,
    )


def url_of(info: HiveInfo) -> str:
    """Where a hive that never said its URL is reached; its link alone where it has no port."""
    if info.outbound_only or not info.port:
        return f"link://{info.id}"
    host = f"[{info.address}]" if ":" in info.address else info.address
    return f"{'https' if info.tls else 'http'}://{host}:{info.port}"


def has_moved(entry: HiveEntry, heartbeat: Heartbeat) -> bool:
    """Whether a hive beats from another address; the URL of its ``ready`` is kept till then."""
    before, now = entry.info, heartbeat.hive_info
    return before is not None and (before.port != now.port or before.address != now.address)


def last_sign(entry: HiveEntry) -> float:
    """When it last said anything, or joined."""
    return entry.joined_at if entry.beat_at is None else entry.beat_at


def twin_message(entry: HiveEntry) -> str:
    """What the second hive of an id is told."""
    place = "elsewhere" if entry.info is None else f"{entry.info.hostname} ({entry.url})"
    return (
        f"ignored: another hive with the id {entry.id!r} beats from {place}; "
        f"give one of the two an id of its own"
    )


def check_url(url: str, *, near: bool | None) -> None:
    """Refuse a URL at which a hive cannot be reached; ``near`` as in ``HiveEntry``.

    Raises:
        InvalidRequest: says why, and what the hive's operator can do.
    """
    scheme, _, rest = url.partition("://")
    usable = scheme in {"http", "https"} and rest and url.isascii() and url.isprintable()
    if not usable or len(url) > _URL_LENGTH_MAX or any(mark in rest for mark in "@?# "):
        raise InvalidRequest(
            f"{url[:_URL_LENGTH_MAX]!r} is no address of a hive at `$.hive_url`.",
            remedy="Send http://ADDRESS:PORT.",
            param="$.hive_url",
        )
    if near is False and is_loopback(urlsplit(url).hostname or ""):
        raise InvalidRequest(
            f"This hive is on another machine and says that it is reached at {url}: for the "
            "queen that is her own machine.",
            remedy="Let the hive find its address itself (leave out `advertise` and bind it to "
            "its own address), or let it be outbound-only.",
            param="$.hive_url",
        )


def is_local(entry: HiveEntry, hostname: str) -> bool:
    """Whether a hive runs on the queen's machine, which has this host name."""
    info = entry.info
    if entry.near is False:  # its loopback is not ours, whatever it is called
        return False
    return info is not None and (
        is_loopback(info.address.lower()) or bool(hostname and info.hostname == hostname)
    )


def lives(entry: HiveEntry, worker: WorkerEntry, now: float) -> bool:
    """Whether its hive's state, or its own answers, let it take requests."""
    answer_age_s = None if worker.answered_at is None else now - worker.answered_at
    return may_route(entry.state, answer_age_s)


def _take_workers(
    entry: HiveEntry, beat: Heartbeat, now: float
) -> tuple[bool, bool, list[WorkerEntry]]:
    """Fold the workers in: whether one differs, one lacks its key, and those that are gone."""
    keys = beat.worker_keys
    before = entry.workers
    revive_after_s = REVIVE_AFTER_S if entry.local else REMOTE_REVIVE_AFTER_S
    after: dict[str, WorkerEntry] = {}
    differ = keyless = False
    for stats in beat.workers:
        worker_id = stats.worker_id
        worker = before.get(worker_id)
        if worker is None:
            worker = WorkerEntry(stats=stats)
            differ = True
        elif worker.take(stats, now=now, revive_after_s=revive_after_s):
            differ = True
        if keys is not None and (key := keys.get(worker_id)) is not None and key != worker.key:
            worker.key = key
            differ = True
        keyless = keyless or worker.key is None
        after[worker_id] = worker
    entry.workers = after
    gone = (
        [worker for worker_id, worker in before.items() if worker_id not in after]
        if len(before) > len(after) or differ
        else []
    )
    return differ, keyless, gone


def _place(info: HiveInfo) -> tuple[str, str, int]:
    return info.hostname, info.address, info.port


def _few(field: str, count: int, count_max: int) -> None:
    if count > count_max:
        raise _bad(field, f"{count} entries, over the limit of {count_max}")


def _short(field: str, text: str, length_max: int) -> None:
    if not 0 < len(text) <= length_max:
        raise _bad(field, f"{len(text)} characters, outside 1 to {length_max}")


def _fits_a_header(text: str) -> bool:
    """Whether it may stand in ``X-Rbee-Worker``: no end of a line, nothing of another alphabet."""
    return text.isascii() and text.isprintable()


def _port(field: str, port: int) -> None:
    if not 0 <= port <= _PORT_MAX:
        raise _bad(field, f"{port} is no port")


def _bad(field: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"The beat is out of bounds: {what} at `$.{field}`.", param=f"$.{field}")
