"""The caller's mistakes, 4xx: the same request again will fail again."""

from rbee.errors.root import RbeeError


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
    remedy = (
        "Send `Authorization: Bearer KEY`; `rbee` takes KEY from `rbee login URL` or RBEE_API_KEY."
    )


class Forbidden(ContractError):
    """A Host or Origin that is not on the list, or a key without this scope."""

    code = "forbidden"
    status = 403
    remedy = "Use the address that the server prints at its start, from a page of its own."


class TlsRequired(Forbidden):
    """Plain HTTP from a network that is not trusted."""

    code = "tls_required"
    remedy = "Use https:// (`rbee login URL` once), or name a VPN's network in `trusted_networks`."


class RequestCancelled(Forbidden):
    """An operator of the colony cancelled this request."""

    code = "request_cancelled"
    remedy = "Ask whoever runs the colony before you send it again."


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
