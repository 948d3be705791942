"""Search the hub for repositories of GGUF models. Called by the hive's search route.

One request finds the repositories, one more for each tells its files; with a
judge, the header of one file of each is read where it lies, and each file gets a
verdict. Answers are kept for a minute: people search the same words again, and a
hub counts requests. A repository whose files cannot be listed is shown with the
reason, not left out.
"""

import time
from typing import Final

import anyio
import httpx2
import msgspec

from rbee.contracts.aliases import ModelSource, parse_repository
from rbee.contracts.models import ModelSearch, OfferedFile, OfferedModel
from rbee.errors import CorruptModel, HubError, InvalidRequest, RbeeError
from rbee.hive.models.choose import models_in, open_choice, quality_of
from rbee.hive.models.hub import (
    HubSettings,
    Repository,
    hub_client,
    hub_headers,
    list_repository,
    offers_of,
    without_credentials,
)
from rbee.hive.models.pick import Judge, Offer

KEPT_S: Final = 60.0  # a person who refines a search; memory and the hub change slower
KEPT_MAX: Final = 64  # searches; some 50 kB each at most
FOUND_DEFAULT: Final = 10  # a screenful
FOUND_MAX: Final = 50  # each one is a request more to the hub
QUERY_LENGTH_MAX: Final = 200  # words, not a document
SEARCH_TIMEOUT_S: Final = 20.0  # one small answer
_AT_ONCE: Final = 4  # listings in flight: quick, and no storm on the hub


class HubSearch:
    """The searches of one hive. Its state belongs to the event loop."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int, bool, HubSettings], tuple[float, ModelSearch]] = {}

    async def find(
        self, query: str, limit: int, settings: HubSettings, judge: Judge | None = None
    ) -> ModelSearch:
        """The repositories that match ``query``, most downloaded first, at most ``limit``.

        Raises:
            InvalidRequest: no words, too many, or a limit out of range.
            HubError: the hub cannot be asked.
        """
        words = " ".join(query.split())
        if not words or len(words) > QUERY_LENGTH_MAX:
            raise InvalidRequest(
                f"`q` has {len(words)} characters; 1 to {QUERY_LENGTH_MAX} are searched for.",
                remedy="Give a few words, as in `?q=llama+8b`.",
                param="q",
            )
        if not 1 <= limit <= FOUND_MAX:
            raise InvalidRequest(f"`limit` is {limit}, outside 1 to {FOUND_MAX}.", param="limit")
        key, now = (words.casefold(), limit, judge is not None, settings), time.monotonic()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] < KEPT_S:
            return kept[1]
        found = await _search(words, limit, settings, judge)
        self._kept.pop(key, None)
        self._kept[key] = (now, found)
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        return found


async def _search(
    words: str, limit: int, settings: HubSettings, judge: Judge | None
) -> ModelSearch:
    models = await _list(words, limit, settings)
    turns = anyio.Semaphore(_AT_ONCE)

    async def fill(model: OfferedModel) -> None:
        async with turns:
            await _add_files(model, settings, judge)

    async with anyio.create_task_group() as group:
        for model in models:
            group.start_soon(fill, model)
    return ModelSearch(query=words, models=models)


async def _add_files(model: OfferedModel, settings: HubSettings, judge: Judge | None) -> None:
    """What the repository's listing says, and the verdicts where they are wanted."""
    try:
        repository = await list_repository(model.id, settings)
    except RbeeError as error:
        model.problem = error.message
        return
    model.gated = repository.gated
    files = models_in(repository.files)
    sizes = [file.size_bytes for file in files if file.size_bytes is not None]
    model.size_bytes_min, model.size_bytes_max = min(sizes, default=None), max(sizes, default=None)
    model.quantizations = sorted({q for file in files if (q := quality_of(file.path))})
    offers = await _offers(model, repository, settings, judge)
    for file in files:
        offer = offers.get(file.path)
        verdict = offer.verdict if offer else None
        model.files.append(
            OfferedFile(
                path=file.path,
                quantization=quality_of(file.path),
                size_bytes=file.size_bytes,
                fits=verdict.fits if verdict else None,
                reason=verdict.reason if verdict else None,
            )
        )


async def _offers(
    model: OfferedModel, repository: Repository, settings: HubSettings, judge: Judge | None
) -> dict[str, Offer]:
    choice = open_choice(repository.files, ModelSource(kind="hub"), strict=False)
    if judge is None or not choice:
        return {}
    if repository.gated and settings.token is None:
        model.problem = "gated: whether it fits is not known without a token"
        return {}
    try:
        offers = await offers_of(repository, choice, settings, judge)
    except (HubError, CorruptModel) as error:
        model.problem = error.message
        return {}
    return {offer.file.path: offer for offer in offers}


async def _list(words: str, limit: int, settings: HubSettings) -> list[OfferedModel]:
    """One request to the hub's search. Its library would repeat it for 20 s on a dead line."""
    where = without_credentials(settings.endpoint)
    asked = {"search": words, "filter": "gguf", "sort": "downloads", "limit": str(limit)}
    try:
        async with await hub_client(settings.endpoint, SEARCH_TIMEOUT_S) as client:
            url = f"{settings.endpoint}/api/models"
            response = await client.get(url, params=asked, headers=hub_headers(settings))
    except httpx2.HTTPError as error:
        raise HubError(
            f"{where} cannot be searched ({type(error).__name__}).",
            remedy="Check the network (and HF_ENDPOINT); models that are here already work"
            " without it.",
        ) from None
    if not response.is_success:
        raise HubError(f"{where} answers {response.status_code} to a search.")
    try:
        rows = msgspec.json.decode(response.content, type=list[_Row])
    except msgspec.MsgspecError:
        raise HubError(f"{where} answers a search with something else than a list.") from None
    return [model for row in rows[:limit] if (model := _offered(row))]


class _Row(msgspec.Struct):
    """What is read of a repository in the hub's answer."""

    id: str
    downloads: int | None = None
    likes: int | None = None


def _offered(row: _Row) -> OfferedModel | None:
    """None for an id that is no ``org/repo``: it could not be downloaded."""
    source = parse_repository(row.id)
    if source is None:
        return None
    return OfferedModel(id=source.repo, downloads=row.downloads, likes=row.likes)
