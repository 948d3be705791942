"""What fails on this machine: engines, disks and files, the start of a daemon."""

from rbee.errors.root import RbeeError


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
