"""The worker room: one process that serves one model on one port.

A hive starts ``python -m rbee.worker`` (through its shim) and the queen talks
to the port directly. Native engines (``engines/xllamacpp``) bring their own
listener; library engines (``engines/scripted``) are served by ``api``. A worker
never reports itself: the hive looks at its health, slots and metrics from
outside.
"""
