"""Flags that several commands share, so that they read the same everywhere."""

from typing import Annotated, TypeAlias

from cyclopts import Parameter

QueenFlag: TypeAlias = Annotated[
    str | None,
    Parameter(name="--queen", help="Address of the queen; else RBEE_QUEEN_URL, else this machine."),
]
HiveFlag: TypeAlias = Annotated[
    str | None,
    Parameter(name="--hive", help="Address of the hive; else RBEE_HIVE_URL, else this machine."),
]
HiveIdFlag: TypeAlias = Annotated[
    str | None,
    Parameter(name="--hive-id", help="Name of a joined hive; asked through the queen."),
]
HostFlag: TypeAlias = Annotated[
    str | None,
    Parameter(name="--host", help="Another machine, by SSH: [user@]name[:port]; else this one."),
]
JsonFlag: TypeAlias = Annotated[
    bool, Parameter(name="--json", help="JSON on stdout.", show_default=False)
]
FollowFlag: TypeAlias = Annotated[
    bool,
    Parameter(
        name=["--follow", "-f"], help="Go on with what is written from now on.", show_default=False
    ),
]
