"""The one exception tree of rbee.

::

    RbeeError
    ├─ ContractError         400  the caller's mistake: 4xx
    │  ├─ InvalidRequest        400  a field is missing, empty or of the wrong type
    │  ├─ ContextExceeded       400  the prompt is longer than the worker's context
    │  ├─ InvalidApiKey         401
    │  ├─ Forbidden             403  Host, Origin or a key's scope
    │  │  ├─ TlsRequired           plain HTTP from a network that is not trusted
    │  │  └─ RequestCancelled      an operator took it from the queue or its worker
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

from rbee.errors.caller import (
    ClientGone,
    Conflict,
    ContextExceeded,
    ContractError,
    Forbidden,
    HiveNotFound,
    InvalidApiKey,
    InvalidRequest,
    JobNotFound,
    KeyNotFound,
    MethodNotAllowed,
    ModelNotFound,
    NotFound,
    NotYet,
    RequestCancelled,
    StaleEpoch,
    TlsRequired,
    TooLarge,
    WorkerNotFound,
)
from rbee.errors.capacity import (
    CapacityError,
    NoCapacity,
    QueueFull,
    QuotaExceeded,
    RateLimited,
    ShuttingDown,
)
from rbee.errors.elsewhere import (
    DeadlineExceeded,
    GatedRepository,
    HiveUnreachable,
    HubError,
    LinkRefused,
    NoUsableFile,
    QueenRestarted,
    QueenUnreachable,
    RemoteError,
    UntrustedPeer,
    WorkerFailed,
)
from rbee.errors.machine import (
    AlreadyRunning,
    BadSettings,
    CorruptModel,
    CorruptStore,
    DiskFull,
    EngineError,
    EngineUnusable,
    OutOfMemory,
    PortTaken,
    StartError,
    StorageError,
    StoreTaken,
    UnsafeBind,
)
from rbee.errors.root import (
    RbeeError,
)

__all__ = [
    "AlreadyRunning",
    "BadSettings",
    "CapacityError",
    "ClientGone",
    "Conflict",
    "ContextExceeded",
    "ContractError",
    "CorruptModel",
    "CorruptStore",
    "DeadlineExceeded",
    "DiskFull",
    "EngineError",
    "EngineUnusable",
    "Forbidden",
    "GatedRepository",
    "HiveNotFound",
    "HiveUnreachable",
    "HubError",
    "InvalidApiKey",
    "InvalidRequest",
    "JobNotFound",
    "KeyNotFound",
    "LinkRefused",
    "MethodNotAllowed",
    "ModelNotFound",
    "NoCapacity",
    "NoUsableFile",
    "NotFound",
    "NotYet",
    "OutOfMemory",
    "PortTaken",
    "QueenRestarted",
    "QueenUnreachable",
    "QueueFull",
    "QuotaExceeded",
    "RateLimited",
    "RbeeError",
    "RemoteError",
    "RequestCancelled",
    "ShuttingDown",
    "StaleEpoch",
    "StartError",
    "StorageError",
    "StoreTaken",
    "TlsRequired",
    "TooLarge",
    "UnsafeBind",
    "UntrustedPeer",
    "WorkerFailed",
    "WorkerNotFound",
]
