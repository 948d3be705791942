"""What can hold and compute a model on this machine, and how the machine is.

One file per maker behind the Protocol of ``probe``; ``inventory`` finds, names
and reads them all; ``choice`` and ``pinning`` turn a spawn's ``device`` into
devices and a binding; ``usage`` says whose is what on them; ``node`` is the
machine's own telemetry. What each maker tells: docs/devices.md.
"""
