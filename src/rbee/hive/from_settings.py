"""What the hive's settings become: its port, and ``GET /v1/settings``, where people see them.

They are changed on the hive's own machine, in its ``config.toml``; nothing of them counts before
its next start.
"""

from typing import Final

from rbee.foundation.daemon import Daemon
from rbee.foundation.http.certificates import Tls, given_files
from rbee.foundation.http.tls import files_in
from rbee.foundation.identity.places import hive_identity_dir
from rbee.foundation.settings_book import Room, SettingsBook
from rbee.hive.settings import HiveSettings

GROUPS: Final = {
    **dict.fromkeys(("bind", "port", "advertise", "outbound_only", "trusted_networks"), "Network"),
    **dict.fromkeys(("tls_cert", "tls_key", "allowed_hosts", "allowed_origins"), "Network"),
    **dict.fromkeys(("queen_url", "hive_id", "discover", "labels"), "Colony"),
    **dict.fromkeys(("first_worker_port", "restarts_max", "restart_window_s"), "Workers"),
    **dict.fromkeys(("drain_s", "load_s", "orphan_s", "hang_s", "keep_alive_s"), "Workers"),
    **dict.fromkeys(("slots", "context_length", "threads", "log_bytes_max"), "Workers"),
    **dict.fromkeys(("isolation", "memory_margin", "worker_memory_max_mb"), "Memory"),
    "memory_max_mb": "Memory",
    **dict.fromkeys(("downloads_max", "download_rate_max_mb_s", "uploads_max"), "Models"),
    **dict.fromkeys(("upload_rate_max_mb_s", "models_quota_gb"), "Models"),
    **dict.fromkeys(("llama_server", "upstreams", "commands", "engine_indexes"), "Engines"),
    **dict.fromkeys(("scripted_engine", "scripted_models", "script"), "Engines"),
    "log_level": "Logs",
}
"""Where a setting stands on the page."""

_ELSEWHERE: Final = "A hive's settings are changed on its machine, in its config.toml."


def settings_book(running: HiveSettings) -> SettingsBook[HiveSettings]:
    """The settings of a running hive."""
    locked = dict.fromkeys(GROUPS, _ELSEWHERE)
    return SettingsBook(Room(name="hive", type=HiveSettings, groups=GROUPS, locked=locked), running)


def listen(settings: HiveSettings) -> Daemon:
    """The port; its certificate is there as soon as this hive has joined a queen."""
    tls = Tls(files_in(hive_identity_dir()), given_files(settings.tls_cert, settings.tls_key))
    host = None if settings.outbound_only else settings.bind
    return Daemon("hive", host, settings.port, tls=tls, trusted=settings.trusted_networks)
