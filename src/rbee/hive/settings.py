"""What can be set for a hive: ``[hive]`` in config.toml, ``RBEE_HIVE_*``, flags.

Filled by ``foundation.config``; every default has its reason here.
"""

from pathlib import Path
from typing import Final, Literal

import msgspec

from rbee.hive.engine_settings import CommandSettings, UpstreamSettings

PORT_DEFAULT: Final = 7835  # wire.md
QUEEN_URL_DEFAULT: Final = "http://localhost:7833"  # wire.md: the queen of the same machine
FIRST_WORKER_PORT_DEFAULT: Final = 9000  # wire.md


class HiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A hive's settings; see README.md for the table that people read."""

    bind: str = "127.0.0.1"
    """Loopback: nobody else reaches it until somebody decides so (and sets a key)."""
    port: int = PORT_DEFAULT
    """The port to listen on."""
    queen_url: str = QUEEN_URL_DEFAULT
    """The queen that it belongs to: her address."""
    hive_id: str | None = None
    """Null: kept in the data directory, at first made from the host's name."""
    advertise: str | None = None
    """The address under which the queen reaches this machine; null: worked out from ``bind``."""
    outbound_only: bool = False
    """Listen for nobody: everything goes over the link that this hive opens to its queen."""
    trusted_networks: list[str] = msgspec.field(default_factory=list[str])
    """Networks (`10.8.0.0/24`) that encrypt by themselves: plain connections are taken from them."""
    tls_cert: str | None = None
    """A certificate to show to others than the colony (PEM, with `tls_key`); null: the colony's."""
    tls_key: str | None = None
    """Its key, without a passphrase."""
    discover: bool = True
    """A hive that has no queen and never had one looks for one on its network (mDNS)."""
    labels: list[str] = msgspec.field(default_factory=list[str])
    """Words of the operator's for this machine; models and requests may be kept to them."""
    first_worker_port: int = FIRST_WORKER_PORT_DEFAULT
    """The first port of workers; each takes the next free one."""
    restarts_max: int = 3
    """A fourth early death within the window is no accident."""
    restart_window_s: float = 60.0
    """Three loads of a usual model and their backoff fit into it."""
    drain_s: float = 120.0
    """An answer of 4,000 tokens at 35 tokens a second ends in this time."""
    load_s: float = 600.0
    """A 70 GB model from a disk of 150 MB/s is loaded by then."""
    orphan_s: float = 600.0
    """How long a worker lives without any hive: an update or a reboot of the hive fits in."""
    hang_s: float = 60.0
    """An engine with work that makes no step for so long is restarted (one step: seconds)."""
    isolation: Literal["auto", "off"] = "auto"
    """`auto`: what this machine enforces, for each worker; `off`: nothing, to find a fault."""
    memory_margin: float = 2.0
    """A worker's memory limit: so many times its estimate, and 1 GiB; 0: no limit.
    Generous, for it is a fence against runaways; the fit keeps the books."""
    worker_memory_max_mb: int | None = None
    """MiB that any worker may take at most, also where no estimate is known; null: none."""
    memory_max_mb: int | None = None
    """MiB of this machine's memory that all workers on the CPU may take; null: all there is."""
    slots: int = 4
    """Requests at once per worker: throughput grows up to about 8 on a CPU, context is shared."""
    context_length: int = 8192
    """Tokens shared by the slots, or the model's own limit: more costs memory for all."""
    threads: int | None = None
    """Threads of an engine; null: it counts the cores."""
    keep_alive_s: float = 900.0
    """An idle worker of a queen that went away is stopped after this (wire.md: 15 min)."""
    downloads_max: int = 2
    """Downloads at once: more share one line and one disk, and all come later."""
    download_rate_max_mb_s: float | None = None
    """MB a second for all downloads together; null: as fast as the line is."""
    uploads_max: int = 4
    """Other hives that copy models from here at once: with more each gets a trickle."""
    upload_rate_max_mb_s: float | None = None
    """MB a second for all of these together; null: as fast as the line is."""
    models_quota_gb: float | None = None
    """GB that models may take before the least recently used ones go; null: the disk's size."""
    log_bytes_max: int = 4 * 1024 * 1024
    """One worker's log before it is rotated: some 40,000 lines, one rotation is kept."""
    log_level: str = "info"
    """What is worth a line in its log: debug, info, warning, error."""
    scripted_engine: bool = False
    """Offer the scripted engine: for tests and drills only."""
    scripted_models: list[str] = msgspec.field(default_factory=list[str])
    """More names (`scripted-…`) that it lists as models, so that a queen starts them by herself."""
    script: str | None = None
    """The script of the scripted engine, a JSON file."""
    llama_server: str | None = None
    """The path or name of an external ``llama-server``; null looks on PATH."""
    upstreams: list[UpstreamSettings] = msgspec.field(default_factory=list[UpstreamSettings])
    """OpenAI-compatible servers by name, with the files of their keys."""
    commands: list[CommandSettings] = msgspec.field(default_factory=list[CommandSettings])
    """Engines of the operator's own: commands that serve the OpenAI API."""
    engine_indexes: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Where ``rbee engine install NAME`` finds its packages; else where pip does."""
    allowed_hosts: list[str] = msgspec.field(default_factory=list[str])
    """More host names that this server answers to."""
    allowed_origins: list[str] = msgspec.field(default_factory=list[str])
    """Web origins that may use this server."""

    def __post_init__(self) -> None:
        """Refuse numbers that would only fail later and elsewhere."""
        for name, low, high in (
            ("port", 0, 65_535),
            ("first_worker_port", 1, 65_535),
            ("restarts_max", 0, 1_000),
            ("slots", 1, 256),
            ("context_length", 64, 16_777_216),
            ("log_bytes_max", 4_096, 1 << 40),
            ("memory_margin", 0, 100),
            ("worker_memory_max_mb", 16, 1 << 30),
            ("memory_max_mb", 16, 1 << 30),
            ("downloads_max", 1, 64),
            ("uploads_max", 0, 1_000),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"`{name}` is {value}, outside {low} to {high}")
        for name in ("restart_window_s", "drain_s", "load_s", "orphan_s", "keep_alive_s", "hang_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"`{name}` must be above 0")
        for name in ("download_rate_max_mb_s", "upload_rate_max_mb_s", "models_quota_gb"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise ValueError(f"`{name}` must be above 0; leave it out for no limit")


def script_of(settings: HiveSettings) -> Path | None:
    """The scripted engine's script."""
    return Path(settings.script).expanduser().absolute() if settings.script else None
