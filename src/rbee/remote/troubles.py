"""What can be wrong with a machine on which a hive is to live.

They refine ``RemoteError`` for the operator's eyes and never cross HTTP; each says
what to do about it.
"""

from rbee.errors import RemoteError


class HostError(RemoteError):
    """Another machine cannot be worked on."""

    remedy = "Try `ssh HOST` by hand: rbee reads the same ~/.ssh/config, keys and agent."


class HostUnreachable(HostError):
    """The name is unknown, nobody listens there, or it does not answer in time."""


class HostNotTrusted(HostError):
    """The machine's key is not known here yet, or is another one than was known."""

    remedy = "Compare the fingerprint with the one that the machine's own console shows."


class LoginRefused(HostError):
    """The machine takes none of the keys that were offered."""

    remedy = "Put your public key there (`ssh-copy-id HOST`), or load it (`ssh-add`)."


class HostUnfit(HostError):
    """The machine lacks something that a hive needs."""


class NoRouteBack(HostError):
    """The machine does not reach the queen."""

    remedy = "Name an address of the queen that this machine reaches: `--queen URL`."


class VersionSkew(HostError):
    """Two versions that should not be mixed."""

    remedy = "Bring both to one version; `--any-version` goes on regardless."


class NotInstalled(HostError):
    """No hive was installed on the machine by this program."""

    remedy = "`rbee hive install --host HOST` puts one there."


class CommandFailed(HostError):
    """A command on the machine ended with an error."""
