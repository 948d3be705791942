"""What nobody foresaw: into the log with its traceback, to the client without."""

from rbee.errors import RbeeError
from rbee.foundation import logs

_log = logs.get(__name__)


def unforeseen(error: Exception, *, where: str) -> RbeeError:
    """Log what nobody foresaw, with its traceback, and give what a client may see."""
    _log.error("unforeseen error", where=where, exc_info=error)
    return RbeeError("Something went wrong inside rbee; the log has the details.")
