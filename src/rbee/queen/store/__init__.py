"""Durable jobs: what the queen has accepted, and what was said of it so far.

``journal`` is the one task that writes, in groups, beside everything else;
``sql`` is what it writes with: one set of statements for SQLite and PostgreSQL,
``sqlite`` and ``postgres`` are the two connections. Nothing on the way of an
OpenAI request comes through here.
"""
