"""What installing, upgrading and removing a hive means on its machine: values. Pure.

An installation has four parts. ``prepare`` builds the new version beside the old
one and changes nothing that runs; ``switch`` takes it into use; then the caller
waits for the hive at its queen; ``finish`` tidies up, or ``rollback`` puts the old
version back. Every step may be repeated: an installation that broke off is
finished by the next one.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from rbee.errors import InvalidRequest
from rbee.remote import starting
from rbee.remote.facts import Facts
from rbee.remote.fitness import Choice
from rbee.remote.layout import Installed, Layout, word
from rbee.remote.step import Step
from rbee.remote.wheels import Wheel, WheelSet

UPLOAD_S: Final = 1800.0  # 65 MB over a line of 0.5 Mbit/s
UNPACK_S: Final = 600.0  # ten seconds on a desktop; an SD card needs minutes
INDEX_S: Final = 1800.0  # as an upload, from wherever the machine's index is

_WHOLE: Final = ".whole"  # in an environment that was built to its end
_QUEEN: Final = "RBEE_HIVE_QUEEN_URL"
_AWKWARD: Final = frozenset("'\"\\\n\r$`")
"""Read differently by sh and by systemd: no setting needs them."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator wants of the hive. ``settings`` are RBEE_… variables.

    ``key`` is the colony's key for a hive that joins by it; ``token`` a single-use
    join token; both go through stdin only.
    """

    queen_url: str
    settings: Mapping[str, str] = {}
    key: str | None = None
    token: str | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The four parts, and what will be on record when all went well."""

    prepare: tuple[Step, ...]
    switch: tuple[Step, ...]
    finish: tuple[Step, ...]
    rollback: tuple[Step, ...]
    installed: Installed

    def shown(self) -> list[str]:
        """Every command in order, as a dry run prints them; the way back is not among them."""
        return [step.shown() for step in (*self.prepare, *self.switch, *self.finish)]


def install_plan(
    layout: Layout,
    facts: Facts,
    choice: Choice,
    wheels: WheelSet,
    missing: Sequence[str],
    wanted: Wanted | None,
) -> Plan:
    """Install ``wheels``, of which ``missing`` (their names) are not on the machine yet.

    ``wanted`` null leaves the hive's settings as they are: an upgrade.

    Raises:
        InvalidRequest: a setting has characters that shells and units read differently.
    """
    before = facts.installed
    sudo = starting.sudo_prefix(facts.sudo)
    installed = Installed(
        build=wheels.build,
        version=wheels.build.rpartition("-")[0],
        keeper=choice.keeper,
        queen_url=wanted.queen_url if wanted else before.queen_url if before else "",
        previous=_previous(before, wheels.build),
    )
    return Plan(
        prepare=(
            *_fetch_steps(layout, missing, wheels),
            *_build_steps(layout, choice, wheels),
        ),
        switch=(
            *_change_keeper(layout, before, installed, sudo),
            *(_settings_steps(layout, wheels, wanted) if wanted else ()),
            _link_step(layout, choice.python.path, wheels.build),
            *starting.install_steps(layout, choice.keeper, facts.user, sudo),
            *starting.start_steps(layout, choice.keeper, sudo),
        ),
        finish=(_record_step(layout, installed), _tidy_step(layout, installed)),
        rollback=_rollback_steps(layout, choice, before, installed, sudo),
        installed=installed,
    )


def missing_command(layout: Layout, python: str) -> str:
    """Prints the names of those wheels, given as ``sha256 name`` lines, that are not there."""
    program = (
        "import hashlib,os,sys\n"
        "for line in sys.stdin:\n"
        "    digest,_,name=line.strip().partition(' ')\n"
        "    path=os.path.join(sys.argv[1],name)\n"
        "    try: found=hashlib.sha256(open(path,'rb').read()).hexdigest()\n"
        "    except OSError: found=''\n"
        "    if found!=digest: print(name)\n"
    )
    return f"{word(python)} -I -c {word(program)} {word(layout.wheels)}"


def missing_question(wheels: WheelSet) -> bytes:
    """The stdin of ``missing_command``."""
    lines = [f"{wheel.sha256} {name}" for name, wheel in named(wheels).items()]
    return "".join(f"{line}\n" for line in lines).encode()


def named(wheels: WheelSet) -> dict[str, Wheel]:
    """Every wheel under its path below ``wheels/``: our own has a folder for each build."""
    others = {wheel.file: wheel for wheel in wheels.all}
    return {**others, f"{wheels.build}/{wheels.ours.file}": wheels.ours}


def uninstall_plan(
    layout: Layout, facts: Facts, installed: Installed, *, purge: bool
) -> list[Step]:
    """Stop the hive and take it away; ``purge`` takes its state, models and keys too."""
    sudo = starting.sudo_prefix(facts.sudo)
    steps = [
        msgspec.structs.replace(step, may_fail="It did not run.")
        for step in starting.stop_steps(layout, installed.keeper, sudo, keep_workers=False)
    ]
    steps += starting.remove_steps(layout, installed.keeper, sudo)
    folders = [layout.prefix]
    if purge:
        folders += [f"{layout.home}/{name}" for name in _STATE[facts.system]]
    gone = " ".join(map(word, folders))
    return [*steps, Step(what="removing the files", command=f"rm -rf {gone}")]


_CONFIG_AND_CACHE: Final = (".config/rbee", ".cache/rbee")
_STATE: Final = {
    "Linux": (*_CONFIG_AND_CACHE, ".local/share/rbee"),
    "Darwin": (*_CONFIG_AND_CACHE, "Library/Application Support/rbee"),
}
"""Where ``foundation.paths`` keeps everything else, below the home."""


def settings_text(wanted: Wanted) -> str:
    """``hive.env``, for ``sh`` and for systemd.

    Raises:
        InvalidRequest: a value that the two would read differently.
    """
    lines = ["# Settings of this hive; `rbee hive install` writes this file anew."]
    # A hive that joins by a token keeps her address with her certificate.
    queen = {_QUEEN: wanted.queen_url} if wanted.token is None else {}
    for name, value in {**queen, **wanted.settings}.items():
        if _AWKWARD & set(value) or not name.replace("_", "").isalnum():
            raise InvalidRequest(
                f"The setting {name} has a character that a settings file cannot hold.",
                remedy="Use none of: quotes, backslash, dollar, backtick, line breaks.",
                param="--set",
            )
        lines.append(f"{name}='{value}'")
    return "\n".join(lines) + "\n"


def _fetch_steps(layout: Layout, missing: Sequence[str], wheels: WheelSet) -> list[Step]:
    folders = " ".join(word(path) for path in (f"{layout.wheels}/{wheels.build}", layout.versions))
    steps = [Step(what="making room", command=f"umask 077; mkdir -p {folders}")]
    if missing:
        steps.append(
            Step(
                what=f"sending {len(missing)} wheels",
                command=f"tar -xf - -C {word(layout.wheels)}",
                upload=tuple((name, named(wheels)[name]) for name in missing),
                within_s=UPLOAD_S,
            )
        )
    return steps


def _build_steps(layout: Layout, choice: Choice, wheels: WheelSet) -> list[Step]:
    """A new environment, unless it is there and whole."""
    home = layout.version(wheels.build)
    python = word(choice.python.path)
    unless = f"[ -e {word(f'{home}/{_WHOLE}')} ] || "
    pip_wheel = word(f"{layout.wheels}/{wheels.installer.file}")
    ours = word(f"{layout.wheels}/{wheels.build}/{wheels.ours.file}")
    # What is brought wins, and without anything left no index is asked at all.
    offline = "" if wheels.left else "PIP_CONFIG_FILE=/dev/null "
    pip = (
        f"PYTHONPATH={pip_wheel} {offline}{word(home)}/bin/python -m pip install --no-input -q "
        f"--disable-pip-version-check --no-cache-dir --no-compile --progress-bar=off "
        f"{'' if wheels.left else '--no-index '}--find-links {word(layout.wheels)} {ours}"
    )
    check = f"{word(home)}/bin/rbee --version >/dev/null && : >{word(f'{home}/{_WHOLE}')}"
    return [
        Step(
            what="making an environment",
            command=f"{unless}{python} -m venv --without-pip --clear {word(home)}",
            within_s=UNPACK_S,
        ),
        Step(
            what="installing the packages",
            command=f"{unless}{pip}",
            within_s=INDEX_S if wheels.left else UNPACK_S,
        ),
        Step(what="trying it out", command=f"{unless}{{ {check}; }}", within_s=UNPACK_S),
    ]


def _settings_steps(layout: Layout, wheels: WheelSet, wanted: Wanted) -> list[Step]:
    steps = [
        Step(
            what="writing the settings",
            command=f"umask 077; cat >{word(layout.env_file)}",
            stdin=settings_text(wanted).encode(),
        )
    ]
    if wanted.key is not None:
        folder = word(layout.key_file.rpartition("/")[0])
        steps.append(
            Step(
                what="handing over the colony's key",
                command=f"umask 077; mkdir -p {folder} && cat >{word(layout.key_file)}",
                stdin=f"{wanted.key}\n".encode(),
                secret=True,
            )
        )
    if wanted.token is not None:
        rbee = word(f"{layout.version(wheels.build)}/bin/rbee")
        steps.append(
            Step(
                what="joining the queen",
                command=starting.with_settings(
                    layout, f"{rbee} hive join {word(wanted.queen_url)} --token -"
                ),
                stdin=f"{wanted.token}\n".encode(),
                secret=True,
            )
        )
    return steps


def _link_step(layout: Layout, python: str, build: str) -> Step:
    """In one step, so that nobody ever sees no version at all (``mv -T`` is GNU's alone)."""
    program = "import os,sys;t=sys.argv[2]+'.new';os.path.lexists(t) and os.unlink(t);"
    program += "os.symlink(sys.argv[1],t);os.replace(t,sys.argv[2])"
    return Step(
        what=f"switching to {build}",
        command=f"{word(python)} -I -c {word(program)} {word(f'versions/{build}')} "
        f"{word(layout.current)}",
    )


def _change_keeper(
    layout: Layout, before: Installed | None, after: Installed, sudo: str
) -> list[Step]:
    """When somebody else is to start the hive from now on, the former one lets go of it."""
    if before is None or before.keeper == after.keeper:
        return []
    steps = [
        *starting.stop_steps(layout, before.keeper, sudo, keep_workers=True),
        *starting.remove_steps(layout, before.keeper, sudo),
    ]
    return [msgspec.structs.replace(step, may_fail="The old hive did not run.") for step in steps]


def _rollback_steps(
    layout: Layout, choice: Choice, before: Installed | None, after: Installed, sudo: str
) -> tuple[Step, ...]:
    """Back to what ran before; a first installation is only stopped, so that it can be looked at."""
    if before is None:
        steps = starting.stop_steps(layout, after.keeper, sudo, keep_workers=False)
        return tuple(msgspec.structs.replace(step, may_fail="It did not run.") for step in steps)
    return (
        _link_step(layout, choice.python.path, before.build),
        *starting.start_steps(layout, after.keeper, sudo),
    )


def _record_step(layout: Layout, installed: Installed) -> Step:
    record = word(layout.record)
    return Step(
        what="writing the record",
        command=f"umask 077; cat >{record}.new && mv -f {record}.new {record}",
        stdin=msgspec.json.encode(installed) + b"\n",
    )


def _tidy_step(layout: Layout, installed: Installed) -> Step:
    """Older builds go, with their wheel; the one before stays for a way back."""
    keep = [installed.build, *([installed.previous] if installed.previous else [])]
    cases = "|".join(word(name) for name in keep)
    return Step(
        what="removing older versions",
        command=f"cd {word(layout.versions)} && for old in *; do case $old in {cases}) ;; "
        f'*) rm -rf "./$old" {word(layout.wheels)}/"$old" ;; esac; done',
    )


def _previous(before: Installed | None, build: str) -> str | None:
    if before is None:
        return None
    return before.build if before.build != build else before.previous
