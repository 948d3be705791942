"""Serving HTTP: sockets and server, the gate before every route, bodies and problems."""
