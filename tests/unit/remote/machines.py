"""Machines as they say what they are, for tests of what is decided about them."""

from pathlib import Path

import msgspec

from rbee.remote.facts import Facts, Python
from rbee.remote.fitness import Choice
from rbee.remote.layout import Installed, Keeper, Layout, layout_of
from rbee.remote.wheels import Wheel, WheelSet

HOME = "/home/ada"
QUEEN = "http://10.0.0.5:7833"
PYTHON = Python(
    path="/usr/bin/python3.11",
    version=(3, 11, 2),
    venv=True,
    libc=("glibc", "2.36"),
    markers={
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": "3.11.2",
        "python_version": "3.11",
        "sys_platform": "linux",
    },
)
MACHINE = Facts(
    home=HOME,
    user="ada",
    hostname="box",
    system="Linux",
    machine="x86_64",
    sudo="free",
    systemd=True,
    user_systemd=True,
    disk_free_kib=50_000_000,
    client="10.0.0.2",
    pythons=(PYTHON,),
    installed=None,
)


def machine(**changes: object) -> Facts:
    return msgspec.structs.replace(MACHINE, **changes)


def layout() -> Layout:
    return layout_of(HOME, None)


def choice(keeper: Keeper = "system") -> Choice:
    return Choice(python=PYTHON, keeper=keeper)


def wheel(file: str, sha256: str = "00") -> Wheel:
    return Wheel(file=file, path=Path("/cache") / file, size_bytes=3_000_000, sha256=sha256)


def wheels(build: str = "0.1.0-aaaa", left: tuple[str, ...] = ()) -> WheelSet:
    return WheelSet(
        build=build,
        ours=wheel("rbee-0.1.0-py3-none-any.whl", "01"),
        installer=wheel("pip-23.2.1-py3-none-any.whl", "02"),
        others=(wheel("anyio-4.16.0-py3-none-any.whl", "03"),),
        left=left,
    )


def installed(build: str = "0.1.0-old", keeper: Keeper = "system") -> Installed:
    return Installed(build=build, version="0.1.0", keeper=keeper, queen_url=QUEEN)
