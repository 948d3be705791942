"""The hub as a source: from ``org/repo`` to one verified GGUF file.

``huggingface_hub`` answers what is in a repository (and knows gated, private
and renamed ones); ``transfer`` moves the bytes, because a download that was
killed must go on from them and the library's does not. One copy on disk: its
cache is not used. The token goes to the hub and nowhere else: a redirect to
another host is followed without it.
"""

import os
import re
from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import anyio.to_thread
import httpx2
import msgspec

from rbee.contracts.aliases import ModelSource, parse_repository, resolve_alias
from rbee.errors import (
    CorruptModel,
    GatedRepository,
    HubError,
    InvalidRequest,
    ModelNotFound,
    NoUsableFile,
    RbeeError,
)
from rbee.foundation.gguf import GgufHeader
from rbee.foundation.http.guarded import redirect_guard
from rbee.foundation.pace import Pace
from rbee.foundation.packages.certificates import trust
from rbee.hive.models.choose import RepositoryFile, choose_file, open_choice
from rbee.hive.models.lookup import aliases_of
from rbee.hive.models.names import is_sha256, safe_file_name
from rbee.hive.models.pick import Judge, Offer, judge_files, pick_offer
from rbee.hive.models.remote_header import read_remote_header
from rbee.hive.models.transfer import fetch_file, timeouts
from rbee.hive.models.wanted import Reporter, Say, Wanted

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

ENDPOINT_DEFAULT: Final = "https://huggingface.co"
LISTING_TIMEOUT_S: Final = 20.0  # a listing is one small answer
_CHOICE_MIN: Final = 2  # with one file there is nothing to choose
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


class HubSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which hub, and as whom. The token is never shown."""

    endpoint: str = ENDPOINT_DEFAULT
    token: str | None = None

    def __repr__(self) -> str:
        return f"HubSettings(endpoint={self.endpoint!r}, token={'set' if self.token else None})"


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository's listing at one commit."""

    repo: str
    commit: str
    gated: bool
    files: tuple[RepositoryFile, ...]


def hub_settings(environ: Mapping[str, str] = os.environ) -> HubSettings:
    """``HF_ENDPOINT`` and ``HF_TOKEN``, read at the call and not at import."""
    endpoint = environ.get("HF_ENDPOINT", "").strip().rstrip("/")
    return HubSettings(
        endpoint=endpoint or ENDPOINT_DEFAULT, token=environ.get("HF_TOKEN", "").strip() or None
    )


async def find_on_hub(
    name: str, settings: HubSettings, say: Say, judge: Judge | None = None
) -> Wanted | None:
    """What ``name`` means on the hub; None when it cannot be a hub's model.

    ``org/repo`` means the repository's own GGUF, else the one that the alias
    table has for it. Of several qualities the best is taken that ``judge`` has
    room for; each choice is told through ``say``.

    Raises:
        ModelNotFound, GatedRepository, NoUsableFile, HubError, InvalidRequest.
    """
    asked, alias = parse_repository(name), resolve_alias(name)
    if alias is not None and alias.kind != "hub":
        return None
    if asked is not None:
        found = await _own_file(asked, settings, has_alias=alias is not None)
        if found is None and alias is None:
            raise _nothing_to_run(asked.repo)
        if found is not None:
            repository, file = found
            file = await _fitting(repository, file, asked, settings, say, judge, strict=True)
            return wanted_from(repository, file, name, settings)
    if alias is None:
        return None
    repository = await list_repository(alias.repo, settings)
    file = choose_file(repository.files, alias, strict=False)
    if file is None:
        raise _nothing_to_run(alias.repo)
    _check_access(repository, settings)
    file = await _fitting(repository, file, alias, settings, say, judge, strict=False)
    say(f"{name.strip()} → {repository.repo}:{file.path}")
    return wanted_from(repository, file, name, settings)


async def _fitting(
    repository: Repository,
    preferred: RepositoryFile,
    source: ModelSource,
    settings: HubSettings,
    say: Say,
    judge: Judge | None,
    *,
    strict: bool,
) -> RepositoryFile:
    """The best file that has room, where the choice is ours; else the preferred one."""
    choice = open_choice(repository.files, source, strict=strict)
    if judge is None or len(choice) < _CHOICE_MIN:
        return preferred
    try:
        offers = await offers_of(repository, choice, settings, judge)
    except (HubError, CorruptModel) as error:
        say(f"Whether {preferred.path} fits is not known: {error.message}")
        return preferred
    file, reason = pick_offer(offers)
    say(f"{reason}.")
    return file


async def offers_of(
    repository: Repository, files: Sequence[RepositoryFile], settings: HubSettings, judge: Judge
) -> list[Offer]:
    """The verdicts on ``files`` (of one model, the preferred first), from its header.

    Raises:
        CorruptModel, HubError: the header cannot be had.
    """
    header = await read_header_of(repository, files[0], settings)
    if header.facts is None:
        return [Offer(file, None) for file in files]
    return await anyio.to_thread.run_sync(judge_files, files, files[0], header.facts, judge)


async def _own_file(
    source: ModelSource, settings: HubSettings, *, has_alias: bool
) -> tuple[Repository, RepositoryFile] | None:
    """The repository's own file; None where the alias table should be asked."""
    try:
        repository = await list_repository(source.repo, settings)
    except (GatedRepository, ModelNotFound):
        if has_alias:
            return None
        raise
    file = choose_file(repository.files, source, strict=True)
    if file is None:
        return None
    _check_access(repository, settings)
    return repository, file


def _check_access(repository: Repository, settings: HubSettings) -> None:
    """A gated repository lists its files to anyone and gives them to no stranger."""
    if repository.gated and settings.token is None:
        raise _gated(repository.repo)


def wanted_from(
    repository: Repository, file: RepositoryFile, asked: str, settings: HubSettings
) -> Wanted:
    """What bringing a file of a repository means."""
    model_id = f"{repository.repo}:{file.path}"
    url = _url(repository, file, settings)
    target = safe_file_name(file.path)
    digest = file.sha256 if is_sha256(file.sha256) else None

    async def bring(folder: Path, reporter: Reporter, pace: Pace) -> None:
        async with await hub_client(settings.endpoint) as client:
            await fetch_file(
                client,
                url,
                folder / target,
                headers=hub_headers(settings),
                size_bytes=file.size_bytes,
                report=lambda have, total: reporter(have, total, "download"),
                refusal=partial(_refusal, model_id),
                pace=pace,
            )

    return Wanted(
        id=model_id,
        name=target.removesuffix(".gguf"),
        file=target,
        source=f"{without_credentials(settings.endpoint)}/{repository.repo}",
        fingerprint=digest or f"{repository.commit}/{file.path}",
        bring=bring,
        inspect=partial(read_header_of, repository, file, settings),
        aliases=tuple(aliases_of(model_id, repository.repo, asked)),
        size_bytes=file.size_bytes,
        disk_bytes=file.size_bytes,
        sha256=digest,
    )


async def read_header_of(
    repository: Repository, file: RepositoryFile, settings: HubSettings
) -> GgufHeader:
    """Read a file's header where it lies.

    Raises:
        CorruptModel: it is no model.
        HubError: the network, the server, or a gated repository.
    """
    model_id = f"{repository.repo}:{file.path}"
    async with await hub_client(settings.endpoint) as client:
        return await read_remote_header(
            client,
            _url(repository, file, settings),
            label=model_id,
            headers=hub_headers(settings),
            refusal=partial(_refusal, model_id),
            size_bytes=file.size_bytes,
        )


def _url(repository: Repository, file: RepositoryFile, settings: HubSettings) -> str:
    return f"{settings.endpoint}/{repository.repo}/resolve/{repository.commit}/{quote(file.path)}"


async def hub_client(endpoint: str, timeout_s: float | None = None) -> httpx2.AsyncClient:
    """Follows redirects that may be followed (``foundation.http.guarded``).

    Certificates are read in a thread. Without a time: a transfer's.
    """
    verify = await anyio.to_thread.run_sync(trust)
    timeout = timeouts() if timeout_s is None else httpx2.Timeout(timeout_s)
    return httpx2.AsyncClient(
        verify=verify,
        follow_redirects=True,
        timeout=timeout,
        event_hooks={"request": [redirect_guard(endpoint)]},
    )


def hub_headers(settings: HubSettings) -> dict[str, str]:
    """Who asks; the token goes to the hub alone (the client drops it at another host)."""
    known = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
    return {"User-Agent": "rbee", **known}


async def list_repository(repo: str, settings: HubSettings) -> Repository:
    """The repository's listing. A cancelled caller leaves at once, the call ends by itself.

    Raises:
        ModelNotFound, GatedRepository, HubError, InvalidRequest.
    """
    return await anyio.to_thread.run_sync(
        partial(_list_blocking, repo, settings), abandon_on_cancel=True
    )


def _list_blocking(repo: str, settings: HubSettings) -> Repository:
    # Imported here: a quarter of a second that only a hive which downloads should pay.
    from huggingface_hub import HfApi  # noqa: PLC0415  # as the line above says
    from huggingface_hub.errors import (  # noqa: PLC0415  # as above
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
    )

    api = HfApi(endpoint=settings.endpoint, token=settings.token or False, library_name="rbee")
    where = without_credentials(settings.endpoint)
    try:
        info = api.model_info(repo, files_metadata=True, timeout=LISTING_TIMEOUT_S)
    except GatedRepoError:
        raise _gated(repo) from None
    except RepositoryNotFoundError:
        raise ModelNotFound(
            f"There is no repository {repo} at {where}, or it is private.",
            remedy="Check its name; for a private one set HF_TOKEN for the hive.",
            param="$.model",
        ) from None
    except HFValidationError as error:
        raise InvalidRequest(f"{repo!r} is no repository: {error}", param="$.model") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise HubError(f"{where} answers {status} for {repo}.") from None
    except (httpx2.HTTPError, OSError, ValueError) as error:
        raise HubError(
            f"{where} cannot be asked for {repo} ({type(error).__name__}).",
            remedy="Check the network (and HF_ENDPOINT, HF_HUB_OFFLINE); models that are here"
            " already work without it.",
        ) from None
    return _repository(repo, info)


def _repository(repo: str, info: "ModelInfo") -> Repository:
    commit = info.sha if info.sha and _COMMIT.fullmatch(info.sha) else "main"
    canonical = parse_repository(info.id or "")
    return Repository(
        repo=canonical.repo if canonical else repo,
        commit=commit,
        gated=bool(info.gated),
        files=tuple(
            RepositoryFile(
                sibling.rfilename,
                sibling.size,
                sibling.lfs.sha256 if sibling.lfs is not None else None,
            )
            for sibling in info.siblings or ()
        ),
    )


def _refusal(model_id: str, response: httpx2.Response) -> RbeeError:
    """What the hub means by a status on a file."""
    repo = model_id.partition(":")[0]
    code = response.headers.get("x-error-code", "")
    if code == "GatedRepo" or response.status_code in {401, 403}:
        return _gated(repo)
    if response.status_code == HTTPStatus.NOT_FOUND:
        return NoUsableFile(
            f"The hub has no file {model_id} (any more).", remedy="Ask for the repository again."
        )
    return HubError(f"The hub answers {response.status_code} for {model_id}.")


def _gated(repo: str) -> GatedRepository:
    return GatedRepository(f"{repo} is gated: the hub gives its files only to those it knows.")


def _nothing_to_run(repo: str) -> NoUsableFile:
    return NoUsableFile(
        f"{repo} holds no GGUF file, and no conversion of it is known here.",
        remedy=f"Three ways out: name a repository that has one (often `{repo.split('/')[1]}-GGUF`"
        " by another author); convert it with llama.cpp's convert_hf_to_gguf.py and give the"
        " file's path; or use an engine that reads its format, through a worker of that engine.",
    )


def without_credentials(url: str) -> str:
    """A URL that may be shown."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
