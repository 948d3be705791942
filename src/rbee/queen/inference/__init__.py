"""The data plane: admission → routing (pure) → relay. The hot path of rbee.

Rules of this room (``design.md`` says why): nothing here awaits a database, a
lock or a hive; bodies are forwarded as the client's own bytes; chunks are not
parsed, only cut into whole events.
"""
