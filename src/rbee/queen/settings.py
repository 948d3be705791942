"""The queen's settings and limits: ``[queen]`` in config.toml, ``RBEE_QUEEN_*``, flags."""

from typing import Annotated, Final

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


LogLevel = Annotated[
    str,
    msgspec.Meta(
        pattern="^(?i:debug|info|warning|error|critical)$",
        extra_json_schema={"enum": ["debug", "info", "warning", "error"]},
    ),
]
Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Settings(msgspec.Struct, kw_only=True, frozen=True):
    """What an operator may change. What stands below each is also what people read of it."""

    bind: str = "127.0.0.1"
    """The address to listen on. Any other than loopback needs a key and is served with TLS."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = PORT
    """The port to listen on; 0 picks a free one."""
    pages_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] | None = None
    """The port for workers' own pages, which are kept away from the console's; null: the one after
    `port`, or a free one."""
    allowed_hosts: list[str] = msgspec.field(default_factory=list[str])
    """More host names that she answers to, such as a reverse proxy's; others are refused, so that
    no page can reach her by a name of its own."""
    allowed_origins: list[str] = msgspec.field(default_factory=list[str])
    """Web origins (`https://app.example`) whose pages may use her."""
    trusted_networks: list[str] = msgspec.field(default_factory=list[str])
    """Networks (`10.8.0.0/24`) that encrypt by themselves, such as WireGuard: plain HTTP is taken
    from them. Everywhere else it is for her own machine alone."""
    tls_cert: str | None = None
    """A certificate to show instead of the colony's own: a PEM file, read anew when it changes."""
    tls_key: str | None = None
    """The certificate's key: a PEM file without a passphrase."""
    announce: bool = True
    """Let hives find her on the local network (mDNS); only when she listens on more than loopback."""
    ssh_key: str | None = None
    """A private key with which she may put hives on other machines over SSH; without it she logs
    in nowhere."""
    media_hosts: list[str] = msgspec.field(default_factory=list[str])
    """Hosts from which she fetches what requests name by URL; `*` is the open internet. None by
    default: engines would fetch whatever address a client writes. `data:` URLs always pass."""
    auto_download: bool = True
    """The first request for a model that no hive has fetches it to the hive on her own machine."""
    queue_max: Count = 1000
    """Requests that may wait in all: each costs about 20 KiB, and its client's patience."""
    queue_per_model_max: Count = 256
    """Requests that may wait for one model: its rush must leave room for the others."""
    wait_max_s: Annotated[float, msgspec.Meta(gt=0)] = 300.0
    """How long a request waits at most; common proxies and clients give up at 300 s at the latest."""
    quiet_s: Seconds = QUIET_S
    """After her start she spawns nothing for so long: hives beat every second, and a worker that
    she cannot see yet must not be started twice."""
    store: str = "sqlite"
    """Where jobs and keys are kept: `sqlite` (a file in the data folder), `memory` (a restart
    forgets), or a `postgresql://` URL. Prompts and answers of jobs stand in it until they expire."""
    log_level: LogLevel = "info"
    """What is worth a line in her log."""
    keys: list[KeySetting] = msgspec.field(default_factory=list[KeySetting])
    """Keys that stand in config.toml (`[[queen.keys]]`), by their SHA-256; made ones stand in the store."""
    placement: PlacementSettings = PlacementSettings()
    """Which models stay loaded and how many workers they get."""
    routing: Rules = Rules()
    """By which policy requests find a worker."""
    otlp_endpoint: str | None = None
    """The OpenTelemetry collector (`http://HOST:4318`) that gets a span for each request; it needs
    the extra `otel`."""
