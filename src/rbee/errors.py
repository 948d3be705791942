"""The one exception tree of rbee.

::

    RbeeError
    ├─ ContractError         400  the caller's mistake: 4xx
    │  ├─ InvalidRequest        400  a field is missing, empty or of the wrong type
    │  ├─ ContextExceeded       400  the prompt is longer than the worker's context
    │  ├─ InvalidApiKey         401
    │  ├─ Forbidden             403  Host, Origin or a key's scope
    │  │  └─ TlsRequired           plain HTTP from a network that is not trusted
    │  ├─ NotFound              404
    │  │  ├─ ModelNotFound
    │  │  ├─ WorkerNotFound
    │  │  ├─ JobNotFound
    │  │  ├─ HiveNotFound
    │  │  └─ KeyNotFound
    │  ├─ MethodNotAllowed      405
    │  ├─ Conflict              409  e.g. deleting a model that is loaded
    │  │  └─ StaleEpoch            a command of a queen that was replaced
    │  ├─ TooLarge              413
    │  ├─ ClientGone            499  logged and counted: nobody is there to read it
    │  └─ NotYet                501  described in wire.md, not delivered yet
    ├─ CapacityError            503  try again later: carries retry_after_s
    │  ├─ NoCapacity
    │  ├─ QueueFull
    │  ├─ RateLimited          429
    │  ├─ QuotaExceeded        429
    │  └─ ShuttingDown
    ├─ RemoteError              502  another room, machine or service failed
    │  ├─ WorkerFailed
    │  ├─ QueenRestarted
    │  ├─ HiveUnreachable
    │  ├─ QueenUnreachable
    │  ├─ UntrustedPeer            what answers over TLS is not what was to answer
    │  ├─ LinkRefused           the queen answers and takes no link of this hive
    │  ├─ HubError
    │  │  ├─ GatedRepository    403
    │  │  └─ NoUsableFile       404
    │  └─ DeadlineExceeded      504
    ├─ EngineError              500  the engine refused, crashed or never got ready
    │  ├─ EngineUnusable
    │  └─ OutOfMemory
    ├─ StorageError             507  disk and files
    │  ├─ DiskFull
    │  ├─ CorruptStore
    │  ├─ StoreTaken
    │  └─ CorruptModel          422
    └─ StartError             500  a daemon cannot start here
       ├─ BadSettings
       ├─ PortTaken
       ├─ AlreadyRunning
       └─ UnsafeBind

Every error has a stable ``code`` for programs, an HTTP ``status``, a
``message`` that says what was wrong and where, and a ``remedy`` that says what
to do. Errors become HTTP at one place (``foundation.http.problems``) and come
back from HTTP at one other (``client.transport``); nothing in between
translates them.
"""

from typing import ClassVar


class RbeeError(Exception):
    """Anything that rbee reports to a person.

    ``message`` says what was wrong; ``remedy`` says what to do about it;
    ``param`` is the JSON path or the name of the input at fault, if one is.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    remedy: str = "This is a fault in rbee: please report it with the log (`rbee logs`)."

    def __init__(
        self, message: str, *, remedy: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if remedy is not None:
            self.remedy = remedy


class ContractError(RbeeError):
    """The request is wrong; sending it again unchanged will fail again."""

    code = "invalid_request"
    status = 400
    remedy = "Correct the request and send it again."


class InvalidRequest(ContractError):
    """A field is missing, empty, out of range or of the wrong type."""


class ContextExceeded(ContractError):
    """The prompt is longer than the worker's context."""

    code = "context_length_exceeded"  # OpenAI's word for it: frameworks look for it
    remedy = "Shorten the prompt, or spawn the worker with a larger `context_length`."


class InvalidApiKey(ContractError):
    """The server wants a key and got none, or a wrong one."""

    code = "invalid_api_key"
    status = 401
    remedy = "Send `Authorization: Bearer KEY`; the `rbee` command takes KEY from RBEE_API_KEY."


class Forbidden(ContractError):
    """A Host or Origin that is not on the list, or a key without this scope."""

    code = "forbidden"
    status = 403
    remedy = "Use the address that the server prints at its start, from a page of its own."


class TlsRequired(Forbidden):
    """Plain HTTP from a network that is not trusted."""

    code = "tls_required"
    remedy = "Use https:// (`rbee login URL` once), or name a VPN's network in `trusted_networks`."


class NotFound(ContractError):
    """No such route or thing."""

    code = "not_found"
    status = 404
    remedy = "Check the path and the id."


class ModelNotFound(NotFound):
    """No hive has this model and no source offers it."""

    code = "model_not_found"
    remedy = "`rbee model list` shows what is here; `rbee model download NAME` fetches one."


class WorkerNotFound(NotFound):
    """No worker has this id or pid."""

    code = "worker_not_found"
    remedy = "`rbee worker list` shows the workers and their ids."


class JobNotFound(NotFound):
    """No job has this id, or its log has expired."""

    code = "job_not_found"
    remedy = "A job's log is kept for one hour after its end; `GET /v1/jobs` lists what is there."


class HiveNotFound(NotFound):
    """No joined hive has this id."""

    code = "hive_not_found"
    remedy = "`rbee status` shows the hives of the colony."


class KeyNotFound(NotFound):
    """No created API key has this id or name."""

    code = "key_not_found"
    remedy = "`rbee keys list` shows the keys."


class MethodNotAllowed(ContractError):
    """The path exists, with another method."""

    code = "method_not_allowed"
    status = 405


class Conflict(ContractError):
    """The thing is in a state that does not allow this."""

    code = "conflict"
    status = 409


class StaleEpoch(Conflict):
    """A command of a queen whose successor this hive has heard of."""

    code = "stale_epoch"
    remedy = (
        "Stop the older queen. If the newer one is gone for good, delete the hive's epoch.json."
    )


class TooLarge(ContractError):
    """A body or an answer over its limit."""

    code = "too_large"
    status = 413
    remedy = "Send less at once."


class ClientGone(ContractError):
    """The client left before its answer's end."""

    code = "client_gone"
    status = 499
    remedy = "Nothing: its work was stopped. Longer time limits of clients and proxies may help."


class NotYet(ContractError):
    """Part of the published interface that this version does not deliver yet."""

    code = "not_yet"
    status = 501
    remedy = "CHANGELOG.md says what this version delivers."


class CapacityError(RbeeError):
    """There is no room now; ``retry_after_s`` says when to come back."""

    code = "no_capacity"
    status = 503
    remedy = "Try again later, or add a hive."

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: int = 5,
        remedy: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, param=param)
        self.retry_after_s = retry_after_s


class NoCapacity(CapacityError):
    """No hive can run the model now."""


class QueueFull(CapacityError):
    """The queue is at its bound, or a request waited its longest."""

    code = "queue_full"


class RateLimited(CapacityError):
    """A key has used up its limit for now; ``headers`` are its ``x-ratelimit-*``."""

    code = "rate_limited"
    status = 429
    remedy = "Wait as long as Retry-After says; the limit is the key's (`rbee keys list`)."
    headers: tuple[tuple[bytes, bytes], ...] = ()


class QuotaExceeded(CapacityError):
    """A key has used up its tokens of the day."""

    code = "quota_exceeded"
    status = 429
    remedy = "It begins anew at midnight, UTC; the operator sets it (`rbee keys list`)."


class ShuttingDown(CapacityError):
    """The server is going away."""

    code = "shutting_down"
    remedy = "Try again in a few seconds: it may be restarting."


class RemoteError(RbeeError):
    """Something that rbee talks to did not do its part."""

    code = "remote_error"
    status = 502
    remedy = "Try again; if it stays, `rbee doctor` looks for the cause."


class WorkerFailed(RemoteError):
    """The worker died or answered nonsense."""

    code = "worker_error"


class QueenRestarted(RemoteError):
    """The queen restarted in the middle of this job, and cannot go on with it."""

    code = "queen_restarted"
    remedy = "Send it again: what was said so far is in the job's events."


class HiveUnreachable(RemoteError):
    """The hive does not answer."""

    code = "hive_unreachable"
    remedy = "`rbee hive status` looks at it; `rbee hive start` starts the one on this machine."


class QueenUnreachable(RemoteError):
    """The queen does not answer."""

    code = "queen_unreachable"
    remedy = "`rbee up` starts a colony on this machine; `--queen URL` names another one."


class LinkRefused(RemoteError):
    """The queen answers, and takes no link of this hive."""

    code = "link_refused"
    remedy = "The reason is hers; two hives of one id, or two versions, are the usual ones."


class UntrustedPeer(RemoteError):
    """What answers over TLS is not what was to answer there."""

    code = "untrusted_peer"
    remedy = (
        "`rbee login URL` shows the colony's fingerprint and trusts it; RBEE_CA_FILE names a CA."
    )


class HubError(RemoteError):
    """A model source refused or failed."""

    code = "hub_error"


class GatedRepository(HubError):
    """The repository wants a login."""

    code = "gated_repository"
    status = 403
    remedy = "Accept its licence on the hub, then set HF_TOKEN for the hive and try again."


class NoUsableFile(HubError):
    """The repository exists and holds nothing that an engine here can run."""

    code = "no_usable_file"
    status = 404


class DeadlineExceeded(RemoteError):
    """The request's deadline passed."""

    code = "deadline"
    status = 504
    remedy = "Give it more time (`X-Deadline-S`, `deadline_s`) or ask for less."


class EngineError(RbeeError):
    """The engine refused the model, crashed or never got ready."""

    code = "engine_error"
    remedy = "`rbee worker logs ID` shows what the engine said."


class EngineUnusable(EngineError):
    """This engine cannot run on this machine."""

    code = "engine_unusable"
    remedy = "`rbee doctor` says why; choose another engine with `worker`."


class OutOfMemory(EngineError):
    """The model, its context or its cache does not fit into the device's memory."""

    code = "out_of_memory"
    remedy = "Ask for a smaller context, free memory, or use another device or hive."


class StorageError(RbeeError):
    """A disk or a file failed."""

    code = "storage_error"
    status = 507


class DiskFull(StorageError):
    """Not enough room for what was asked."""

    code = "disk_full"
    remedy = "Free some space (`rbee model delete ID`) and try again; a download resumes."


class CorruptStore(StorageError):
    """The database of the jobs is damaged, or no database."""

    code = "corrupt_store"
    remedy = "Restore it from a backup, or move it away and the queen begins a new one."


class StoreTaken(StorageError):
    """Another queen has taken over the database of the jobs."""

    code = "store_taken"
    remedy = "One queen for each store: stop one of them, or give it another `store`."


class CorruptModel(StorageError):
    """A model file that is damaged, truncated or not what it says."""

    code = "corrupt_model"
    status = 422
    remedy = "Delete it (`rbee model delete ID`) and download it again."


class StartError(RbeeError):
    """A daemon cannot start here."""

    code = "start_failed"


class BadSettings(StartError):
    """A value in config.toml or the environment that cannot be used."""

    code = "bad_settings"
    remedy = "Correct the value; README.md lists the settings."


class PortTaken(StartError):
    """Another program listens on the port."""

    code = "port_taken"
    remedy = "Stop that program or choose another port."


class AlreadyRunning(StartError):
    """The same daemon runs already."""

    code = "already_running"


class UnsafeBind(StartError):
    """An address that others can reach, and no key."""

    code = "unsafe_bind"
    remedy = "`rbee up --bind ADDRESS` makes one; or set RBEE_API_KEY, or bind to 127.0.0.1."
