"""What can hold and compute a model on this machine, and how the machine is.

One file per kind of device behind the Protocol of ``probe``; ``choice`` turns the
``device`` of a request into device ids; ``node`` is the machine's telemetry.
"""
