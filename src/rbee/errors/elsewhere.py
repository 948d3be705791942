"""Another room, machine or service did not do its part."""

from rbee.errors.root import RbeeError


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
