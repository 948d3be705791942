"""Sockets for ``foundation.mux``: what both ends of a link need of asyncio.

``connection`` is a WebSocket under a session, ``transport`` a stream as an
``asyncio.Transport``, ``splice`` joins two transports.
"""
