"""``hive_install``: the queen puts a hive on another machine herself, over SSH, when told to.

Off until ``[queen] ssh_key`` names a private key: whoever may command her could otherwise
be anybody's way into other machines. She logs in with that key alone, never with an account's
own keys or agent, and to machines whose key is in her own list of known hosts, or whose
fingerprint the operator has just compared. The installing is the keeper's
(``rbee.remote.installing``); each step of it is an event of the job.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from rbee import __version__
from rbee.client.join import secured
from rbee.contracts.installing import HiveInstallState, UnknownHost
from rbee.contracts.jobs import HiveInstall
from rbee.contracts.joining import JoinTokenWish
from rbee.errors import Conflict, InvalidRequest
from rbee.foundation.addresses import is_loopback
from rbee.foundation.jobserver import Job
from rbee.queen.joining.office import Office
from rbee.queen.registry.colony import Colony
from rbee.remote import installing
from rbee.remote.installing import Seen, Wish
from rbee.remote.plan import Wanted
from rbee.remote.trust import OwnKey, Trust

KNOWN_HOSTS_FILE: Final = "known_hosts"
AT_ONCE_MAX: Final = 4  # each sends 60 MB and packs wheels; a rack is done four by four
_PUBLIC_KEY_BYTES_MAX: Final = 16 * 1024  # an RSA key of 16,384 bits has 3 KiB


class HiveInstalls:
    """The operation, for one queen. ``port`` is hers, ``key`` the colony's."""

    def __init__(
        self,
        *,
        office: Office,
        colony: Colony,
        directory: Path,
        ssh_key: str | None,
        port: Callable[[], int],
        key: str | None,
    ) -> None:
        self._own = None
        if ssh_key is not None:
            file = Path(ssh_key).expanduser()
            self._own = OwnKey(file=file, known_hosts=directory / KNOWN_HOSTS_FILE)
        self._office = office
        self._colony = colony
        self._port = port
        self._key = key
        self._busy: set[str] = set()
        self._places = anyio.CapacityLimiter(AT_ONCE_MAX)

    def state(self) -> HiveInstallState:
        """Whether she may, and what another machine has to know of her key; blocking, one file."""
        if self._own is None:
            return HiveInstallState(
                enabled=False,
                reason="This queen has no SSH key of her own, so she logs in nowhere.",
                remedy="`ssh-keygen -t ed25519 -N '' -f ~/.config/rbee/ssh_key`, then "
                '`ssh_key = "~/.config/rbee/ssh_key"` under [queen] in config.toml, and restart '
                "her. Or run the command yourself: `rbee hive install --host HOST`.",
            )
        if not self._own.file.is_file():
            return HiveInstallState(
                enabled=False,
                reason=f"[queen] ssh_key names {self._own.file}, which is no file.",
                remedy=f"`ssh-keygen -t ed25519 -N '' -f {self._own.file}` makes it.",
            )
        return HiveInstallState(enabled=True, public_key=_public_half(self._own.file))

    def check(self, asked: HiveInstall) -> None:
        """Refuse at once what can be refused at once.

        Raises:
            InvalidRequest: a setting has a name that no setting has.
        """
        _variables(asked)

    async def run(self, asked: HiveInstall, job: Job) -> None:
        """Do it, told by ``job``.

        Raises:
            Conflict: she has no key, or works on this machine already.
            RbeeError: what it failed with; what ran on that machine before runs again.
        """
        state = await anyio.to_thread.run_sync(self.state)
        if not state.enabled:
            raise Conflict(state.reason or "SSH is off.", remedy=state.remedy)
        if asked.host in self._busy:
            raise Conflict(
                f"{asked.host} is being worked on already.",
                remedy="Follow that job (`GET /v1/jobs`), or cancel it first.",
            )
        self._busy.add(asked.host)
        try:
            job.emit("hive_install_start", f"Logging in to {asked.host}")
            async with self._places:
                await self._run(asked, job)
        finally:
            self._busy.discard(asked.host)

    async def _run(self, asked: HiveInstall, job: Job) -> None:
        def tell(step: str) -> None:
            job.emit("hive_install_progress", f"{step[:1].upper()}{step[1:]}")

        def refuse(name: str, fingerprint: str) -> bool:
            """Nobody can be asked now: the operator compares, and asks again with it."""
            job.emit(
                "hive_install_unknown_host",
                f"{name} is not known here yet; its key is {fingerprint}",
                type="data",
                data=UnknownHost(host=name, fingerprint=fingerprint),
            )
            return False

        trust = Trust(fingerprint=asked.fingerprint, ask=refuse)
        side = _Own(self._office, self._colony, self._port(), self._key, job)
        wish = Wish(queen_url=asked.queen_url, unit=asked.unit, settings=_variables(asked))
        prepare = installing.prepare_upgrade if asked.upgrade else installing.prepare_install
        async with installing.machine(asked.host, trust, self._own) as host:
            prepared = await prepare(host, side, wish, tell, dry_run=asked.dry_run)
            for line in prepared.notes:
                tell(line)
            if asked.dry_run:
                commands = prepared.plan.shown()
                words = f"{len(commands)} command(s), none of them run"
                job.emit("hive_install_plan", words, type="data", data=commands)
                return
            outcome = await installing.install(host, side, prepared, tell)
        job.emit(
            "hive_install_complete",
            f"The hive {outcome.hive_id} on {outcome.host} is in the colony",
            type="data",
            data=outcome,
        )


class _Own:
    """The queen herself, as ``installing.QueenSide``."""

    def __init__(
        self, office: Office, colony: Colony, port: int, key: str | None, job: Job
    ) -> None:
        self.url = office.urls[0] if office.urls else f"http://127.0.0.1:{port}"
        self._office = office
        self._colony = colony
        self._key = key
        self._by = f"job {job.id}"

    async def version(self) -> str:
        """Her own."""
        return __version__

    async def wanted(self, url: str, settings: Mapping[str, str], *, dry_run: bool) -> Wanted:
        """On this machine the hive gets the key, elsewhere a token for a certificate."""
        if is_loopback(urlsplit(url).hostname or ""):
            return Wanted(queen_url=url, settings=settings, key=self._key)
        token = "to be made"  # noqa: S105  of a dry run, which shows no token
        if not dry_run:
            named = settings.get(_variable("hive_id"))
            wish = JoinTokenWish(hive_ids=[named] if named else [])
            token = (await self._office.new_token(wish, self._by)).token
        return Wanted(queen_url=secured(url), settings=settings, token=token)

    async def hives(self) -> list[Seen]:
        """From her registry."""
        return [
            Seen(
                hive_id=str(hive.id),
                fresh=hive.state == "fresh",
                version=hive.info.version if hive.info else None,
                beat_age_s=hive.beat_age_s,
            )
            for hive in self._colony.hives()
        ]


def _variables(asked: HiveInstall) -> dict[str, str]:
    """The hive's settings as its environment has them.

    Raises:
        InvalidRequest: a name is none.
    """
    wanted = dict(asked.settings or {})
    if asked.name:
        wanted["hive_id"] = asked.name
    for name in wanted:
        if not (name.isascii() and name.replace("_", "").isalnum()):
            raise InvalidRequest(
                f"{name[:64]!r} is no setting of a hive at `$.settings`.",
                remedy="Their names are words like `labels` and `port`; README.md lists them.",
                param="$.settings",
            )
    return {_variable(name): value for name, value in wanted.items()}


def _variable(name: str) -> str:
    return f"RBEE_HIVE_{name.upper()}"


def _public_half(file: Path) -> str | None:
    """What stands beside the key, as ``ssh-keygen`` writes it; None where it does not."""
    try:
        with file.with_name(f"{file.name}.pub").open("rb") as public:
            text = public.read(_PUBLIC_KEY_BYTES_MAX).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if text and "PRIVATE" not in text and "\n" not in text else None
