"""The queen's settings and limits: ``[queen]`` in config.toml, ``RBEE_QUEEN_*``, flags."""

from typing import Final

import msgspec

from rbee.contracts.principals import KeySetting
from rbee.queen.placement_settings import PlacementSettings
from rbee.queen.routing_settings import Rules

PORT: Final = 7833  # **S** in wire.md
HIVE_PORT: Final = 7835  # **S**; named to people who send a hive's operation here

QUIET_S: Final = 3.0
"""After her start the queen spawns nothing for so long: hives beat every second, and a
worker that she cannot see yet must not be started twice."""

DRAIN_S: Final = 10.0
"""Running streams get so long at shutdown: systemd's own patience is 90 s, a person's less."""

TELEMETRY_EVERY_S: Final = 2.5  # **S** in wire.md: the ``queen`` event
SUBSCRIBER_EVENTS_MAX: Final = 1000  # wire.md: minutes of telemetry; who is further behind is gone

KNOWN_HIVES_FILE: Final = "hives.json"


class Settings(msgspec.Struct, kw_only=True, frozen=True):
    """What an operator may change. Lengths of time in seconds.

    ``bind`` other than loopback needs a key, and is served with TLS: with the certificate
    in ``tls_cert`` and its key in ``tls_key`` (PEM files, read anew when they change), else
    with one of the colony's own CA. Plain HTTP is for the queen's own machine and for
    ``trusted_networks`` ("10.8.0.0/24"), which encrypt by themselves. ``allowed_hosts`` and
    ``allowed_origins`` add to the gate's own list (a reverse proxy's name, a web
    page of one's own). ``announce`` lets hives find her on her network.
    ``ssh_key`` is a private key with which she may put hives on other machines over SSH;
    without it she logs in nowhere.
    ``media_hosts`` are hosts from which the queen fetches what requests name by URL ("*":
    the open internet); none by default, ``data:`` URLs always pass. ``auto_download`` lets
    the first request for a model that no hive has fetch it to the hive on the queen's own
    machine. ``keys`` are further keys, one for each client or team (``[[queen.keys]]``). ``store`` is
    where jobs are kept: ``sqlite`` (``rbee.db`` in the data folder), ``memory``
    (nothing is written to disk, a restart forgets) or a ``postgresql://`` URL.
    Prompts and answers of jobs stand in it until they expire. ``placement`` says
    which models stay loaded and how many workers they get (``[queen.placement]``),
    ``routing`` by which policy requests find a worker (``[queen.routing]``).
    ``otlp_endpoint`` (``http://HOST:4318``) is the OpenTelemetry collector that gets
    a span for each request; it needs the extra ``otel``.
    """

    bind: str = "127.0.0.1"
    port: int = PORT
    allowed_hosts: list[str] = msgspec.field(default_factory=list[str])
    allowed_origins: list[str] = msgspec.field(default_factory=list[str])
    trusted_networks: list[str] = msgspec.field(default_factory=list[str])
    tls_cert: str | None = None
    tls_key: str | None = None
    announce: bool = True  # by mDNS; only a queen who listens on more than loopback does
    ssh_key: str | None = None
    media_hosts: list[str] = msgspec.field(default_factory=list[str])
    auto_download: bool = True
    queue_max: int = 1000  # a waiting request costs about 20 KiB and its client's patience
    queue_per_model_max: int = 256  # one model's rush must leave room for the others
    wait_max_s: float = 300.0  # common proxies and clients give up at 300 s at the latest
    quiet_s: float = QUIET_S
    store: str = "sqlite"
    log_level: str = "info"
    keys: list[KeySetting] = msgspec.field(default_factory=list[KeySetting])
    placement: PlacementSettings = PlacementSettings()
    routing: Rules = Rules()
    otlp_endpoint: str | None = None
