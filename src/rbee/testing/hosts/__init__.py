"""A colony of several hosts on one machine: each its own network, files, users and sshd.

``Lan`` builds hosts in Linux namespaces and joins them with a switch whose lines can be
cut, lossy, slow or narrow. All of it hangs on one pipe to the process that built it: when
that process ends, however it ends, the kernel takes down hosts, lines, mounts and all
programs in them. docs/test-hosts.md shows how to use it, decision 0019 why it is so.
"""

from rbee.testing.hosts.daemons import Daemon
from rbee.testing.hosts.host import Host, Keys
from rbee.testing.hosts.lan import Lan
from rbee.testing.hosts.needs import NoHosts, missing

__all__ = ["Daemon", "Host", "Keys", "Lan", "NoHosts", "missing"]
