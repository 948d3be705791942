"""Another hive of the colony as the first source of a model.

``models/downloads`` asks here before it asks the hub. The queen says who has the model
(``ModelSeek``) and hands out their tickets; the bytes then come from the nearest hive
that answers (``near``), are resumed where they stopped, and are believed when their
digest is right. A hive that fails is passed over for the next one; where two hives
cannot see each other the bytes go through the queen. When nobody has it, one hive
fetches it from outside and the others wait for that one: the internet once per colony.

Without a queen the model comes from outside, as if there were no colony.
"""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio

from rbee.client.queen import QueenClient
from rbee.contracts.aliases import looks_like_repository, resolve_alias
from rbee.contracts.sharing import FAILED_MAX, ModelSeek, ModelSources, is_digest
from rbee.errors import CorruptModel, HiveUnreachable, RbeeError, StorageError
from rbee.foundation import logs
from rbee.foundation.pace import Pace
from rbee.hive.models.metadata import MODEL_SUFFIX
from rbee.hive.models.names import safe_file_name
from rbee.hive.models.pick import Judge
from rbee.hive.models.wanted import Outside, Phase, Reporter, Say, Wanted
from rbee.hive.sharing.near import Dial, Place, in_order
from rbee.hive.sharing.receiving import Request, receive

RENEW_S: Final = 2.0  # a claim ends 10 s after its last renewal: four may be lost
ASK_AGAIN_S: Final = 1.0  # while another hive fetches it: a beat's time
DIGEST_WITHIN_S: Final = 1800.0  # another hive reads 400 GB from a disk of 250 MB/s
PATIENCE_S: Final = (
    60.0  # without a byte: a hive that is restarted, or its machine, is back by then
)
RETRY_DELAYS_S: Final = (
    0.2,
)  # one cut is an accident, after two another hive is the better answer
END_WITHIN_S: Final = 1.0  # a queen that hangs must not hold a cancelled download; claims expire

_log = logs.get(__name__)


class ColonySource:
    """The colony, as one hive sees it. ``judge`` gives, at a moment, who says what fits here."""

    def __init__(
        self, hive_id: str, dial: Dial, *, judge: Callable[[], Judge] | None = None
    ) -> None:
        self._hive_id = hive_id
        self._dial = dial
        self._judge = judge
        self._queen: QueenClient | None = None

    async def __aenter__(self) -> Self:
        """Nothing is opened before somebody asks."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections to the queen."""
        queen, self._queen = self._queen, None
        if queen is not None:
            await queen.close()

    async def turn_to(self, dial: Dial) -> None:
        """Another queen: she is asked from now on."""
        self._dial = dial
        queen, self._queen = self._queen, None
        if queen is not None:
            await queen.close()

    async def ask(self, asked: ModelSeek) -> ModelSources | None:
        """The queen's answer; None when she does not give one."""
        if self._queen is None:
            self._queen = self._dial.queen()
        try:
            return await self._queen.seek(asked)
        except RbeeError as error:
            _log.info("colony not asked", model=asked.model, reason=error.message)
            return None

    async def find(
        self, name: str, from_hive: str | None, outside: Outside, say: Say
    ) -> Wanted | None:
        """What ``name`` means among the models of other hives; None when none has it.

        A name that leaves the choice open (an alias, a repository) means the file that
        the colony has, unless that one certainly does not fit here.
        """
        found = await self._found(name, from_hive, say)
        if found is None or found.verdict != "copy" or found.model is None or not found.file:
            return None
        model, digest = found.model, found.model.sha256 or ""
        if not is_digest(digest) or (from_hive is None and not self._fits(name, found)):
            return None

        async def bring(folder: Path, reporter: Reporter, pace: Pace) -> None:
            other = await outside(model.id)
            if other.sha256 != digest or other.file != file:
                raise CorruptModel(
                    f"{model.id} has another content outside now than in this colony.",
                    remedy="Delete the colony's copies to get the new one, or start their hives.",
                )
            await other.bring(folder, reporter, pace)

        file = _file_name(found.file, digest)
        return Wanted(
            id=model.id,
            name=model.name,
            file=file,
            source=model.source or "colony",
            fingerprint=digest,
            bring=bring,
            aliases=tuple(model.aliases),
            size_bytes=model.size_bytes,
            disk_bytes=model.size_bytes,
            sha256=digest,
            outside=from_hive is None and _is_outside(model.id),
            from_hive=from_hive,
        )

    def turn(self, wanted: Wanted, say: Say) -> "ColonyTurn":
        """Begin a download of ``wanted``."""
        return ColonyTurn(self, self._hive_id, self._dial, wanted, say)

    async def _found(self, name: str, from_hive: str | None, say: Say) -> ModelSources | None:
        """The queen's answer, when it is more than that a hive reads its file for the digest."""
        asked = ModelSeek(hive_id=self._hive_id, model=name, from_hive=from_hive)
        patient_until, told = anyio.current_time() + DIGEST_WITHIN_S, False
        while True:
            found = await self.ask(asked)
            if found is None or found.verdict != "wait" or anyio.current_time() > patient_until:
                return found
            if not told:
                say(f"The hive {found.fetching} reads its file once, for the digest.")
                told = True
            await anyio.sleep(ASK_AGAIN_S)

    def _fits(self, name: str, found: ModelSources) -> bool:
        model = found.model
        if self._judge is None or model is None or model.facts is None:
            return True
        if name.strip().casefold() == model.id.casefold():
            return True
        return self._judge()(model.facts).fits != "no"


class ColonyTurn:
    """One download of one model, from wherever it can be had. See ``wanted.Turn``."""

    def __init__(
        self, source: ColonySource, hive_id: str, dial: Dial, wanted: Wanted, say: Say
    ) -> None:
        self._source = source
        self._hive_id = hive_id
        self._dial = dial
        self._wanted = wanted
        self._say = say
        self._failed: dict[str, str] = {}
        self._from: str | None = None
        self._claimed = False
        self._over = False
        self._have = 0
        self._told: set[str] = set()

    async def keep(self) -> None:
        """Renew the claim for as long as the download goes on."""
        while not self._over:
            await anyio.sleep(RENEW_S)
            if self._claimed and not self._over:
                await self._source.ask(self._seek(claim=True))

    async def end(self, *, arrived: bool) -> None:
        """Give the claim back: the others copy it from here, or one of them tries."""
        self._over = True
        if not self._claimed:
            return
        asked = self._seek(claim=False)
        asked.ended = "arrived" if arrived else "given_up"
        with anyio.move_on_after(END_WITHIN_S, shield=True):
            await self._source.ask(asked)

    def blame(self) -> bool:
        """The bytes were not those of the digest: pass over the hive that gave them."""
        if self._from is None:
            return False
        self._failed[self._from] = "its file is damaged"
        self._once(f"What {self._from} gave was damaged.")
        self._from = None
        return True

    async def bring(self, folder: Path, reporter: Reporter, pace: Pace) -> None:
        """Have the file in ``folder``: from a hive, else from outside.

        Raises:
            HiveUnreachable: only hives have it, and none of them gave it.
            RbeeError: as the source outside, and what the disk says.
        """

        def report(have: int, total: int | None, phase: Phase) -> None:
            self._have = have
            reporter(have, total, phase)

        silent_since = anyio.current_time()
        while True:
            found = await self._source.ask(self._seek(claim=self._wanted.outside))
            if found is not None and found.verdict == "copy" and found.holders:
                before = self._have
                if await self._copy(found, folder, report, pace):
                    return
                if self._have > before:
                    silent_since = anyio.current_time()
                continue
            if found is not None and found.verdict == "wait":
                self._waiting(found, reporter)
            elif self._wanted.outside:
                self._claimed, self._from = found is not None, None
                await self._wanted.bring(folder, report, pace)
                return
            elif anyio.current_time() - silent_since > PATIENCE_S:
                raise self._nobody()
            else:
                self._once("No hive that has it answers; waiting for one.")
                self._failed.clear()
            await anyio.sleep(ASK_AGAIN_S)

    def _seek(self, *, claim: bool) -> ModelSeek:
        return ModelSeek(
            hive_id=self._hive_id,
            model=self._wanted.id,
            sha256=self._wanted.sha256,
            from_hive=self._wanted.from_hive,
            failed=list(self._failed)[:FAILED_MAX],
            claim=claim,
            have_bytes=self._have,
            size_bytes=self._wanted.size_bytes,
        )

    async def _copy(self, found: ModelSources, folder: Path, report: Reporter, pace: Pace) -> bool:
        """Take it from the nearest holder that gives it; those that do not are noted."""
        digest = found.model.sha256 if found.model is not None else None
        if digest is None or not is_digest(digest):
            return False
        self._failed.update({holder.hive_id: "" for holder in found.holders})
        for place in await in_order(self._dial, found.holders, digest):
            self._say(f"Copying it from the hive {place.hive_id}{place.way}.")
            try:
                await self._fetch(place, folder / self._wanted.file, report, pace)
            except StorageError:
                raise  # our own disk
            except RbeeError as error:
                _log.info("copy stopped", hive=place.hive_id, way=place.way, reason=error.message)
                self._say(f"Not from {place.hive_id}{place.way}: {error.message}")
            else:
                self._from = place.hive_id
                return True
        return False

    async def _fetch(self, place: Place, target: Path, report: Reporter, pace: Pace) -> None:
        asked = Request(
            url=place.url,
            headers=place.headers,
            target=target,
            size_bytes=self._wanted.size_bytes,
            context=self._dial.context(place.expects, place.url),
        )
        await receive(asked, lambda have, total: report(have, total, "download"), pace)

    def _waiting(self, found: ModelSources, reporter: Reporter) -> None:
        self._once(
            f"The hive {found.fetching} downloads it already; it is copied from there afterwards."
        )
        reporter(found.have_bytes, found.size_bytes, "download")

    def _once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._say(text)

    def _nobody(self) -> HiveUnreachable:
        return HiveUnreachable(
            f"No hive that has {self._wanted.id} can be reached.",
            remedy="Start one of them (`rbee status` shows the hives) and ask again:"
            " the copy goes on where it stopped.",
        )


def _file_name(given: str, digest: str) -> str:
    """The file's name here: a model's by its ending, so that it is none of the folder's own."""
    name = safe_file_name(given)
    return name if name.endswith(MODEL_SUFFIX) else f"{digest}{MODEL_SUFFIX}"


def _is_outside(model_id: str) -> bool:
    """Whether a source outside of the colony could have a model with this id."""
    return resolve_alias(model_id) is not None or looks_like_repository(model_id)
