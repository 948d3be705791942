"""Full examples of settings as they are seen and changed. See ``samples``."""

import msgspec

from rbee.contracts import settings

SETTING = settings.Setting(
    name="queue_max",
    group="Requests",
    about="Requests that may wait in all.",
    value=1000,
    default=1000,
    source="file",
    schema={"type": "integer", "minimum": 1},
    live=False,
    variable="RBEE_QUEEN_QUEUE_MAX",
    waits=True,
    next=500,
)
STATE = settings.SettingsState(
    room="queen",
    revision="0123456789abcdef",
    file="/home/ann/.config/rbee/config.toml",
    settings=[SETTING],
    restart=["queue_max"],
)

SETTINGS_SAMPLES: list[msgspec.Struct] = [
    SETTING,
    STATE,
    settings.SettingsChange(
        set={"queue_max": 500}, unset=["wait_max_s"], revision="0123456789abcdef"
    ),
    settings.SettingsChanged(applied=["wait_max_s"], restart=["queue_max"], state=STATE),
    settings.RefusedSetting(name="queue_max", reason="Expected `int` >= 1."),
]
