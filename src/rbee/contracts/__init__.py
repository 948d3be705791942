"""What rbee speaks on its ports: msgspec structs, no I/O.

One noun per file. Requests are tolerant (unknown fields are ignored), answers
are complete (unknown values are ``null``, never 0 and never a guess). Shapes
that the mission fixed are marked **S** in wire.md and have golden files under
``tests/wire/golden``.
"""
